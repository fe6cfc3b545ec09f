/** What auditors ask of grants and emergencies. Times are milliseconds; `until` is not included; `seq` is the cursor. */
import { type RawBuilder, sql } from "kysely";
import { GRANT_FATE, type GrantFate, type Span } from "./access-review.ts";
import { entriesThat } from "./audit-lookup.ts";
import { at, type Db, type Tx } from "./db.ts";

export type EvidencePage = { readonly afterSeq: number; readonly limit: number };
/** Of a resource, or of one entitlement of it. */
export type OfWhat = { readonly resource: string; readonly entitlement: string | null } | null;

/** Of the table with this alias. */
function narrowedTo(of: OfWhat, alias: "g" | "r"): RawBuilder<boolean> {
  if (of === null) return sql<boolean>`true`;
  const table = sql.raw(alias);
  const resource = sql<boolean>`${table}.resource = ${of.resource}`;
  return of.entitlement === null ? resource : sql<boolean>`(${resource} and ${table}.entitlement = ${of.entitlement})`;
}

export type LivedGrant = {
  readonly seq: number;
  readonly id: string;
  readonly request: string;
  readonly person: string;
  readonly entitlement: string;
  readonly state: string;
  readonly extensions: number;
  readonly cause: string | null;
  /** The right stood there before us, and stays. */
  readonly standing: boolean;
  /** Before anything was made on the target. */
  readonly made: number;
  /** When access should have been over; of what goes on: its end to come. */
  readonly ended: number;
  /** When a probe saw it gone, and no later one saw it again; null: it may live. */
  readonly gone: number | null;
};

/** When access should have been over, when it ends early too; of what goes on: its end to come. */
const ENDED = sql`least(g.expires_at, g.revoking_at)`;
/** Something of it may have been made before that time. */
const madeBefore = (untilMs: number) =>
  sql`exists (select from leases l where l.grant_id = g.id and l.created_at < ${at(untilMs)})`;

/** Those that are wanted are found in the index `grants_seq` alone, which holds all that is asked; rows are read of this page. */
async function livedPage(
  tx: Tx,
  wanted: RawBuilder<unknown>,
  { untilMs }: Span,
  of: OfWhat,
  { afterSeq, limit }: EvidencePage,
): Promise<LivedGrant[]> {
  const { rows } = await sql<LivedGrant>`
    with page as materialized (
      select g.id from grants g
      where g.seq > ${afterSeq} and ${narrowedTo(of, "g")} and ${wanted} and ${madeBefore(untilMs)}
      order by g.seq limit ${limit}
    )
    select g.seq, g.id, g.request_id as request, g.principal_id as person, g.entitlement, g.state, g.extensions,
      g.ending ->> 'cause' as cause, g.standing, l.created_at as made, ${ENDED} as ended, g.gone_at as gone
    from page join grants g using (id) join leases l on l.grant_id = g.id order by g.seq`.execute(tx);
  return rows;
}

/** Whose access may have lived at any moment of the span: from before the making until it was proven gone. */
export const accessWithin = (tx: Tx, span: Span, of: OfWhat, page: EvidencePage): Promise<LivedGrant[]> =>
  livedPage(tx, sql`(g.gone_at is null or g.gone_at > ${at(span.fromMs)} or g.standing)`, span, of, page);

/** Over before the end of the span and before now, and not proven gone before its beginning. */
const endedWithin = ({ fromMs, untilMs }: Span, nowMs: number) =>
  sql`${ENDED} < ${at(Math.min(untilMs, nowMs))} and (g.gone_at is null or g.gone_at >= ${at(fromMs)})`;

export const endings = (tx: Tx, span: Span, nowMs: number, of: OfWhat, page: EvidencePage): Promise<LivedGrant[]> =>
  livedPage(tx, endedWithin(span, nowMs), span, of, page);

export type EndingTimes = {
  readonly count: number;
  readonly open: number;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly maxMs: number | null;
};

/** How long it took from the end to the proof, over all of them. */
export async function endingTimes(tx: Tx, span: Span, nowMs: number, of: OfWhat): Promise<EndingTimes> {
  const { rows } = await sql<EndingTimes>`
    with times as (
      -- The greatest of 0 and nothing would be 0: as if it were proven.
      select case when g.gone_at is not null then greatest(0, round(extract(epoch from g.gone_at - ${ENDED}) * 1000))::bigint end as ms
      from grants g where ${narrowedTo(of, "g")} and ${endedWithin(span, nowMs)} and ${madeBefore(span.untilMs)}
    )
    select count(*) as count, count(*) filter (where ms is null) as open,
      percentile_disc(0.5) within group (order by ms) as "p50Ms",
      percentile_disc(0.95) within group (order by ms) as "p95Ms", max(ms) as "maxMs"
    from times`.execute(tx);
  return rows[0] ?? { count: 0, open: 0, p50Ms: null, p95Ms: null, maxMs: null };
}

export type IdleGrant = {
  readonly seq: number;
  readonly id: string;
  readonly request: string;
  readonly person: string;
  readonly entitlement: string;
  readonly created: number;
  readonly fate: GrantFate;
};

/** Made within the span, and nobody has seen them used. What ended before there was access could not be. */
export async function idleGrants(
  tx: Tx,
  { fromMs, untilMs }: Span,
  of: OfWhat,
  page: EvidencePage,
): Promise<IdleGrant[]> {
  const { rows } = await sql<IdleGrant>`
    select one.* from (
      select g.id, g.seq from grants g
      where g.seq > ${page.afterSeq} and g.created_at >= ${at(fromMs)} and g.created_at < ${at(untilMs)} and ${narrowedTo(of, "g")}
      order by g.seq offset 0
    ) made cross join lateral (
      select g.seq, g.id, g.request_id as request, g.principal_id as person, g.entitlement, g.created_at as created, ${GRANT_FATE} as fate
      from grants g left join leases l on l.grant_id = g.id where g.id = made.id offset 0
    ) one
    where one.fate not in ('used', 'not-made') order by made.seq limit ${page.limit}`.execute(tx);
  return rows;
}

export type EmergencyEvidence = {
  readonly seq: number;
  readonly id: string;
  readonly grant: string | null;
  readonly person: string;
  readonly entitlement: string;
  readonly created: number;
  readonly due: number;
  readonly reviewed: number | null;
  readonly reviewer: string | null;
  readonly verdict: string | null;
  readonly comment: string | null;
};

/** Access that was taken in an emergency within the span. */
export async function emergencyUses(
  tx: Tx,
  { fromMs, untilMs }: Span,
  of: OfWhat,
  page: EvidencePage,
): Promise<EmergencyEvidence[]> {
  const { rows } = await sql<EmergencyEvidence>`
    select r.seq, r.id, r.grant_id as grant, r.requester_id as person, r.entitlement, r.created_at as created,
      r.review_due_at as due, r.reviewed_at as reviewed, r.reviewed_by as reviewer, r.review_verdict as verdict,
      r.review_comment as comment
    from requests r
    where r.review_due_at is not null and r.seq > ${page.afterSeq} and ${narrowedTo(of, "r")}
      and r.created_at >= ${at(fromMs)} and r.created_at < ${at(untilMs)}
    order by r.seq limit ${page.limit}`.execute(tx);
  return rows;
}

export type Why = {
  readonly rule: string;
  readonly automatic: boolean;
  readonly emergency: boolean;
  readonly reason: string;
  readonly ticket: string;
};

/** What these requests were for, and the rule that they were decided by. */
export async function whyOf(tx: Tx, requests: readonly string[]): Promise<Map<string, Why>> {
  const { rows } = await sql<Why & { id: string }>`
    select id, coalesce(decision ->> 'rule', '') as rule, decision ->> 'outcome' = 'automatic' as automatic, emergency, reason, ticket
    from requests where id = any(${[...requests]}::text[])`.execute(tx);
  return new Map(rows.map((row) => [row.id, row]));
}

export type GivenReview = {
  readonly request: string;
  readonly reviewer: string;
  readonly verdict: string;
  readonly created: number;
  readonly voided: number | null;
  readonly standsFor: readonly string[];
};

export async function reviewsOf(tx: Tx, requests: readonly string[]): Promise<GivenReview[]> {
  const { rows } = await sql<GivenReview>`
    select request_id as request, reviewer_id as reviewer, verdict, created_at as created, voided_at as voided,
      stands_for as "standsFor"
    from reviews where request_id = any(${[...requests]}::text[]) order by created_at, id`.execute(tx);
  return rows;
}

/** What there is in all of what was made within the span, each in one line. */
export async function grantTotals(tx: Tx, { fromMs, untilMs }: Span): Promise<Map<string, number>> {
  const { rows } = await sql<{ state: string; count: number }>`
    select case when state = 'revoking' and access_gone then 'gone' else state end as state, count(*) as count
    from grants where created_at >= ${at(fromMs)} and created_at < ${at(untilMs)} group by 1`.execute(tx);
  return new Map(rows.map(({ state, count }) => [state, count]));
}

/** How many grants were made within the span by the log, whoever took rows away since. */
export async function grantsLogged(tx: Tx, { fromMs, untilMs }: Span): Promise<number> {
  const made = entriesThat(sql`l.kind = 'grant.created' and l.at >= ${at(fromMs)} and l.at < ${at(untilMs)}`);
  const { rows } = await sql<{ count: number }>`select count(*) as count from ${made} made`.execute(tx);
  return rows[0]?.count ?? 0;
}

/** Whether anybody ever asked for it. */
export async function wasAskedFor(db: Db, { resource, entitlement }: NonNullable<OfWhat>): Promise<boolean> {
  const { rows } = await sql`
    select from requests where resource = ${resource}
      and (${entitlement}::text is null or ${entitlement} in (entitlement, narrowed_to ->> 'entitlement')) limit 1`.execute(
    db,
  );
  return rows.length > 0;
}
