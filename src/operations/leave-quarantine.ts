import { toTimestamp } from "../base/clock.ts";
import type { Refusal } from "../base/problem.ts";
import { endQuarantine, type Quarantine } from "../store/quarantine.ts";
import { type SqlTransacting, transact } from "./transact.ts";

/** Somebody has looked and says why it may go on, from a head that they sign (`signRecovery`). Null when there was no quarantine. */
export async function leaveQuarantine(
  context: SqlTransacting,
  reason: string,
  recovered: string | null,
): Promise<Quarantine | null> {
  const actor = { system: "local-command" as const };
  const left = await transact(context, { operation: "leave-quarantine", actor }, async (work) => {
    const nowMs = await work.tx.nowMs();
    const ended = await endQuarantine(work.tx.sql, nowMs, recovered);
    if (ended === null) return null;
    const data = { why: ended.why, since: toTimestamp(ended.sinceMs) };
    await work.apply({ entries: [{ kind: "store.recovered", actor, refs: {}, data, personal: { reason } }] }, nowMs);
    return ended;
  });
  return left as Exclude<typeof left, Refusal>;
}
