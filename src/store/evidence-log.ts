/** What auditors ask of the audit log itself. */
import { type RawBuilder, sql } from "kysely";
import { toTimestamp } from "../base/clock.ts";
import type { EntryKind, EntryLeaf } from "../domain/audit.ts";
import type { Span } from "./access-review.ts";
import { type Positions, positionsWithin } from "./audit-tree.ts";
import type { Tx } from "./db.ts";
import type { EvidencePage } from "./evidence.ts";

export type LogRow = {
  readonly seq: number;
  readonly leaf: EntryLeaf;
  /** What people wrote, unless it was erased. */
  readonly texts: readonly string[];
};

/** Word for word as in the indexes on leaves (migrations 0003 and 0028). */
const KIND = sql`(e.leaf::jsonb ->> 'kind')`;
const ACTOR = sql`(coalesce(e.leaf::jsonb -> 'actor' ->> 'principal', e.leaf::jsonb -> 'actor' ->> 'system'))`;
const REQUEST = sql`(e.leaf::jsonb -> 'refs' ->> 'request')`;
const PRINCIPAL = sql`(e.leaf::jsonb -> 'refs' ->> 'principal')`;
const GRANT = sql`(e.leaf::jsonb -> 'refs' ->> 'grant')`;

/** Texts that people wrote; what somebody is called is told by their id. */
const WRITTEN = ["reason", "comment", "text"];

type Sought = {
  /** Ids of entries, found by an index; without it all of the period are gone through until the page is full. */
  readonly among?: RawBuilder<unknown>;
  readonly kinds?: readonly EntryKind[];
  /** Of `e.entry`. */
  readonly wanted?: RawBuilder<boolean>;
};

/** To parse an entry costs more than all else: what holds its kind as text is parsed, once. */
const mayBe = (kinds: readonly EntryKind[]) =>
  sql`(${sql.join(
    kinds.map((kind) => sql`strpos(leaf, ${`"kind":"${kind}"`}) > 0`),
    sql` or `,
  )})`;
const PARSED_KIND = sql`(e.entry ->> 'kind')`;

/** In order of position. */
async function logRows(tx: Tx, span: Span, page: EvidencePage, sought: Sought): Promise<LogRow[]> {
  const within = await positionsWithin(tx, span.fromMs, span.untilMs);
  const found: LogRow[] = [];
  for (const some of sought.among === undefined ? within.map((one) => [one]) : [within]) {
    if (found.length === page.limit) break;
    found.push(...(await rowsWithin(tx, some, span, { ...page, limit: page.limit - found.length }, sought)));
  }
  return found;
}

/** The store is told how to go about it, because it would rather parse every entry that there is than sort. */
async function rowsWithin(
  tx: Tx,
  within: readonly Positions[],
  { fromMs, untilMs }: Span,
  { afterSeq, limit }: EvidencePage,
  { among, kinds, wanted = sql<boolean>`true` }: Sought,
): Promise<LogRow[]> {
  const [first, last] = [within[0], within.at(-1)];
  if (first === undefined || last === undefined || last.last <= afterSeq) return [];
  const runs = sql`unnest(${within.map(({ after }) => after)}::bigint[], ${within.map((one) => one.last)}::bigint[]) run (after, last)`;
  const placed =
    among === undefined
      ? sql`audit_positions p where true`
      : sql`(${among}) found (id)
          cross join lateral (select seq, entry_id from audit_positions where entry_id = found.id offset 0) p
        where exists (select from ${runs} where p.seq > run.after and p.seq <= run.last)`;
  const { rows } = await sql<{ seq: number; leaf: string; texts: string[] }>`
    select placed.seq, e.leaf, array(
      select value from audit_personal where entry_id = placed.entry_id and field = any(${WRITTEN}::text[]) order by field) as texts
    from (
      select p.seq, p.entry_id from ${placed} and p.seq > ${Math.max(afterSeq, first.after)} and p.seq <= ${last.last}
      order by p.seq offset 0
    ) placed cross join lateral (
      select leaf, leaf::jsonb as entry from audit_entries
      where id = placed.entry_id and ${kinds === undefined ? sql`true` : mayBe(kinds)} offset 0
    ) e
    where (e.entry ->> 'at') collate "C" >= ${toTimestamp(fromMs)} and (e.entry ->> 'at') collate "C" < ${toTimestamp(untilMs)}
      and ${kinds === undefined ? sql`true` : sql`${PARSED_KIND} = any(${[...kinds]}::text[])`} and ${wanted}
    order by placed.seq limit ${limit}`.execute(tx);
  return rows.map(({ seq, leaf, texts }) => ({ seq, leaf: JSON.parse(leaf) as EntryLeaf, texts }));
}

/** Ids of the entries of which this holds, as the indexes have it. */
const entriesWhere = (holds: RawBuilder<unknown>) => sql`select e.id from audit_entries e where ${holds}`;

const ABOUT_PEOPLE: readonly EntryKind[] = [
  "principal.added",
  "principal.changed",
  "principal.deactivated",
  "principal.reactivated",
];

/** What these did, what became of what they asked for, and what was said of them. */
export function logOfPeople(tx: Tx, span: Span, people: readonly string[], page: EvidencePage): Promise<LogRow[]> {
  const ids = sql`${[...people]}::text[]`;
  const among = sql`${entriesWhere(sql`${ACTOR} = any(${ids})`)}
    union ${entriesWhere(sql`${REQUEST} = any(array(select id from requests where requester_id = any(${ids})))`)}
    union ${entriesWhere(sql`${PRINCIPAL} = any(${ids}) and ${KIND} = any(${ABOUT_PEOPLE}::text[])`)}`;
  return logRows(tx, span, page, { among });
}

/** Verdicts of people, or of these people; without them also what a rule approved alone. */
export function logOfApprovals(
  tx: Tx,
  span: Span,
  people: readonly string[] | null,
  page: EvidencePage,
): Promise<LogRow[]> {
  const kinds = ["review.recorded"] as const;
  if (people !== null)
    return logRows(tx, span, page, { among: entriesWhere(sql`${ACTOR} = any(${[...people]}::text[])`), kinds });
  return logRows(tx, span, page, {
    kinds: [...kinds, "request.approved"],
    wanted: sql<boolean>`(${PARSED_KIND} <> 'request.approved' or e.entry -> 'data' -> 'decision' ->> 'outcome' = 'automatic')`,
  });
}

/** Everything about the configuration before that time, the oldest first. */
export const logOfConfigurations = (tx: Tx, untilMs: number, limit: number): Promise<LogRow[]> =>
  logRows(
    tx,
    { fromMs: 0, untilMs },
    { afterSeq: 0, limit },
    {
      among: entriesWhere(sql`${KIND} in ('config.proposed', 'config.confirmed', 'config.activated')`),
    },
  );

export type EntryRef = { readonly seq: number | null; readonly id: string; readonly kind: string };

/** Entries of these kinds about these requests or grants, in order; by the id of what they are about. */
export async function entriesAbout(
  tx: Tx,
  about: "request" | "grant",
  ids: readonly string[],
  kinds: readonly EntryKind[],
): Promise<Map<string, EntryRef[]>> {
  const { rows } = await sql<EntryRef & { subject: string }>`
    select (select p.seq from audit_positions p where p.entry_id = e.id) as seq, e.id, ${PARSED_KIND} as kind, asked.id as subject
    from unnest(${[...ids]}::text[]) asked (id) cross join lateral (
      select e.id, e.leaf::jsonb as entry from audit_entries e where ${about === "request" ? REQUEST : GRANT} = asked.id and ${mayBe(kinds)} offset 0
    ) e
    where ${PARSED_KIND} = any(${[...kinds]}::text[])
    order by seq nulls last`.execute(tx);
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
