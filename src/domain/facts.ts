import type { JsonObject } from "../base/canonical.ts";
import type { Extension } from "./policy.ts";
import type { UserFacts } from "./recorded-request.ts";

/** What was looked up about the world before the transaction that decides: with its source and age, kept with the request. */
export type Facts = {
  readonly oncall: {
    /** 0: not on call, and also what an unreachable or stale source means. */
    readonly tier: number;
    readonly source: string;
    readonly ageMs: number;
  };
  /** What our own ledger says of the person; looked up inside the transaction, and only where the policy asks for it. */
  readonly history?: History;
  /** The person as policy saw them; absent in what was stored before it was kept. */
  readonly user?: UserFacts;
  /** Of more time on a grant: what policy judged. */
  readonly judged?: { readonly durationMs: number; readonly extension: Extension };
};

/** Grants of one person. `here`: of the same resource. */
export type History = {
  /** That have not ended. */
  readonly open: number;
  readonly openHere: number;
  /** Made within the last `HISTORY_DAYS` days, whatever became of them. */
  readonly recent: number;
  readonly recentHere: number;
};

export const HISTORY_DAYS = 30;

/** Facts as the log keeps them, which nobody can erase from: not what somebody is called. */
export function factsForTheLog(facts: JsonObject): JsonObject {
  const { user, ...rest } = facts as { user?: JsonObject };
  if (user === undefined) return facts;
  const { kind = null, type = null, groups = null } = user;
  return { ...rest, user: { kind, type, groups } };
}
