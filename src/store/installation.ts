import { toTimestamp } from "../base/clock.ts";
import { type InstallationId, newInstallationId } from "../base/ids.ts";
import type { Tx } from "./db.ts";

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
