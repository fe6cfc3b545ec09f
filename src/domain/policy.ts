/** Policy as it is written: rules over principal, entitlement and circumstances. Evaluated in `evaluate.ts`. */
import type { Demands } from "./authentication.ts";
import type { History, TicketFact } from "./facts.ts";
import type { Hours } from "./hours.ts";
import type { Activation } from "./request.ts";

/**
 * Who may approve: `group:sre-leads`, `user:bob` (by handle), `owners` of the resource, or the requester's `manager`, who
 * stands in a decision as the `user:` that it was.
 */
export type Source = `group:${string}` | `user:${string}` | "owners" | "manager";

/**
 * `count` distinct people out of `by`. In a decision `by` holds everybody who may: what escalation or want of others added
 * is in it, and in `added` as well.
 */
export type Step = {
  readonly by: readonly Source[];
  readonly count: number;
  /** CEL; only a request for which it is true needs this step, and so does one for which it fails. Decided, it is gone. */
  readonly if?: string;
  /** Who may too, once the step has been open for so long. */
  readonly escalate?: Escalation;
  /** Who may too, where not enough people living could. */
  readonly fallback?: readonly Source[];
  readonly added?: readonly Addition[];
  /** Decided: since when it waits, where that is later than the request itself. */
  readonly openedMs?: number;
};

/** Who may approve besides; nobody, where a step escalated to those who might already. */
export type Addition = {
  readonly by: readonly Source[];
  readonly why: "escalated" | "fallback";
  /** Left out: from the beginning. */
  readonly atMs?: number;
};

export type Escalation = { readonly afterMs: number; readonly to: readonly Source[] };

/** Automatic or not, no more than `count` requests are decided by the rule within `withinMs`, counted together for each person, each group, or all. */
export type Limit = {
  readonly per: "user" | "rule" | `group:${string}`;
  readonly count: number;
  readonly withinMs: number;
};

/** More time on a grant: how often and by how much it was extended before, and by how much it shall be now. */
export type Extension = { readonly count: number; readonly totalMs: number; readonly addMs: number };

/** What an extension may be at most; left out, as the rest of the rule allows. */
export type ExtensionBounds = {
  readonly count?: number;
  readonly eachMs?: number;
  /** All extensions of one grant together. */
  readonly totalMs?: number;
};

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
  /** What follows is left out where the file says nothing of it: a configuration that was stored before these were known has none. */
  readonly limit?: Limit;
  /** For emergencies, and for them alone. */
  readonly emergency?: AfterReview;
  /** When the access may start; any of these. */
  readonly hours?: readonly Hours[];
  readonly extensions?: ExtensionBounds;
  /** However it was asked for, the time of its grants starts so. */
  readonly activation?: Activation;
  /** How long a grant that starts on use may wait for it; else as the defaults say. */
  readonly activateWithinMs?: number;
  /** How freshly whoever acts must have shown who they are. No demand of the rule's kind: another rule is not tried for it. */
  readonly authentication?: Demands;
};

/** Who looks at each use afterwards, and how soon. */
export type AfterReview = {
  readonly reviewBy: readonly Source[];
  readonly withinMs: number;
  /** The rule is not for somebody of whom so many emergencies wait for their review; left out, however many do. */
  readonly openMax?: number;
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
      readonly manager?: string;
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
    readonly emergency?: boolean;
    /** How often each limit that counts this was used before. */
    readonly used?: number;
    readonly history?: History;
    readonly extension?: Extension;
    /** RFC 3339; null: the moment the test runs. */
    readonly now: string | null;
  };
  readonly expect: {
    readonly decision: Outcome;
    readonly rule: string | null;
    /** `1 of owners`, a line for each step, in any order. */
    readonly steps?: readonly string[];
    readonly authentication?: Demands;
  };
};

export type Outcome = "automatic" | "needs-approval" | "denied";

/** One rule that was looked at, and what came of it. */
export type TraceLine = {
  readonly rule: string;
  readonly result: "denies" | "applies" | "does-not-apply" | "error";
  /** A sentence for people. */
  readonly why: string;
  /** Its condition is met, and only something that it asks for is missing. */
  readonly almost?: true;
};

/** What policy said about one request. */
export type Decision = {
  readonly outcome: Outcome;
  /** The rule that decided; null where none applied. */
  readonly rule: string | null;
  /** What approval needs: empty unless the outcome is needs-approval. */
  readonly steps: readonly Step[];
  readonly trace: readonly TraceLine[];
  /** Under what this request counts towards the limit of its rule. */
  readonly counted?: string;
  /** How the rule wants the time of a grant to start, and how long it may wait for that; left out, it does not say. */
  readonly activation?: Activation;
  readonly activateWithinMs?: number;
  readonly emergency?: Afterwards;
  readonly authentication?: Demands;
};

/** What follows on an emergency: as its rule was when it decided, so that a later edit takes the review from nobody. */
export type Afterwards = {
  readonly reviewBy: readonly Source[];
  readonly withinMs: number;
  /** Who could have approved it as an ordinary request. */
  readonly skipped: readonly Source[];
};

/** Why a decision is a no, in a few words: the rule that denies and its reason, or that none allows it, and what is missing for one that would. */
export function denialOf({ rule, trace }: Decision): string {
  const denying = trace.find((line) => line.rule === rule);
  if (denying !== undefined) return `the rule ${denying.rule} denies this: ${denying.why}`;
  const almost = trace.find((line) => line.almost);
  return `no rule allows this${almost === undefined ? "" : `; ${almost.rule} would, but ${almost.why}`}`;
}
