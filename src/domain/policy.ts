/** Policy as it is written: rules over principal, entitlement and circumstances. Evaluated in `evaluate.ts`. */

import type { TicketFact } from "./facts.ts";

/** Who may approve: `group:sre-leads`, `user:bob` (by handle), or `owners` of the resource. */
export type Source = `group:${string}` | `user:${string}` | "owners";

/** `count` distinct people out of `by`. */
export type Step = { readonly by: readonly Source[]; readonly count: number };

export type DenyRule = {
  readonly kind: "deny";
  readonly name: string;
  /** CEL; true denies, and so does an error. */
  readonly condition: string;
};

export type ApproveRule = {
  readonly kind: "approve";
  readonly name: string;
  /** CEL; null applies always. An error is no match. */
  readonly when: string | null;
  readonly approve: "automatically" | readonly Step[];
  readonly maxDurationMs: number | null;
  readonly ticketRequired: boolean;
  readonly reasonMinLength: number | null;
};

export type Rule = DenyRule | ApproveRule;

/** A case of `tests:`; what is not given has the default of its type. */
export type PolicyTest = {
  readonly name: string;
  readonly given: {
    readonly user: {
      readonly name: string;
      readonly type: string;
      readonly groups: readonly string[];
      readonly email: string;
    };
    readonly oncallTier: number;
    /** Who is on call could not be told. */
    readonly oncallUnknown?: true;
    /** `orders-db:read` */
    readonly entitlement: string;
    readonly durationMs: number;
    readonly ticket: string;
    /** What was found out about it; absent: nobody looked. */
    readonly ticketFact?: TicketFact;
    readonly reason: string;
    /** RFC 3339; null: the moment the test runs. */
    readonly now: string | null;
  };
  readonly expect: { readonly decision: Outcome; readonly rule: string | null };
};

export type Outcome = "automatic" | "needs-approval" | "denied";

/** One rule that was looked at, and what came of it. */
export type TraceLine = {
  readonly rule: string;
  readonly result: "denies" | "applies" | "does-not-apply" | "error";
  /** A sentence for people. */
  readonly why: string;
};

/** What policy said about one request. */
export type Decision = {
  readonly outcome: Outcome;
  /** The rule that decided; null where none applied. */
  readonly rule: string | null;
  /** What approval needs: empty unless the outcome is needs-approval. */
  readonly steps: readonly Step[];
  readonly trace: readonly TraceLine[];
};

/** Why a decision is a no, in a few words: the rule that denies and its reason, or that none allows it. */
export function denialOf({ rule, trace }: Decision): string {
  const denying = trace.find((line) => line.rule === rule);
  return denying === undefined ? "no rule allows this" : `the rule ${denying.rule} denies this: ${denying.why}`;
}
