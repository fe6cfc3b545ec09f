import { toTimestamp } from "../base/clock.ts";
import type { GrantId } from "../base/ids.ts";
import { isRefusal } from "../base/problem.ts";
import type { EntryActor, EntryDraft } from "../domain/audit.ts";
import { askRotation } from "../domain/grant.ts";
import { lostWith } from "../store/keys/key-use.ts";
import { type SqlTransacting, transact } from "./transact.ts";

export type Abandoned = {
  /** Grants whose secret nobody has had yet: a new one is made for them. */
  readonly undelivered: readonly GrantId[];
  /** Kept connections that do not open any more. */
  readonly connections: number;
};

/**
 * Gives a sealing key up as lost. What it seals counts as lost from then on: secrets that nobody has had yet are made anew,
 * and revocations go on with the connections as configured. Repeated, it changes nothing.
 */
export async function abandonKey(context: SqlTransacting, keyId: string, osUser: string): Promise<Abandoned> {
  const actor: EntryActor = { system: "local-command" };
  const result = await transact(context, { operation: "abandon-key", actor }, async ({ tx, apply }) => {
    const nowMs = await tx.nowMs();
    const lost = await lostWith(tx.sql, keyId);
    const added = await tx.sql
      .insertInto("abandoned_keys")
      .values({ key_id: keyId, abandoned_at: toTimestamp(nowMs) })
      .onConflict((conflict) => conflict.column("key_id").doNothing())
      .returning("key_id")
      .executeTakeFirst();
    if (added === undefined) return lost;
    const entry: EntryDraft = {
      kind: "key.abandoned",
      actor,
      refs: {},
      data: { key: keyId, undelivered: lost.undelivered.length, connections: lost.connections },
      personal: { osUser },
    };
    await apply({ entries: [entry] }, nowMs);
    for (const id of lost.undelivered) {
      const locked = await tx.lockGrant(id, null);
      // One that is still being made gets its new secret on the way.
      if (locked?.grant.state !== "active" || locked.grant.credential !== "ready") continue;
      const asked = askRotation(locked.grant, actor, locked.nowMs);
      if (!isRefusal(asked)) await apply({ grants: [asked] }, locked.nowMs);
    }
    return lost;
  });
  if (isRefusal(result)) throw new Error(result.detail);
  return result;
}
