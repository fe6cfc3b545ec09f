import { toTimestamp } from "../base/clock.ts";
import { type InstallationId, newInstallationId } from "../base/ids.ts";
import type { Db, Tx } from "./db.ts";

/** The id of this installation; null in a store that no server was ever started on. */
export async function findInstallation(db: Db | Tx): Promise<InstallationId | null> {
  const row = await db.selectFrom("installation").select("id").executeTakeFirst();
  return row === undefined ? null : (row.id as InstallationId);
}

/** The id of this installation; made once. `isNew` tells the one who made it. */
export async function ensureInstallation(tx: Tx, nowMs: number): Promise<{ id: InstallationId; isNew: boolean }> {
  const made = await tx
    .insertInto("installation")
    .values({ id: newInstallationId(), created_at: toTimestamp(nowMs) })
    .onConflict((conflict) => conflict.column("singleton").doNothing())
    .returning("id")
    .executeTakeFirst();
  const row = made ?? (await tx.selectFrom("installation").select("id").executeTakeFirstOrThrow());
  return { id: row.id as InstallationId, isNew: made !== undefined };
}

/** The public key that signs heads of the log now; null where the store was not told yet. Locked, no other follows it meanwhile. */
export async function signingKeyNow(db: Db | Tx, locked = false): Promise<string | null> {
  const query = db.selectFrom("installation").select("signing_key");
  return (await (locked ? query.forUpdate() : query).executeTakeFirstOrThrow()).signing_key;
}
