/** Figures about the ledger and the log, for those who watch over Tidegate. */
import { sql } from "kysely";
import type { GrantId } from "../base/ids.ts";
import { entriesThat } from "./audit-lookup.ts";
import type { Db } from "./db.ts";

export type Figures = {
  /** Past their end, or being revoked with trouble, and not proven gone. */
  readonly overdue: number;
  readonly oldestOverdueSeconds: number;
  readonly inTrouble: number;
  readonly pendingRequests: number;
  readonly positionsBehind: number;
  readonly lastPosition: number;
};

/** Access that may still be there, as in the index `grants_still` of migration 0008. */
const STILL = sql`(state in ('provisioning', 'active') or (state = 'revoking' and not access_gone))`;
/** What is being taken away and resists, as in `grants_resisting`; and since when, in milliseconds since the epoch. */
const RESISTING = sql`(state = 'revoking' and not access_gone and trouble is not null)`;
const RESISTING_SINCE = sql`((trouble ->> 'sinceMs')::float8)`;

/**
 * All from one moment, in one statement. Costs by what is late, in trouble or waiting, not by how many grants there are.
 * When a revocation began is in no column; its first trouble is the nearest that is.
 */
export async function readFigures(db: Db): Promise<Figures> {
  const { rows } = await sql<Figures>`
    select
      (select count(*) from grants where ${STILL} and expires_at < statement_timestamp())
        + (select count(*) from grants where ${RESISTING} and expires_at >= statement_timestamp()) as "overdue",
      greatest(0, coalesce(extract(epoch from statement_timestamp() - least(
        (select expires_at from grants where ${STILL} and expires_at < statement_timestamp() order by expires_at limit 1),
        to_timestamp((select min(${RESISTING_SINCE}) from grants where ${RESISTING}) / 1000))), 0))::float8 as "oldestOverdueSeconds",
      (select count(*) from grants where trouble is not null) as "inTrouble",
      (select count(*) from requests where state = 'pending') as "pendingRequests",
      (select count(*) from audit_unsequenced) as "positionsBehind",
      (select coalesce(max(seq), 0) from audit_positions) as "lastPosition"`.execute(db);
  const [figures] = rows;
  if (figures === undefined) throw new Error("the store gave no figures");
  return figures;
}

export type UnreachableTarget = {
  readonly resource: string;
  /** When the oldest of the failures that last until now began. */
  readonly sinceMs: number;
  /** Grants on which work waits for it. */
  readonly grants: number;
};

/** Targets that did not answer when they were last asked, by any replica: what is in trouble there is tried again until it is done. */
export async function unreachableTargets(db: Db): Promise<UnreachableTarget[]> {
  const { rows } = await sql<UnreachableTarget>`
    select resource, min((trouble ->> 'sinceMs')::float8) as "sinceMs", count(*)::int as "grants"
    from grants where trouble is not null and trouble -> 'lastError' ->> 'code' = 'unreachable'
    group by resource order by resource`.execute(db);
  return rows;
}

/** How many grants there are of each state, those that ended long ago too: counts them all, through an index. */
export async function countGrants(db: Db): Promise<{ state: string; count: number }[]> {
  return db
    .selectFrom("grants")
    .select(["state", sql<number>`count(*)`.as("count")])
    .groupBy("state")
    .execute();
}

/** When the last revocation of this grant began; null where the log does not say. */
export async function revokingSinceMs(db: Db, grant: GrantId): Promise<number | null> {
  const begun = entriesThat(sql`l.grant_id = ${grant} and l.kind = 'grant.revoking'`);
  const { rows } = await sql<{ at: number | null }>`select max(at) as at from ${begun} begun`.execute(db);
  return rows[0]?.at ?? null;
}
