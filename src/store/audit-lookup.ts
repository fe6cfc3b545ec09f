/**
 * By what entries are found: rows beside their positions (`audit_lookup`), which the store writes when an entry gets its
 * position, so that no change pays for them; and when the leaves of a block were written. It is made of the leaves and no hash
 * is over it: whoever verifies the log holds it against the leaves.
 */
import { type RawBuilder, sql } from "kysely";
import type { Span } from "../base/merkle.ts";
import type { Db, Tx } from "./db.ts";

/** The text of an entry (of `l`), in the log or where it waits for its position. */
export const LEAF = sql<string>`(
  select leaf from audit_entries where id = l.entry_id
  union all select leaf from audit_unsequenced where entry_id = l.entry_id and leaf is not null limit 1)`;

/** What waits for its position has no such row yet: its leaf is parsed. That is a handful, but for a burst. */
export const WAITING = sql`(
  select l.queued, l.entry_id, entry ->> 'kind' as kind,
      coalesce(entry -> 'actor' ->> 'principal', entry -> 'actor' ->> 'system') as actor,
      entry -> 'refs' ->> 'grant' as grant_id, entry -> 'refs' ->> 'request' as request_id,
      entry -> 'refs' ->> 'principal' as principal_id, (entry ->> 'at')::timestamptz as at
    from audit_unsequenced l cross join lateral (select audit_parsed(l.entry_id, coalesce(l.leaf, ${LEAF})) as entry offset 0) parsed
   where entry is not null)`;

/** The entries of which this holds (of `l`), with positions or, having none yet, with their place in the queue. */
export const entriesThat = (holds: RawBuilder<unknown>): RawBuilder<unknown> => sql`(
  select l.seq, null::bigint as queued, l.entry_id, l.at from audit_lookup l where ${holds}
  union all
  select null, l.queued, l.entry_id, l.at from ${WAITING} l where ${holds})`;

/** The same with their texts; whose text is not there any more is not among them. */
export const entriesWithLeaves = (holds: RawBuilder<unknown>): RawBuilder<unknown> => sql`(
  select l.*, there.leaf from ${entriesThat(holds)} l cross join lateral (select ${LEAF} as leaf offset 0) there
   where there.leaf is not null)`;

type Row = Record<"entry_id" | "kind" | "actor" | "grant_id" | "request_id" | "principal_id", string | null> &
  Record<"seq" | "at", number> &
  Record<"earliest" | "latest", number | null>;

/** Of these entries the first position that is not found by what its leaf says. What is no leaf any more, its hash tells. */
export async function firstMislaid(
  db: Db | Tx,
  { from, to }: Span,
  entries: readonly { readonly seq: number; readonly leaf: string | null }[],
): Promise<number | null> {
  const { rows } = await sql<Row>`
    select l.*, n.earliest, n.latest
      from audit_lookup l left join audit_nodes n on n.level = 8 and n.index = (l.seq - 1) / 256
     where l.seq > ${from} and l.seq <= ${to}`.execute(db);
  const bySeq = new Map(rows.map((row) => [row.seq, row]));
  const mislaid = entries.find(({ seq, leaf }) => {
    const said = leaf === null ? null : parsed(leaf);
    return said !== null && !isFound(said, bySeq.get(seq));
  });
  return mislaid?.seq ?? null;
}

function isFound({ id, kind, at, actor, refs }: Said, row: Row | undefined): boolean {
  if (row === undefined) return false;
  const atMs = Date.parse(String(at));
  const said = [
    id,
    kind,
    actor?.["principal"] ?? actor?.["system"],
    refs?.["grant"],
    refs?.["request"],
    refs?.["principal"],
    atMs,
  ];
  const { entry_id, grant_id, request_id, principal_id, earliest, latest } = row;
  const found = [entry_id, row.kind, row.actor, grant_id, request_id, principal_id, row.at];
  return found.every((it, n) => it === (said[n] ?? null)) && atMs >= (earliest ?? atMs) && atMs <= (latest ?? atMs);
}

/** What a leaf is, or says that it is: somebody may have put another in its place. */
type Said = Partial<Record<"id" | "kind" | "at", unknown> & Record<"actor" | "refs", Record<string, unknown> | null>>;

function parsed(leaf: string): Said | null {
  try {
    return JSON.parse(leaf) as Said | null;
  } catch {
    return null;
  }
}
