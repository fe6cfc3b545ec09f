/**
 * Texts by and about people go when they are old enough, as they go with a person who is erased; entries and rows stay. The
 * log is gone through once, from its beginning on: what is held back by something that is not over holds back what comes after.
 */
import { type RawBuilder, sql } from "kysely";
import type { Span } from "../base/merkle.ts";
import { entriesThat } from "./audit-lookup.ts";
import { at, type Tx } from "./db.ts";
import { ERASED, REQUEST_ERASED } from "./erasure.ts";
import { OPEN } from "./retention.ts";

/** So many rows of a table in one transaction. */
const ROWS_MAX = 1_000;

/** Up to where the log has been gone through. */
export async function textsGoneTo(tx: Tx): Promise<number> {
  return (await tx.selectFrom("audit_texts_gone").select("position").executeTakeFirst())?.position ?? 0;
}

/** How many rows held something, by table; zero where none did. */
export async function eraseOldTexts(tx: Tx, { from, to }: Span, olderThanMs: number): Promise<Record<string, number>> {
  const removed: Record<string, number> = {};
  for (const [table, statement] of [...ofTheLog({ from, to }, olderThanMs), ...ofRows(olderThanMs)]) {
    const { numAffectedRows } = await statement.execute(tx);
    const count = Number(numAffectedRows ?? 0);
    if (count > 0) removed[table] = (removed[table] ?? 0) + count;
  }
  if (to > from)
    await sql`insert into audit_texts_gone (position) values (${to})
      on conflict ((true)) do update set position = excluded.position`.execute(tx);
  return removed;
}

type Statement = readonly [table: string, statement: RawBuilder<unknown>];

/** What somebody is called stays while they are active: it is in force, and receipts name them by it. */
const NAMES = sql`l.kind in ('principal.added', 'principal.changed', 'principal.reactivated')`;
const isThere = (active: boolean) =>
  sql`exists (select from principals p where p.id = l.principal_id and p.active = ${active})`;

const ofTheLog = ({ from, to }: Span, olderThanMs: number): Statement[] => [
  [
    "audit_personal",
    sql`delete from audit_personal where entry_id in (
      select l.entry_id from audit_lookup l
       where l.seq > ${from} and l.seq <= ${to} and not (${NAMES} and ${isThere(true)}))`,
  ],
  [
    "audit_personal",
    sql`delete from audit_personal where entry_id in (
      select entry_id from ${entriesThat(sql`${NAMES} and l.at < ${at(olderThanMs)} and ${isThere(false)}`)} old)`,
  ],
];

/** Of what is over, each by its own age. */
function ofRows(olderThanMs: number): Statement[] {
  const old = at(olderThanMs);
  const some = (table: string, set: RawBuilder<unknown>, where: RawBuilder<unknown>): Statement => [
    table,
    sql`with ${OPEN} update ${sql.table(table)} set ${set} where id in (
      select t.id from ${sql.table(table)} t where ${where} limit ${ROWS_MAX})`,
  ];
  const isOver = sql`not in (select id from requests_open)`;
  return [
    some("requests", REQUEST_ERASED, sql`t.created_at < ${old} and t.reason <> ${ERASED} and t.id ${isOver}`),
    some(
      "reviews",
      sql`comment = ${ERASED}`,
      sql`t.created_at < ${old} and t.comment not in ('', ${ERASED}) and t.request_id ${isOver}`,
    ),
    some(
      "comments",
      sql`text = ${ERASED}`,
      sql`t.created_at < ${old} and t.text <> ${ERASED} and t.request_id ${isOver}`,
    ),
    some(
      "bundles",
      sql`title = ${ERASED}`,
      sql`t.created_at < ${old} and t.title <> ${ERASED}
        and not exists (select from requests r where r.parent_id = t.id and r.id in (select id from requests_open))`,
    ),
    some(
      "grants",
      sql`ending = jsonb_set(ending, '{reason}', to_jsonb(${ERASED}::text))`,
      sql`t.revoked_at < ${old} and t.ending ->> 'by' is not null and t.ending ->> 'reason' not in ('', ${ERASED})
        and t.id not in (select id from grants_open)`,
    ),
    some(
      "panics",
      sql`reason = ${ERASED}, lifted_reason = case when lifted_reason = '' then '' else ${ERASED} end`,
      sql`t.lifted_at < ${old} and t.reason <> ${ERASED}`,
    ),
    some(
      "drift_findings",
      sql`subject = ${ERASED}, what = ${ERASED}, by_whom = null`,
      sql`t.resolved_at < ${old} and t.what <> ${ERASED}`,
    ),
  ];
}
