/** Something wrong, or doubtful, in a configuration file: where, what, and what to do. Never holds a secret. */
export type Mistake = {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units as editors count. */
  readonly column: number;
  readonly what: string;
  /** What to do about it; empty where `what` says it already. */
  readonly hint: string;
  /** Not wrong in itself: says what was not looked at because of the others. */
  readonly remark?: true;
};

/** `tidegate.yaml:12:7: error: …` and the hint under it, as compilers write it and editors read it. */
export function showMistake(mistake: Mistake, severity: "error" | "warning"): string {
  const line = `${mistake.file}:${mistake.line}:${mistake.column}: ${severity}: ${mistake.what}`;
  return mistake.hint === "" ? line : `${line}\n  hint: ${mistake.hint}`;
}
