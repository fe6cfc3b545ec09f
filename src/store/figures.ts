/** Figures about the ledger and the log, for those who watch over Tidegate. */
import { sql } from "kysely";
import type { GrantId } from "../base/ids.ts";
import type { Db } from "./db.ts";

export type Figures = {
  readonly grants: readonly { readonly state: string; readonly count: number }[];
  /** Past their end, or being revoked with trouble, and not proven gone. */
  readonly overdue: number;
  readonly oldestOverdueSeconds: number;
  readonly inTrouble: number;
  readonly pendingRequests: number;
  readonly positionsBehind: number;
  readonly lastPosition: number;
};

/** All from one moment, in one statement. */
export async function readFigures(db: Db): Promise<Figures> {
  const { rows } = await sql<Figures>`
    with still as (
      -- When a revocation began is in no column; its first trouble is the nearest that is.
      select case when state = 'revoking' and trouble is not null
        then least(expires_at, to_timestamp((trouble ->> 'sinceMs')::float8 / 1000)) else expires_at end as since
      from grants
      where state in ('provisioning', 'active') or (state = 'revoking' and not access_gone)
    )
    select
      (select coalesce(jsonb_agg(jsonb_build_object('state', state, 'count', count)), '[]')
        from (select state, count(*) from grants group by state) as by_state) as "grants",
      (select count(*) from still where since < clock_timestamp()) as "overdue",
      (select greatest(0, coalesce(extract(epoch from clock_timestamp() - min(since)), 0))::float8
        from still where since < clock_timestamp()) as "oldestOverdueSeconds",
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
    from grants where trouble -> 'lastError' ->> 'code' = 'unreachable'
    group by resource order by resource`.execute(db);
  return rows;
}

/** When the last revocation of this grant began; null where the log does not say. */
export async function revokingSinceMs(db: Db, grant: GrantId): Promise<number | null> {
  const { rows } = await sql<{ at: string | null }>`
    select max(leaf::jsonb ->> 'at') as at from audit_entries
    where (leaf::jsonb -> 'refs' ->> 'grant') = ${grant} and (leaf::jsonb ->> 'kind') = 'grant.revoking'`.execute(db);
  const at = rows[0]?.at ?? null;
  return at === null ? null : Date.parse(at);
}
