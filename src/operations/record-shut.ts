import { toTimestamp } from "../base/clock.ts";
import type { GrantId } from "../base/ids.ts";
import type { Ending, Grant } from "../domain/grant.ts";
import type { LedgerContext } from "./context.ts";
import { endLocked } from "./revoke-grant.ts";
import { transact } from "./transact.ts";

/** A grant whose access was shut from the journal while the store was away. Times are database time as that process knew it. */
export type ShutWhileAway = { readonly grant: GrantId; readonly begunMs: number; readonly doneMs: number | null };

/**
 * The store is back and is told. The grant ends, whatever became of it meanwhile: access that was shut is never taken for
 * active again, and the reconciler proves and cleans up as ever.
 */
export async function recordShut(context: LedgerContext, { grant: id, begunMs, doneMs }: ShutWhileAway): Promise<void> {
  const actor = { system: "journal" as const };
  await transact(context, { operation: "record-shut", actor, refs: { grant: id } }, async (work) => {
    const locked = await work.tx.lockGrant(id, null);
    if (locked === null) return null;
    const { grant, nowMs } = locked;
    const refs = { grant: id, request: grant.requestId, principal: grant.principalId };
    const data = {
      begunAt: toTimestamp(begunMs),
      shutAt: doneMs === null ? null : toTimestamp(doneMs),
      state: grant.state,
      entitlement: grant.entitlement,
    };
    await work.apply({ entries: [{ kind: "grant.shut", actor, refs, data }] }, nowMs);
    await endLocked(work, locked, endingOf(grant, nowMs), actor);
    return null;
  });
}

/** It ended by its time; or it was extended, and the journal had not heard of that before the store went away. */
function endingOf(grant: Grant, nowMs: number): Ending {
  if (nowMs >= grant.expiresMs)
    return { cause: "expired", by: null, reason: `ended at ${toTimestamp(grant.expiresMs)}` };
  const reason =
    "its access was shut at its earlier end while Tidegate's store was away; that it had been extended was not known there. Ask again";
  return { cause: "revoked", by: null, reason };
}
