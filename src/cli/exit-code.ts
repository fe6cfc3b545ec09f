import { constants } from "node:os";

/** What the shell is told. These are API: scripts and agents switch on them. */
export const EXIT = {
  /** What was asked for is done. */
  done: 0,
  /** It was tried and did not work. */
  failed: 1,
  /** The command was not understood: nothing was tried. */
  usage: 2,
  /** Tidegate understood, and said no. */
  denied: 3,
  /** Not yet: somebody must approve, or access is still being made. */
  pending: 4,
} as const;

const DENIED_CODES: ReadonlySet<string> = new Set([
  "policy-denied",
  "not-an-approver",
  "self-review",
  "forbidden",
  "out-of-scope",
  "cross-site",
  "no-approvers",
  "panic-in-force",
  "principal-deactivated",
  "sign-in-refused",
  "emergency-not-available",
  "request-denied",
  "step-up-impossible",
]);

/** What cannot be right whoever asks and whenever: the caller must write it differently. */
const USAGE_CODES: ReadonlySet<string> = new Set(["usage", "malformed-request", "invalid-duration", "invalid-input"]);

/** The exit code that goes with a problem's code. One that is not known here is a failure. */
export function exitCodeOfProblem(code: string): number {
  if (DENIED_CODES.has(code)) return EXIT.denied;
  if (USAGE_CODES.has(code)) return EXIT.usage;
  return code === "grant-not-active" || code === "step-up-required" ? EXIT.pending : EXIT.failed;
}

/** As a shell would say that a signal ended it. */
export const exitCodeOfSignal = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];
