import { toTimestamp } from "../base/clock.ts";
import type { Refusal } from "../base/problem.ts";
import { databaseNowMs } from "../store/db.ts";
import { endQuarantine, type Quarantine } from "../store/quarantine.ts";
import { type Ledger, transact } from "./transact.ts";

/** Somebody has looked and says why it may go on. Null when there was no quarantine. */
export async function leaveQuarantine(ledger: Ledger, reason: string): Promise<Quarantine | null> {
  const actor = { system: "local-command" as const };
  const left = await transact<Quarantine | null>(ledger, { operation: "leave-quarantine", actor }, async (work) => {
    const nowMs = await databaseNowMs(work.tx);
    const ended = await endQuarantine(work.tx, nowMs);
    if (ended === null) return null;
    const data = { why: ended.why, since: toTimestamp(ended.sinceMs) };
    await work.apply({ entries: [{ kind: "store.recovered", actor, refs: {}, data, personal: { reason } }] }, nowMs);
    return ended;
  });
  return left as Exclude<typeof left, Refusal>;
}
