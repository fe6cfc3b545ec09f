import type { RequestId } from "../base/ids.ts";
import type { Circumstances } from "../domain/circumstances.ts";
import { evaluate } from "../domain/evaluate.ts";
import { type Facts, HISTORY_DAYS } from "../domain/facts.ts";
import type { Decision } from "../domain/policy.ts";
import type { Principal } from "../domain/principal.ts";
import type { LedgerTx } from "../store/ledger.ts";
import type { Catalog } from "./context.ts";
import { circumstancesOf, type Found } from "./subject.ts";

const DAY_MS = 86_400_000;

/** Policy's answer, and the facts it was given on: those that were gathered, and what our own ledger says of the person. */
export type Answer = { readonly decision: Decision; readonly facts: Facts };

/**
 * Asks policy inside a transaction. What a limit counts is counted under a lock on the limit, so that of two who would
 * both be the last one only one is. `except` is the request itself, where it is in the ledger already.
 */
export async function askPolicy(
  tx: LedgerTx,
  { policy }: Catalog,
  person: Principal,
  found: Found,
  request: Circumstances["request"],
  gathered: Facts,
  nowMs: number,
  except: RequestId | null = null,
): Promise<Answer> {
  const facts = policy.looksBack
    ? { ...gathered, history: await tx.historyOf(person.id, found.resource.name, nowMs - HISTORY_DAYS * DAY_MS) }
    : gathered;
  const circumstances = circumstancesOf(person, found, request, facts, nowMs);
  // Taken for used up while it is not counted, each limit leads on to the next: so all that may matter are found at once,
  // and locked in one order.
  const asked = new Map<string, number>();
  const first = evaluate(policy, circumstances, (counted, withinMs) => {
    asked.set(counted, withinMs);
    return Number.POSITIVE_INFINITY;
  });
  if (asked.size === 0) return { decision: first, facts };
  const uses = new Map<string, number>();
  for (const [counted, withinMs] of [...asked].sort(([a], [b]) => (a < b ? -1 : 1)))
    uses.set(counted, await tx.countUses(counted, nowMs - withinMs, except));
  const used = (counted: string): number => uses.get(counted) ?? Number.POSITIVE_INFINITY;
  return { decision: evaluate(policy, circumstances, used), facts };
}
