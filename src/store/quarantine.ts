/** Whether the store is in quarantine: it may be older than what has happened, so it gives nothing to anybody. */
import { sql } from "kysely";
import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import { type Db, json, type Tx } from "./db.ts";

export type Quarantine = {
  readonly sinceMs: number;
  /** What was noticed, in words that go on from "because". */
  readonly why: string;
  readonly facts: JsonObject;
};

/** The quarantine that the store is in; null when it is in none. */
export async function quarantineNow(db: Db | Tx): Promise<Quarantine | null> {
  const row = await db
    .selectFrom("quarantines")
    .select(["since", "why", "facts"])
    .where("left_at", "is", null)
    .executeTakeFirst();
  return row === undefined ? null : { sinceMs: row.since, why: row.why, facts: row.facts };
}

/** Puts it down; false when it was there already. */
export async function putQuarantine(tx: Tx, { sinceMs, why, facts }: Quarantine): Promise<boolean> {
  const made = await tx
    .insertInto("quarantines")
    .values({ since: toTimestamp(sinceMs), why, facts: json(facts), left_at: null })
    .onConflict((conflict) => conflict.expression(sql`(true)`).where("left_at", "is", null).doNothing())
    .returning("id")
    .executeTakeFirst();
  return made !== undefined;
}

/** Ends it, at the head that was signed for that; the one that was open, or null. */
export async function endQuarantine(tx: Tx, nowMs: number, recovered: string | null): Promise<Quarantine | null> {
  const row = await tx
    .updateTable("quarantines")
    .set({ left_at: toTimestamp(nowMs), recovered })
    .where("left_at", "is", null)
    .returning(["since", "why", "facts"])
    .executeTakeFirst();
  return row === undefined ? null : { sinceMs: row.since, why: row.why, facts: row.facts };
}

/** The head at which the last quarantine was left, as whoever left it signed it; null: nobody did. */
export async function lastRecovery(db: Db): Promise<string | null> {
  const row = await db
    .selectFrom("quarantines")
    .select("recovered")
    .where("recovered", "is not", null)
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.recovered ?? null;
}

/** What came of a grant that was live when the quarantine began. */
export type EndedGrant = {
  readonly id: string;
  readonly entitlement: string;
  readonly handle: string;
  readonly state: string;
  /** Whether a probe has seen that the access is gone; a grant of which nothing was made had none. */
  readonly proven: boolean;
  /** What keeps it from its proof, where something does. */
  readonly trouble: string | null;
};

/** Every grant that has been ended since and every one that was being revoked: what is open comes first. */
export async function grantsSince(db: Db | Tx, sinceMs: number): Promise<EndedGrant[]> {
  const { rows } = await sql<EndedGrant>`
    select g.id, g.entitlement, p.handle, g.state,
      g.state in ('revoked', 'failed', 'cancelled') or g.access_gone as proven,
      g.trouble #>> '{lastError,message}' as trouble
    from grants g join principals p on p.id = g.principal_id
    where g.state = 'revoking' or g.revoked_at >= ${toTimestamp(sinceMs)}::timestamptz
    order by proven, g.seq`.execute(db);
  return rows;
}
