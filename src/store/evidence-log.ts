/** What auditors ask of the audit log itself. */
import { type RawBuilder, sql } from "kysely";
import type { EntryKind, EntryLeaf } from "../domain/audit.ts";
import type { Span } from "./access-review.ts";
import { WAITING } from "./audit-lookup.ts";
import { positionsWithin } from "./audit-tree.ts";
import { at, type Tx } from "./db.ts";
import type { EvidencePage } from "./evidence.ts";

export type LogRow = {
  readonly seq: number;
  readonly leaf: EntryLeaf;
  /** What people wrote, unless it was erased. */
  readonly texts: readonly string[];
};

/** Texts that people wrote; what somebody is called is told by their id. */
const WRITTEN = ["reason", "comment", "text"];

/** Where in the log: a run of positions, and of what is there that which was written within the span. */
type Part = { readonly positions: RawBuilder<unknown>; readonly written: RawBuilder<unknown>; readonly limit: number };
/** Rows of `audit_lookup`, in order and no more than a page, or all of them where that is not much. */
type Walk = (part: Part) => RawBuilder<unknown>;

/** Along the index of this column with the positions, for each value, until a page is full: the store would rather sort all. */
const walk =
  (of: "actor" | "kind" | "principal_id", values: readonly string[], wanted = sql`true`): Walk =>
  ({ positions, written, limit }) =>
    sql`
    select found.* from unnest(${[...values]}::text[]) given (value) cross join lateral (
      select l.seq, l.entry_id
      from (
        select l.seq from audit_lookup l where ${sql.ref(`l.${of}`)} = given.value and ${positions} order by l.seq offset 0
      ) step cross join lateral (select * from audit_lookup where seq = step.seq offset 0) l
      where ${written} and ${wanted} order by step.seq limit ${limit}) found`;

/** In order of position. A period lies in a few runs of positions, nearly always in one. */
async function logRows(
  tx: Tx,
  span: Span,
  { afterSeq, limit }: EvidencePage,
  walks: readonly Walk[],
): Promise<LogRow[]> {
  const written = sql`l.at >= ${at(span.fromMs)} and l.at < ${at(span.untilMs)}`;
  const found: LogRow[] = [];
  for (const { after, last } of await positionsWithin(tx, span.fromMs, span.untilMs)) {
    if (found.length === limit) break;
    if (last <= afterSeq) continue;
    const positions = sql`l.seq > ${Math.max(afterSeq, after)} and l.seq <= ${last}`;
    found.push(...(await rowsOf(tx, walks, { positions, written, limit: limit - found.length })));
  }
  return found;
}

async function rowsOf(tx: Tx, walks: readonly Walk[], part: Part): Promise<LogRow[]> {
  const found = sql.join(
    walks.map((one) => one(part)),
    sql` union `,
  );
  const { rows } = await sql<{ seq: number; leaf: string; texts: string[] }>`
    select placed.seq, e.leaf, array(
      select value from audit_personal where entry_id = placed.entry_id and field = any(${WRITTEN}::text[]) order by field) as texts
    from (select * from (${found}) found order by seq limit ${part.limit}) placed
      cross join lateral (select leaf from audit_entries where id = placed.entry_id offset 0) e
    order by placed.seq`.execute(tx);
  return rows.map(({ seq, leaf, texts }) => ({ seq, leaf: JSON.parse(leaf) as EntryLeaf, texts }));
}

/** What these did or somebody in their place, what became of what they asked for, and what names them. Each entry once. */
export const logOfPeople = (tx: Tx, span: Span, people: readonly string[], page: EvidencePage): Promise<LogRow[]> =>
  logRows(tx, span, page, [
    walk("actor", people),
    ({ positions, written }) => sql`
      select found.* from requests r cross join lateral (
        select l.seq, l.entry_id from audit_lookup l where l.request_id = r.id and ${positions} and ${written} offset 0) found
      where r.requester_id = any(${[...people]}::text[])`,
    ({ positions, written }) => sql`
      select found.* from reviews r cross join lateral (
        select l.seq, l.entry_id from audit_lookup l where l.request_id = r.request_id and l.kind = 'review.recorded'
          and l.actor = r.reviewer_id and l.at = r.created_at and ${positions} and ${written} offset 0) found
      where r.stands_for ?| ${[...people]}::text[]`,
    walk("principal_id", people),
  ]);

/** Verdicts of people, or of these people; without them also what a rule approved alone. */
export function logOfApprovals(
  tx: Tx,
  span: Span,
  people: readonly string[] | null,
  page: EvidencePage,
): Promise<LogRow[]> {
  const verdicts: EntryKind = "review.recorded";
  if (people !== null) return logRows(tx, span, page, [walk("actor", people, sql`l.kind = ${verdicts}`)]);
  const outcome = sql`(
    select e.leaf::jsonb -> 'data' -> 'decision' ->> 'outcome' from audit_entries e where e.id = l.entry_id)`;
  const approved: EntryKind = "request.approved";
  return logRows(tx, span, page, [walk("kind", [verdicts]), walk("kind", [approved], sql`${outcome} = 'automatic'`)]);
}

const OF_CONFIGURATIONS: readonly EntryKind[] = ["config.proposed", "config.confirmed", "config.activated"];

/** Everything about the configuration before that time, the oldest first. */
export const logOfConfigurations = (tx: Tx, untilMs: number, limit: number): Promise<LogRow[]> =>
  logRows(tx, { fromMs: 0, untilMs }, { afterSeq: 0, limit }, [walk("kind", OF_CONFIGURATIONS)]);

export type EntryRef = { readonly seq: number | null; readonly id: string; readonly kind: string };

/** Entries of these kinds about these requests or grants, in order; by the id of what they are about. */
export async function entriesAbout(
  tx: Tx,
  about: "request" | "grant",
  ids: readonly string[],
  kinds: readonly EntryKind[],
): Promise<Map<string, EntryRef[]>> {
  const subject = sql.ref(`l.${about}_id`);
  const { rows } = await sql<EntryRef & { subject: string }>`
    with asked as (select unnest(${[...ids]}::text[]) as id)
    select found.* from (
      select one.seq, one.entry_id as id, one.kind, asked.id as subject from asked cross join lateral (
        select l.seq, l.entry_id, l.kind from audit_lookup l where ${subject} = asked.id offset 0) one
      union all
      select null, l.entry_id, l.kind, asked.id from ${WAITING} l join asked on ${subject} = asked.id
    ) found
    where found.kind = any(${[...kinds]}::text[]) order by found.seq nulls last`.execute(tx);
  const bySubject = Map.groupBy(rows, ({ subject: id }) => id);
  return new Map(
    [...bySubject].map(([id, all]) => [id, all.map(({ seq, id: entry, kind }) => ({ seq, id: entry, kind }))]),
  );
}

/** Where these versions were read from, by version. */
export async function sourcesOfVersions(tx: Tx, versions: readonly number[]): Promise<Map<number, string>> {
  const rows =
    versions.length === 0
      ? []
      : await tx.selectFrom("config_versions").select(["id", "source"]).where("id", "in", versions).execute();
  return new Map(rows.map(({ id, source }) => [id, source]));
}
