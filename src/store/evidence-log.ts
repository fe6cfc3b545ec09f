/** What auditors ask of the audit log itself. */
import { type RawBuilder, sql } from "kysely";
import { toTimestamp } from "../base/clock.ts";
import type { EntryKind, EntryLeaf } from "../domain/audit.ts";
import type { Span } from "./access-review.ts";
import type { Tx } from "./db.ts";
import type { EvidencePage } from "./evidence.ts";

export type LogRow = {
  readonly seq: number;
  readonly leaf: EntryLeaf;
  /** What people wrote, unless it was erased. */
  readonly texts: readonly string[];
};

/** Word for word as in the indexes on leaves (migration 0003). */
const KIND = sql`(e.leaf::jsonb ->> 'kind')`;
const ACTOR = sql`(coalesce(e.leaf::jsonb -> 'actor' ->> 'principal', e.leaf::jsonb -> 'actor' ->> 'system'))`;
const REQUEST = sql`(e.leaf::jsonb -> 'refs' ->> 'request')`;
const GRANT = sql`(e.leaf::jsonb -> 'refs' ->> 'grant')`;
const AT = sql`((e.leaf::jsonb ->> 'at') collate "C")`;

/** Texts that people wrote; what somebody is called is told by their id. */
const WRITTEN = ["reason", "comment", "text"];

async function logRows(tx: Tx, span: Span, page: EvidencePage, wanted: RawBuilder<boolean>): Promise<LogRow[]> {
  const { rows } = await sql<{ seq: number; leaf: string; texts: string[] }>`
    select p.seq, e.leaf, array(
      select value from audit_personal where entry_id = e.id and field = any(${WRITTEN}::text[]) order by field) as texts
    from audit_positions p join audit_entries e on e.id = p.entry_id
    where p.seq > ${page.afterSeq} and ${AT} >= ${toTimestamp(span.fromMs)} and ${AT} < ${toTimestamp(span.untilMs)} and ${wanted}
    order by p.seq limit ${page.limit}`.execute(tx);
  return rows.map(({ seq, leaf, texts }) => ({ seq, leaf: JSON.parse(leaf) as EntryLeaf, texts }));
}

const ABOUT_PEOPLE: readonly EntryKind[] = [
  "principal.added",
  "principal.changed",
  "principal.deactivated",
  "principal.reactivated",
];

/** What these did, what became of what they asked for, and what was said of them. */
export const logOfPeople = (tx: Tx, span: Span, people: readonly string[], page: EvidencePage): Promise<LogRow[]> => {
  const ids = sql`${[...people]}::text[]`;
  return logRows(
    tx,
    span,
    page,
    sql<boolean>`(${ACTOR} = any(${ids})
      or ${REQUEST} = any(array(select id from requests where requester_id = any(${ids})))
      or (${KIND} = any(${ABOUT_PEOPLE}::text[]) and e.leaf::jsonb -> 'refs' ->> 'principal' = any(${ids})))`,
  );
};

/** Verdicts of people, or of these people; without them also what a rule approved alone. */
export const logOfApprovals = (
  tx: Tx,
  span: Span,
  people: readonly string[] | null,
  page: EvidencePage,
): Promise<LogRow[]> => {
  const automatic = sql`(${KIND} = 'request.approved' and e.leaf::jsonb -> 'data' -> 'decision' ->> 'outcome' = 'automatic')`;
  const wanted =
    people === null
      ? sql<boolean>`(${KIND} = 'review.recorded' or ${automatic})`
      : sql<boolean>`(${KIND} = 'review.recorded' and ${ACTOR} = any(${[...people]}::text[]))`;
  return logRows(tx, span, page, wanted);
};

/** Everything about the configuration before that time, the oldest first. */
export const logOfConfigurations = (tx: Tx, untilMs: number, limit: number): Promise<LogRow[]> =>
  logRows(
    tx,
    { fromMs: 0, untilMs },
    { afterSeq: 0, limit },
    sql<boolean>`${KIND} in ('config.proposed', 'config.confirmed', 'config.activated')`,
  );

export type EntryRef = { readonly seq: number | null; readonly id: string; readonly kind: string };

/** Entries of these kinds about these requests or grants, in order; by the id of what they are about. */
export async function entriesAbout(
  tx: Tx,
  about: "request" | "grant",
  ids: readonly string[],
  kinds: readonly EntryKind[],
): Promise<Map<string, EntryRef[]>> {
  const subject = about === "request" ? REQUEST : GRANT;
  const { rows } = await sql<EntryRef & { subject: string }>`
    select p.seq, e.id, ${KIND} as kind, ${subject} as subject
    from audit_entries e left join audit_positions p on p.entry_id = e.id
    where ${subject} = any(${[...ids]}::text[]) and ${KIND} = any(${[...kinds]}::text[])
    order by p.seq nulls last`.execute(tx);
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
