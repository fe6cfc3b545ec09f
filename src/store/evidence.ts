/** What auditors ask of grants and emergencies. Times are milliseconds; `until` is not included; `seq` is the cursor. */
import { type RawBuilder, sql } from "kysely";
import { GRANT_FATE, type GrantFate, type Span } from "./access-review.ts";
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

/**
 * Every grant of which something may have been made before the end of the span and may have lived at its beginning. When it
 * began to end, and when that was first proven, only the log says.
 */
const lived = ({ fromMs, untilMs }: Span, of: OfWhat, afterSeq: number): RawBuilder<unknown> => sql`
  lived as (
    select g.seq, g.id, g.request_id as request, g.principal_id as person, g.entitlement, g.state, g.extensions,
      g.ending ->> 'cause' as cause,
      coalesce(g.receipt -> 'evidence' ->> 'kind' = 'standing', false) as standing,
      l.created_at as made,
      least(g.expires_at, log.revoking) as ended,
      case when not g.access_gone then null
        when log.gone > coalesce(log.reopened, '-infinity') then log.gone
        else g.revoked_at end as gone
    from grants g join leases l on l.grant_id = g.id
    cross join lateral (
      select min(at) filter (where kind = 'grant.revoking') as revoking,
        max(at) filter (where kind = 'grant.access-gone') as gone,
        max(at) filter (where kind = 'grant.reopened') as reopened
      from (
        select e.leaf::jsonb ->> 'kind' as kind, (e.leaf::jsonb ->> 'at')::timestamptz as at
        from audit_entries e where (e.leaf::jsonb -> 'refs' ->> 'grant') = g.id
          -- To parse an entry costs more than all else here, and of a dozen of a grant one or two are asked for.
          and e.leaf like any (array['%"kind":"grant.revoking"%', '%"kind":"grant.access-gone"%', '%"kind":"grant.reopened"%'])
      ) entries
    ) log
    where g.seq > ${afterSeq} and l.created_at < ${at(untilMs)} and ${narrowedTo(of, "g")}
      and (g.revoked_at is null or g.revoked_at >= ${at(fromMs)} or g.receipt -> 'evidence' ->> 'kind' = 'standing')
  )`;

/** Whose access may have lived at any moment of the span: from before the making until it was proven gone. */
export async function accessWithin(tx: Tx, span: Span, of: OfWhat, page: EvidencePage): Promise<LivedGrant[]> {
  const { rows } = await sql<LivedGrant>`
    with ${lived(span, of, page.afterSeq)}
    select * from lived where gone is null or standing or gone > ${at(span.fromMs)}
    order by seq limit ${page.limit}`.execute(tx);
  return rows;
}

/** Over before the end of the span and before now, and not proven gone before its beginning. */
const endedWithin = ({ fromMs, untilMs }: Span, nowMs: number) =>
  sql`ended < ${at(Math.min(untilMs, nowMs))} and (gone is null or gone >= ${at(fromMs)})`;

export async function endings(
  tx: Tx,
  span: Span,
  nowMs: number,
  of: OfWhat,
  page: EvidencePage,
): Promise<LivedGrant[]> {
  const { rows } = await sql<LivedGrant>`
    with ${lived(span, of, page.afterSeq)}
    select * from lived where ${endedWithin(span, nowMs)} order by seq limit ${page.limit}`.execute(tx);
  return rows;
}

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
    with ${lived(span, of, 0)}, times as (
      -- The greatest of 0 and nothing would be 0: as if it were proven.
      select case when gone is not null then greatest(0, round(extract(epoch from gone - ended) * 1000))::bigint end as ms
      from lived where ${endedWithin(span, nowMs)}
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
    select g.seq, g.id, g.request_id as request, g.principal_id as person, g.entitlement, g.created_at as created,
      ${GRANT_FATE} as fate
    from grants g left join leases l on l.grant_id = g.id
    where g.seq > ${page.afterSeq} and g.created_at >= ${at(fromMs)} and g.created_at < ${at(untilMs)}
      and ${narrowedTo(of, "g")} and ${GRANT_FATE} not in ('used', 'not-made')
    order by g.seq limit ${page.limit}`.execute(tx);
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

/** Whether anybody ever asked for it. */
export async function wasAskedFor(db: Db, { resource, entitlement }: NonNullable<OfWhat>): Promise<boolean> {
  const { rows } = await sql`
    select from requests where resource = ${resource}
      and (${entitlement}::text is null or ${entitlement} in (entitlement, narrowed_to ->> 'entitlement')) limit 1`.execute(
    db,
  );
  return rows.length > 0;
}
