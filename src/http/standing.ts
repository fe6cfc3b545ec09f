/**
 * What our own ledger says of people, as far as the policy counts it: read for showing what would be said to them. Nothing is
 * locked, and it takes three queries, however many people, entitlements and tries there are.
 */
import { countedUnder, type Uses } from "../domain/demands.ts";
import type { Policy } from "../domain/evaluate.ts";
import { type Facts, HISTORY_DAYS } from "../domain/facts.ts";
import type { Principal } from "../domain/principal.ts";
import type { Db } from "../store/db.ts";
import { historiesOf } from "../store/grants.ts";
import { unreviewedOf, usesOf } from "../store/requests.ts";

const DAY_MS = 86_400_000;

export type Standing = {
  readonly uses: Uses;
  /** Their facts with their history, where the policy looks at it. */
  factsOf(person: Principal, resource: string, gathered: Facts): Facts;
};

export async function standingOf(
  db: Db,
  policy: Policy,
  people: readonly Principal[],
  nowMs: number,
): Promise<Standing> {
  const limits = new Map<string, number>();
  for (const { rule } of policy.approveRules)
    for (const person of rule.limit === undefined ? [] : people) {
      const counted = countedUnder(rule, person);
      if (counted !== null) limits.set(counted, nowMs - (rule.limit?.withinMs ?? 0));
    }
  const uses = await usesOf(
    db,
    Array.from(limits, ([counted, sinceMs]) => ({ counted, sinceMs })),
  );
  const ids = policy.looksBack ? people.map(({ id }) => id) : [];
  const histories = await historiesOf(db, ids, nowMs - HISTORY_DAYS * DAY_MS);
  const unreviewed = await unreviewedOf(db, ids);
  return {
    // What was not counted is not known, and what is not known is used up.
    uses: (counted) => (limits.has(counted) ? (uses.get(counted) ?? 0) : Number.POSITIVE_INFINITY),
    factsOf(person, resource, gathered) {
      if (!policy.looksBack) return gathered;
      const all = histories.get(person.id) ?? [];
      const [open, recent] = [all.reduce((n, one) => n + one.open, 0), all.reduce((n, one) => n + one.recent, 0)];
      const here = all.find((one) => one.resource === resource);
      const grants = { open, recent, openHere: here?.open ?? 0, recentHere: here?.recent ?? 0 };
      return { ...gathered, history: { ...grants, unreviewed: unreviewed.get(person.id) ?? 0 } };
    },
  };
}
