/** Which signals have come: one that comes again changes nothing. */
import { sql } from "kysely";
import type { Tx } from "./db.ts";

/** True the first time, false ever after. What is too old to be taken at all is forgotten on the way. */
export async function putSignal(tx: Tx, issuer: string, id: string, keptMs: number): Promise<boolean> {
  await tx.deleteFrom("signals").where("forget_at", "<", sql<number>`clock_timestamp()`).execute();
  const { numInsertedOrUpdatedRows = 0n } = await tx
    .insertInto("signals")
    .values({ issuer, jti: id, forget_at: sql`clock_timestamp() + ${keptMs} * interval '1 millisecond'` })
    .onConflict((conflict) => conflict.columns(["issuer", "jti"]).doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows > 0n;
}
