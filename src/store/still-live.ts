import { sql } from "kysely";
import type { GrantId } from "../base/ids.ts";
import type { Db, Tx } from "./db.ts";

export type StillLive = { readonly grant: GrantId; readonly resource: string };

/**
 * Grants whose end resists for so long, as far as nobody was told of it since that began, the longest first. Finds them
 * through `grants_resisting`, and what was told through the log, whose entries are found by their grant.
 */
export async function stillLiveUntold(db: Db | Tx, forMs: number, limit: number): Promise<StillLive[]> {
  const { rows } = await sql<StillLive>`
    select g.id as "grant", g.resource from grants g
     where g.state = 'revoking' and not g.access_gone and g.trouble is not null
       and ((g.trouble ->> 'sinceMs')::float8) < extract(epoch from statement_timestamp()) * 1000 - ${forMs}::float8
       and not exists (
         select from audit_entries e
          where (e.leaf::jsonb -> 'refs' ->> 'grant') = g.id and (e.leaf::jsonb ->> 'kind') = 'grant.still-live'
            and (e.leaf::jsonb ->> 'at')::timestamptz >= to_timestamp(((g.trouble ->> 'sinceMs')::float8) / 1000))
     order by ((g.trouble ->> 'sinceMs')::float8) limit ${limit}`.execute(db);
  return rows;
}
