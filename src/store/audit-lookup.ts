/**
 * By what entries are found: rows beside their positions (`audit_lookup`), which the store writes when an entry gets its
 * position, so that no change pays for them; and when the leaves of a block were written. It is made of the leaves and no hash
 * is over it: whoever verifies the log holds it against the leaves.
 */
import { type RawBuilder, sql } from "kysely";
import type { Span } from "../base/merkle.ts";
import type { EntryLeaf } from "../domain/audit.ts";
import { CHILDREN, LEVELS } from "./audit-tree.ts";
import type { Db, Tx } from "./db.ts";

/** What waits for its position has no such row yet: its leaf is parsed. That is a handful, but for a burst. */
export const WAITING = sql`(
  select u.queued, e.id as entry_id, entry ->> 'kind' as kind,
      coalesce(entry -> 'actor' ->> 'principal', entry -> 'actor' ->> 'system') as actor,
      entry -> 'refs' ->> 'grant' as grant_id, entry -> 'refs' ->> 'request' as request_id,
      entry -> 'refs' ->> 'principal' as principal_id, (entry ->> 'at')::timestamptz as at
    from audit_unsequenced u join audit_entries e on e.id = u.entry_id
      cross join lateral (select e.leaf::jsonb as entry offset 0) parsed)`;

/** The entries of which this holds (of `l`), with positions or, having none yet, with their place in the queue. */
export const entriesThat = (holds: RawBuilder<unknown>): RawBuilder<unknown> => sql`(
  select l.seq, null::bigint as queued, l.entry_id, l.kind, l.grant_id, l.request_id, l.at from audit_lookup l where ${holds}
  union all
  select null, l.queued, l.entry_id, l.kind, l.grant_id, l.request_id, l.at from ${WAITING} l where ${holds})`;

const COLUMNS = ["entry_id", "kind", "actor", "grant_id", "request_id", "principal_id", "at"] as const;

/** Of these entries the first position that is not found by what its leaf says. What is no leaf any more, its hash tells. */
export async function firstMislaid(
  db: Db | Tx,
  { from, to }: Span,
  entries: readonly { readonly seq: number; readonly leaf: string | null }[],
): Promise<number | null> {
  const rows = await db.selectFrom("audit_lookup").selectAll().where("seq", ">", from).where("seq", "<=", to).execute();
  const bySeq = new Map(rows.map((row) => [row.seq, row]));
  const blockOf = (seq: number): number => Math.floor((seq - 1) / CHILDREN);
  const nodes = await db
    .selectFrom("audit_nodes")
    .select(["index", "earliest", "latest"])
    .where("level", "=", LEVELS)
    .where("index", ">=", blockOf(from + 1))
    .where("index", "<=", blockOf(to))
    .execute();
  const blocks = new Map(nodes.map((node) => [node.index, node]));
  const mislaid = entries.find(({ seq, leaf }) => {
    const said = leaf === null ? null : parsed(leaf);
    if (said === null) return false;
    const { id, kind, at, actor, refs } = said;
    const atMs = Date.parse(at);
    const { earliest = null, latest = null } = blocks.get(blockOf(seq)) ?? {};
    if (earliest !== null && latest !== null && (atMs < earliest || atMs > latest)) return true;
    const by = "principal" in actor ? actor.principal : actor.system;
    const wanted = [id, kind, by, refs.grant, refs.request, refs.principal, atMs];
    const row = bySeq.get(seq);
    return wanted.some((it, n) => row?.[COLUMNS[n] ?? "seq"] !== (it ?? null));
  });
  return mislaid?.seq ?? null;
}

function parsed(leaf: string): EntryLeaf | null {
  try {
    return JSON.parse(leaf) as EntryLeaf;
  } catch {
    return null;
  }
}
