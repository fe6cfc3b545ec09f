/**
 * What retention drops of the log: whole blocks of its beginning. Their hashes and all that stands over them stay. The store
 * lets go of nothing else (migration 0029).
 */
import { sql } from "kysely";
import { toTimestamp } from "../base/clock.ts";
import type { Span } from "../base/merkle.ts";
import type { RetentionFacts } from "../domain/health-facts.ts";
import type { AuditOutlets } from "../domain/sink.ts";
import type { SigningKeyChange } from "./audit.ts";
import { entriesWithLeaves } from "./audit-lookup.ts";
import { CHILDREN } from "./audit-tree.ts";
import { at, type Db, databaseNowMs, type Tx } from "./db.ts";

/** Any number, the same in every Tidegate: one at a time drops. */
const RETENTION_LOCK = 7_409_234;
/** So many entries are looked through by one statement. */
const WINDOW = 256 * CHILDREN;

/** Until the transaction ends; false where somebody else is at it. */
export async function takeRetention(tx: Tx): Promise<boolean> {
  const { rows } = await sql<{ taken: boolean }>`select pg_try_advisory_xact_lock(${RETENTION_LOCK}) as taken`.execute(
    tx,
  );
  return rows[0]?.taken === true;
}

/** Up to which position, written until when; `entry` is the position of the entry that announced it. */
export type Dropped = { readonly to: number; readonly beforeMs: number; readonly entry: number };

/** What was dropped of the log; null: nothing. */
export async function droppedPart(db: Db | Tx): Promise<Dropped | null> {
  const row = await db.selectFrom("audit_dropped").selectAll().executeTakeFirst();
  return row === undefined ? null : { to: row.position, beforeMs: row.before, entry: row.announced };
}

/** The same, where entries of this request or grant may be among it. */
export async function droppedOf(
  db: Db | Tx,
  { request = null, grant = null }: { readonly request?: string | null; readonly grant?: string | null },
): Promise<Dropped | null> {
  const dropped = await droppedPart(db);
  if (dropped === null) return null;
  const { rows } = await sql`
    select from requests where (id = ${request} or grant_id = ${grant}) and created_at <= ${at(dropped.beforeMs)}`.execute(
    db,
  );
  return rows.length > 0 ? dropped : null;
}

/** That the log is dropped up to there: at which position that was said, when, and which key changes are among it, from the first on. */
export type Announced = {
  readonly to: number;
  /** Null: none yet. */
  readonly seq: number | null;
  readonly atMs: number;
  readonly keys: readonly SigningKeyChange[];
};

/** The one that reaches furthest, of those within this size. */
export async function lastAnnounced(db: Db | Tx, size: number | null = null): Promise<Announced | null> {
  const { rows } = await sql<{ seq: number | null; leaf: string }>`
    select l.seq, l.leaf from ${entriesWithLeaves(sql`l.kind = 'audit.drop-announced'`)} l
     where ${size}::bigint is null or l.seq <= ${size}
     order by (l.leaf::jsonb -> 'data' ->> 'to')::bigint desc limit 1`.execute(db);
  const [row] = rows;
  if (row === undefined) return null;
  const leaf = JSON.parse(row.leaf) as { at: string; data: { to: number; keys: SigningKeyChange[] } };
  return { seq: row.seq, to: leaf.data.to, atMs: Date.parse(leaf.at), keys: leaf.data.keys };
}

/** Grants that are not proven gone and confirmed, and requests that are not over: parts of a statement. */
export const OPEN = sql`
  grants_open as materialized (
    select id, request_id from grants where state in ('scheduled', 'provisioning', 'active', 'revoking')
    union select id, request_id from grants where confirm_at is not null
    union select g.id, g.request_id from grants g join drift_findings f on f.grant_id = g.id where f.resolved_at is null
  ), requests_open as materialized (
    select id from requests where state = 'pending'
    union select id from requests where review_due_at is not null and reviewed_at is null
    union select request_id from grants_open
    union select id from requests where extends_grant_id in (select id from grants_open)
  )`;

/** Up to where the log could be dropped, in blocks: it is older, and nothing of it belongs to what is not over. */
export async function droppableTo(
  tx: Tx,
  { from, to }: Span,
  olderThanMs: number,
  block: number = CHILDREN,
): Promise<number> {
  const wholeBlocks = (size: number): number => size - (size % block);
  for (let low = from; low < to; low += WINDOW) {
    const held = await firstHeld(tx, { from: low, to: Math.min(to, low + WINDOW) }, olderThanMs);
    if (held !== null) return wholeBlocks(held - 1);
  }
  return wholeBlocks(to);
}

async function firstHeld(tx: Tx, { from, to }: Span, olderThanMs: number): Promise<number | null> {
  const { rows } = await sql<{ seq: number | null }>`
    with ${OPEN}, said as (
      select p.seq, e.leaf::jsonb as leaf
        from audit_positions p left join audit_entries e on e.id = p.entry_id
       where p.seq > ${from} and p.seq <= ${to}
    )
    select min(seq) as seq from said
     where (leaf is null and seq > coalesce((select position from audit_dropped), 0)) or leaf ->> 'at' collate "C" >= ${toTimestamp(olderThanMs)}
        or leaf -> 'refs' ->> 'grant' in (select id from grants_open)
        or leaf -> 'refs' ->> 'request' in (select id from requests_open)
        or leaf -> 'data' ->> 'panic' in (select id from panics where lifted_at is null)
        or leaf -> 'data' ->> 'finding' in (select id from drift_findings where resolved_at is null)`.execute(tx);
  return rows[0]?.seq ?? null;
}

/** When the last of these entries was written, RFC 3339. */
export async function writtenUntil(tx: Tx, { from, to }: Span): Promise<string> {
  const { rows } = await sql<{ at: string }>`
    select max((e.leaf::jsonb ->> 'at') collate "C") as at
      from audit_positions p join audit_entries e on e.id = p.entry_id where p.seq > ${from} and p.seq <= ${to}`.execute(
    tx,
  );
  return String(rows[0]?.at);
}

/** Takes entries of the beginning away with their texts and what they are found by; their hashes stay. */
export async function dropEntries(tx: Tx, { from, to }: Span, before: string, announced: number): Promise<void> {
  const places = sql`select entry_id from audit_positions where seq > ${from} and seq <= ${to}`;
  await sql`delete from audit_personal where entry_id in (${places})`.execute(tx);
  await sql`delete from audit_entries where id in (${places})`.execute(tx);
  await sql`delete from audit_lookup where seq > ${from} and seq <= ${to}`.execute(tx);
  await sql`
    insert into audit_dropped (position, before, announced) values (${to}, ${before}, ${announced})
    on conflict ((true)) do update
      set position = excluded.position, before = greatest(audit_dropped.before, excluded.before), announced = excluded.announced`.execute(
    tx,
  );
}

/** Of the sinks and anchors that there are, those that have not got so far. */
export async function notYetAt(db: Db | Tx, { sinks, anchors = {} }: AuditOutlets, seq: number): Promise<string[]> {
  const there = await db.selectFrom("sinks").select(["purpose", "name"]).where("position", ">=", seq).execute();
  const lacks = (of: string) => (name: string) => !there.some((one) => one.purpose === of && one.name === name);
  return [...Object.keys(sinks).filter(lacks("entries")), ...Object.keys(anchors).filter(lacks("checkpoints"))];
}

/** How far it has come, and for how long what is announced, or could be, waits; null where the log is kept for ever. */
export async function retentionFigures(db: Db, outlets: AuditOutlets): Promise<RetentionFacts | null> {
  const keepMs = outlets.retention?.entriesMs;
  if (keepMs === undefined) return null;
  const droppedTo = (await droppedPart(db))?.to ?? 0;
  const announced = await lastAnnounced(db);
  const { rows } = await sql<{ ageMs: number }>`
    select (extract(epoch from clock_timestamp() - (e.leaf::jsonb ->> 'at')::timestamptz) * 1000)::float8 as "ageMs"
      from audit_positions p join audit_entries e on e.id = p.entry_id where p.seq = ${droppedTo + CHILDREN}`.execute(
    db,
  );
  const nowMs = await databaseNowMs(db);
  const waits = announced?.seq !== undefined && announced.seq !== null && announced.to > droppedTo;
  return {
    droppedTo,
    overdueMs: Math.max(0, waits ? nowMs - announced.atMs : (rows[0]?.ageMs ?? 0) - keepMs),
    lagging: waits ? await notYetAt(db, outlets, announced.seq) : [],
  };
}
