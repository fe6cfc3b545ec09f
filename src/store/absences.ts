/** Who is away, until when, and who decides in their place. One for each person; by database time those count that have not ended. */
import { sql } from "kysely";
import { toTimestamp } from "../base/clock.ts";
import type { PrincipalId } from "../base/ids.ts";
import type { Absence } from "../domain/principal.ts";
import type { Db, Tx } from "./db.ts";

/** Held by whoever holds the principal. Null: they are there. */
export async function absenceOf(db: Db | Tx, id: PrincipalId): Promise<Absence | null> {
  const row = await inForce(db).where("a.principal_id", "=", id).executeTakeFirst();
  return row === undefined ? null : toAbsence(row);
}

export async function putAbsence(tx: Tx, id: PrincipalId, absence: Absence, nowMs: number): Promise<void> {
  const row = {
    delegate_id: absence.delegateId,
    set_by: absence.setBy,
    since: toTimestamp(nowMs),
    until: toTimestamp(absence.untilMs),
  };
  await tx
    .insertInto("absences")
    .values({ principal_id: id, ...row })
    .onConflict((conflict) => conflict.column("principal_id").doUpdateSet(row))
    .execute();
}

export async function endAbsence(tx: Tx, id: PrincipalId): Promise<void> {
  await tx.deleteFrom("absences").where("principal_id", "=", id).execute();
}

export type KnownAbsence = Absence & { readonly principalId: PrincipalId; readonly sinceMs: number };

/** Of everybody who is active, or of one person; who is back soonest first. */
export async function absences(db: Db, id: PrincipalId | null): Promise<KnownAbsence[]> {
  let query = inForce(db).innerJoin("principals as p", "p.id", "a.principal_id").where("p.active", "=", true);
  if (id !== null) query = query.where("a.principal_id", "=", id);
  const rows = await query.orderBy("a.until").orderBy("a.principal_id").execute();
  return rows.map((row) => ({
    ...toAbsence(row),
    principalId: row.principal_id as PrincipalId,
    sinceMs: row.since,
  }));
}

const inForce = (db: Db | Tx) =>
  db.selectFrom("absences as a").selectAll("a").where("a.until", ">", sql<number>`clock_timestamp()`);

const toAbsence = (row: { until: number; delegate_id: string | null; set_by: string }): Absence => ({
  untilMs: row.until,
  delegateId: row.delegate_id as PrincipalId | null,
  setBy: row.set_by as PrincipalId,
});
