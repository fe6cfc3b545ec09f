/** What a doctor saw: one thing looked at, whether it is well, and what to do where it is not. */

/**
 * `warning`: works, but is worth knowing or mending. `"unknown"`: it could not be looked at; nothing is said about it.
 */
export type Health = true | false | "warning" | "unknown";

export type Finding = {
  /** What was looked at, in few words: `admin may create roles`. */
  readonly check: string;
  readonly ok: Health;
  /** What was seen. Never a secret. */
  readonly saw: string;
  /** What to do, statements to run word for word; null where nothing needs doing. */
  readonly fix: string | null;
};

/** Findings about one thing: the store, the server, one target. */
export type FindingGroup = { readonly title: string; readonly findings: readonly Finding[] };

export const well = (check: string, saw: string): Finding => ({ check, ok: true, saw, fix: null });
export const wrong = (check: string, saw: string, fix: string): Finding => ({ check, ok: false, saw, fix });
export const warns = (check: string, saw: string, fix: string): Finding => ({ check, ok: "warning", saw, fix });
export const unknown = (check: string, saw: string, fix: string | null = null): Finding => ({
  check,
  ok: "unknown",
  saw,
  fix,
});

/** Nothing is wrong. Warnings and what could not be looked at do not count. */
export const allWell = (groups: readonly FindingGroup[]): boolean =>
  groups.every(({ findings }) => findings.every(({ ok }) => ok !== false));

const MARKS = { true: "✓", false: "✗", warning: "!", unknown: "?" } as const;

/** The groups as lines for people: a mark each, what to do under what is not well, and a count at the end. */
export function findingLines(groups: readonly FindingGroup[]): string[] {
  const lines = groups.flatMap(({ title, findings }) => [
    harmless(title),
    ...findings.flatMap(({ check, ok, saw, fix }) => [
      `  ${MARKS[`${ok}`]} ${harmless(`${check}: ${saw}`)}`,
      ...(fix === null ? [] : fix.split("\n").map((line) => `      ${harmless(line)}`)),
    ]),
    "",
  ]);
  return [...lines, summary(groups)];
}

/** Names on a target may hold anything; none of it drives the terminal. */
const harmless = (text: string): string => text.replaceAll(/[^\P{C}\p{Cn}]/gu, "\ufffd");

function summary(groups: readonly FindingGroup[]): string {
  const all = groups.flatMap(({ findings }) => findings);
  const count = (ok: Health): number => all.filter((finding) => finding.ok === ok).length;
  const parts = [`${count(true)} well`, `${count(false)} wrong`, `${count("warning")} to know`];
  const unseen = count("unknown");
  return `${[...parts, ...(unseen === 0 ? [] : [`${unseen} that could not be looked at`])].join(", ")}.`;
}
