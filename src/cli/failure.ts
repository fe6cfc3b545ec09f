import { tidegateVersion } from "../base/version.ts";
import { EXIT, exitCodeOfProblem, exitCodeOfSignal } from "./exit-code.ts";
import { Interrupted } from "./interrupts.ts";
import type { Page } from "./output.ts";
import { clean, cleanText } from "./words/clean.ts";
import { readTrace, traceLines } from "./words/trace.ts";

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

/** A problem as `--json` prints it: in the form of RFC 9457, whether the server found it or the command did. */
export type PrintedProblem = { type: string; title: string; detail: string; code: string; [member: string]: unknown };

export type FailureReport = {
  readonly exitCode: number;
  readonly problem: PrintedProblem;
  /** A bug of ours: then the stack is worth seeing. */
  readonly unexpected: boolean;
};

/** What a caught error means to whoever ran the command. */
export function reportFailure(error: unknown): FailureReport {
  if (error instanceof CommandFailure) return report(error.exitCode, error.code, error.message, error.extra);
  if (error instanceof Interrupted)
    return report(exitCodeOfSignal(error.received), "interrupted", error.message, { signal: error.received });
  if (isProblem(error)) {
    const { code, status, title, detail, extra } = error;
    return report(exitCodeOfProblem(code), code, detail, { ...extra, title, status });
  }
  const message = error instanceof Error ? error.message : String(error);
  // The client's own words for a server that does not answer, or something else that does.
  if (error instanceof Error && error.name === "CannotReach")
    return report(EXIT.failed, "unreachable", sentence(message));
  if (error instanceof Error && error.name === "UnexpectedAnswer")
    return report(EXIT.failed, "unexpected-answer", sentence(message));
  if (!isBug(error)) return report(EXIT.failed, "failed", message);
  return {
    ...report(EXIT.failed, "internal", `The command failed by a mistake of its own: ${message}`),
    unexpected: true,
  };
}

/** What a program throws when it is wrong, as against what it says when the world is. */
const isBug = (error: unknown): boolean =>
  !(error instanceof Error) ||
  error instanceof TypeError ||
  error instanceof RangeError ||
  error instanceof ReferenceError ||
  error.name === "AssertionError";

const report = (
  exitCode: number,
  code: string,
  detail: string,
  extra: Readonly<Record<string, unknown>> = {},
): FailureReport => ({
  exitCode,
  problem: { title: detail, ...extra, type: `urn:tidegate:problem:${code}`, detail, code },
  unexpected: false,
});

type Problem = Error & { code: string; status: number; title: string; detail: string; extra: Record<string, unknown> };

/** Known by its name: the class is the client's, which a command that never got so far has not loaded. */
const isProblem = (error: unknown): error is Problem => error instanceof Error && error.name === "ProblemError";

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const HINTS: Readonly<Record<string, string>> = {
  unauthenticated:
    "Set TIDEGATE_TOKEN, or name a file that holds the token with --token-file. A new one: tidegate token create NAME, and the line that it prints into the configuration.",
  "request-changed":
    "Read it: tidegate requests show ID. It tells the version; approve what you read: tidegate approve ID --seen VERSION.",
  unreachable: "Another address: set TIDEGATE_URL, or give --url.",
  "unexpected-answer":
    "Is this the address of Tidegate, and may you reach it without signing in to something else first? Another: set TIDEGATE_URL, or give --url.",
};

/** Through whom people sign in there, where a refusal says so: they need no token of the configuration. */
export const providersIn = (refusal: unknown): string[] => {
  const { providers, extra } = refusal as { providers?: unknown; extra?: { providers?: unknown } };
  const said = providers ?? extra?.providers;
  return Array.isArray(said) ? said.filter((one) => typeof one === "string") : [];
};

/** The server has no such route at all, which only a command of another version asks for. */
const isUnknownRoute = ({ code, ["route"]: route }: PrintedProblem): boolean =>
  code === "not-found" && typeof route === "string";

const hintFor = (problem: PrintedProblem): string | undefined =>
  isUnknownRoute(problem)
    ? `The server does not know this call: it is of another version than this command, which is ${tidegateVersion()}. Use the command of the server's version.`
    : problem.code === "unauthenticated" && providersIn(problem).length > 0
      ? isOfGivenToken(problem)
        ? GIVEN_TOKEN
        : "Sign in: tidegate login"
      : HINTS[problem.code];

/** The server did not take a token, and not that of a sign-in, of which it says so itself. */
const isOfGivenToken = ({ status, detail }: PrintedProblem): boolean =>
  status === 401 && !detail.includes("tidegate login");

const GIVEN_TOKEN =
  "TIDEGATE_TOKEN or --token-file holds it, and comes first: leave it out and sign in with tidegate login. A new one: tidegate token create NAME, and the line that it prints into the configuration.";

/** The same report for a person. */
export function failureLines({ problem, exitCode }: FailureReport, page: Page): string[] {
  const trace = traceLines(clean(readTrace(problem["trace"])), page).map((line) => `  ${line}`);
  // For those who see no trace the sentence goes on to tell it; below its lines are easier to read.
  const detail = cleanText(trace.length === 0 ? problem.detail : problem.detail.replace(/ Tried: .*$/s, ""));
  const word = exitCode === EXIT.denied ? "Denied: " : exitCode === EXIT.pending ? "Not yet: " : "";
  const hint = hintFor(problem);
  return [
    page.paint(exitCode === EXIT.pending || problem.code === "interrupted" ? "yellow" : "red", `${word}${detail}`),
    ...inputErrors(problem["errors"]).map((line) => `  ${line}`),
    ...trace,
    ...(hint === undefined ? [] : [hint]),
  ];
}

/** What was wrong with the input, place by place, where the server says so. */
function inputErrors(errors: unknown): string[] {
  if (!Array.isArray(errors)) return [];
  return errors.flatMap((error: unknown) =>
    typeof error === "object" && error !== null && "path" in error && "message" in error
      ? [cleanText(`${String(error.path)}: ${String(error.message)}`)]
      : [],
  );
}
