import { EXIT, exitCodeOfProblem, exitCodeOfSignal } from "./exit-code.ts";
import { Interrupted } from "./interrupts.ts";
import type { Page } from "./output.ts";
import { type TraceLine, traceLines } from "./trace.ts";
import { clean } from "./clean.ts";

/** An end other than success that is no bug: what happened, in a sentence with what to do next, and the exit code. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  readonly exitCode: number;
  readonly code: string;
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(code: string, detail: string, exitCode = exitCodeOfProblem(code), extra: Record<string, unknown> = {}) {
    super(detail);
    this.exitCode = exitCode;
    this.code = code;
    this.extra = extra;
  }
}

/** The command as typed cannot be carried out; nothing was tried. */
export const usage = (detail: string): CommandFailure => new CommandFailure("usage", detail, EXIT.usage);

/** A problem as `--json` prints it, in the form of RFC 9457 whether the server found it or the command did. */
export type PrintedProblem = { type: string; title: string; detail: string; code: string; [member: string]: unknown };

export type FailureReport = {
  readonly exitCode: number;
  readonly problem: PrintedProblem;
  /** A bug of ours: the stack is worth showing to whoever asks for it. */
  readonly unexpected: boolean;
};

/** What a caught error means to whoever ran the command. */
export function reportFailure(error: unknown): FailureReport {
  if (error instanceof CommandFailure) return report(error.exitCode, error.code, error.message, error.extra);
  if (error instanceof Interrupted)
    return report(exitCodeOfSignal(error.received), "interrupted", error.message, { signal: error.received });
  if (isServerProblem(error)) {
    const { code, status, detail, extra } = error;
    return report(exitCodeOfProblem(code), code, detail, { ...extra, status });
  }
  const message = error instanceof Error ? error.message : String(error);
  return { ...report(EXIT.failed, "internal", `The command failed by a mistake of its own: ${message}`), unexpected: true };
}

const report = (exitCode: number, code: string, detail: string, extra: Readonly<Record<string, unknown>> = {}): FailureReport => ({
  exitCode,
  problem: { ...extra, type: `urn:tidegate:problem:${code}`, title: titleOf(extra, detail), detail, code },
  unexpected: false,
});

const titleOf = (extra: Readonly<Record<string, unknown>>, detail: string): string =>
  typeof extra["title"] === "string" ? extra["title"] : detail;

const HINTS: Readonly<Record<string, string>> = {
  unauthenticated: "The token is missing, unknown or expired. Set TIDEGATE_TOKEN, or give --token-file.",
  "credential-delivered": "Ask for a new one with: tidegate credential GRANT --rotate",
};

/** The same report for a person. */
export function failureLines({ problem, exitCode }: FailureReport, page: Page): string[] {
  const shown = clean(problem);
  const word = exitCode === EXIT.denied ? "Denied" : exitCode === EXIT.pending ? "Not yet" : null;
  const head = word === null ? shown.detail : `${word}: ${shown.detail}`;
  const hint = HINTS[problem.code];
  return [
    page.paint(exitCode === EXIT.pending ? "yellow" : "red", head),
    ...traceLines(shown["trace"], page).map((line) => `  ${line}`),
    ...(hint === undefined ? [] : [hint]),
  ];
}
