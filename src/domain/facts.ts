import type { JsonObject } from "../base/canonical.ts";
import type { UserFacts } from "./recorded-request.ts";

/** What was looked up about the world before the transaction that decides: with its source and age, kept with the request. */
export type Facts = {
  readonly oncall: {
    /** 0: not on call, and also what an unreachable or stale source means. */
    readonly tier: number;
    readonly source: string;
    readonly ageMs: number;
  };
  /** The person as policy saw them; absent in what was stored before it was kept. */
  readonly user?: UserFacts;
  /** Of an extension: the whole time that policy judged. */
  readonly judgedMs?: number;
};

/** Facts as the log keeps them, which nobody can erase from: not what somebody is called. */
export function factsForTheLog(facts: JsonObject): JsonObject {
  const { user, ...rest } = facts as { user?: JsonObject };
  if (user === undefined) return facts;
  const { kind = null, type = null, groups = null } = user;
  return { ...rest, user: { kind, type, groups } };
}
