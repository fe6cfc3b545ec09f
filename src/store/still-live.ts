import { type RawBuilder, sql } from "kysely";
import type { GrantId } from "../base/ids.ts";
import { WAITING } from "./audit-lookup.ts";
import type { Db, Tx } from "./db.ts";

export type StillLive = { readonly grant: GrantId; readonly resource: string };

/** Since it began to resist. */
const isTold = (entries: RawBuilder<unknown>) => sql`exists (
  select from ${entries} l where l.grant_id = g.id and l.kind = 'grant.still-live'
    and l.at >= to_timestamp(((g.trouble ->> 'sinceMs')::float8) / 1000))`;

/**
 * Grants whose end resists for so long, as far as nobody was told of it since that began, the longest first. Finds them
 * through `grants_resisting`, and what was told through the log, whose entries are found by their grant.
 */
export async function stillLiveUntold(db: Db | Tx, forMs: number, limit: number): Promise<StillLive[]> {
  const { rows } = await sql<StillLive>`
    with waiting as materialized (select * from ${WAITING} w where w.kind = 'grant.still-live')
    select g.id as "grant", g.resource from grants g
     where g.state = 'revoking' and not g.access_gone and g.trouble is not null
       and ((g.trouble ->> 'sinceMs')::float8) < extract(epoch from statement_timestamp()) * 1000 - ${forMs}::float8
       and not ${isTold(sql`audit_lookup`)} and not ${isTold(sql`waiting`)}
     order by ((g.trouble ->> 'sinceMs')::float8) limit ${limit}`.execute(db);
  return rows;
}
