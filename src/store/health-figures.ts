/** What the store knows about how well Tidegate is. */
import { sql } from "kysely";
import { type LedgerFacts, type TargetTrouble, TOKEN_ENDS_SOON_MS } from "../domain/health-facts.ts";
import type { AuditOutlets } from "../domain/sink.ts";
import type { Db } from "./db.ts";
import { channelFigures } from "./deliveries.ts";
import { driftFigures } from "./drift.ts";
import type { Figures } from "./figures.ts";
import { quarantineNow } from "./quarantine.ts";
import { retentionFigures } from "./retention.ts";
import { anchorFigures, sinkFigures } from "./sinks.ts";

type Row = {
  readonly cleanUps: number;
  readonly oldestCleanUpMs: number;
  readonly lateLooks: number;
  readonly oldestLateLookMs: number;
  readonly panics: number;
  readonly oldestPanicMs: number;
  readonly emergencies: number;
  readonly overdueReviews: number;
  readonly oldestOverdueReviewMs: number;
  readonly unsequenced: number;
  readonly oldestUnsequencedMs: number;
  readonly stray: string | null;
  readonly endingTokens: number;
  readonly nowMs: number;
};

const sinceOf = (moment: string) =>
  sql`greatest(0, coalesce(extract(epoch from statement_timestamp() - ${sql.raw(moment)}) * 1000, 0))::float8`;

/**
 * Costs by what is late, in trouble, or waiting, and not by how many grants there are. When a clean-up began to resist is its
 * first trouble. A second look that was put off, since it was in trouble, is late from when it was first due.
 */
async function readRow(db: Db): Promise<Row> {
  const { rows } = await sql<Row>`
    select
      clean_up.count::int as "cleanUps", ${sinceOf("to_timestamp(clean_up.since / 1000)")} as "oldestCleanUpMs",
      (late.count + put_off.count)::int as "lateLooks", ${sinceOf("least(late.since, put_off.since)")} as "oldestLateLookMs",
      panic.count::int as "panics", ${sinceOf("panic.since")} as "oldestPanicMs",
      emergency.count::int as "emergencies", emergency.overdue::int as "overdueReviews",
      ${sinceOf("emergency.since")} as "oldestOverdueReviewMs",
      (select count(*) from audit_unsequenced)::int as "unsequenced", ${sinceOf("waits.since")} as "oldestUnsequencedMs", waits.stray,
      token.count::int as "endingTokens",
      (extract(epoch from statement_timestamp()) * 1000)::float8 as "nowMs"
    from
      (select count(*), min((trouble ->> 'sinceMs')::float8) as since from grants where state = 'revoking' and access_gone) as clean_up,
      (select count(*), min(confirm_at) as since from grants
        where due_at < statement_timestamp() and state in ('revoked', 'failed')) as late,
      (select count(*), min(confirm_at) as since from grants
        where trouble is not null and due_at >= statement_timestamp() and state in ('revoked', 'failed')) as put_off,
      (select count(*), min(started_at) as since from panics where lifted_at is null) as panic,
      (select count(*), count(*) filter (where review_due_at <= statement_timestamp()) as overdue,
          min(review_due_at) as since from requests where review_due_at is not null and reviewed_at is null) as emergency,
      (values (1)) as queue left join (
        select coalesce((next.entry ->> 'at')::timestamptz, 'epoch') as since, case when next.queued is null then head.entry_id end as stray
          from (select * from audit_unsequenced order by queued limit 1) head left join audit_next(1) next on next.queued = head.queued) as waits on true,
      (select count(*) from api_tokens t join principals p on p.id = t.principal_id
        where p.kind = 'service' and t.source <> 'exchange' and t.successor is null and p.active and t.revoked_at is null and t.expires_at > statement_timestamp()
          and t.expires_at <= statement_timestamp() + ${TOKEN_ENDS_SOON_MS} * interval '1 millisecond') as token`.execute(
    db,
  );
  const [row] = rows;
  if (row === undefined) throw new Error("the store gave no figures");
  return row;
}

type Trouble = TargetTrouble & { readonly resource: string };

/** What keeps grants from going on, by resource and code of the last error. */
async function readTroubles(db: Db): Promise<Trouble[]> {
  const { rows } = await sql<Trouble>`
    select resource, coalesce(trouble -> 'lastError' ->> 'code', 'failed') as code, count(*)::int as grants,
      max((trouble ->> 'attempts')::int) as attempts,
      greatest(0, extract(epoch from statement_timestamp()) * 1000 - min((trouble ->> 'sinceMs')::float8))::float8 as "ageMs"
    from grants where trouble is not null
    group by 1, 2 order by 1, 2`.execute(db);
  return rows;
}

/** What of the configuration is watched: names of resources, and where the log goes. */
type Watched = { readonly resources: readonly string[]; readonly outlets: AuditOutlets };

/** All of it, with the figures that count overdue grants. */
export async function readLedgerFacts(db: Db, figures: Figures, { resources, outlets }: Watched): Promise<LedgerFacts> {
  const row = await readRow(db);
  const troubles = await readTroubles(db);
  const quarantine = await quarantineNow(db);
  const anchors = Object.values(outlets.anchors ?? {});
  const ofAnchors = await anchorFigures(
    db,
    anchors.map(({ name }) => name),
  );
  const sinks = Object.values(outlets.sinks);
  const ofSinks = await sinkFigures(
    db,
    sinks.map(({ name }) => name),
  );
  // A resource that is out of the configuration may still hold grants that must be taken back.
  const names = [...new Set([...resources, ...troubles.map(({ resource }) => resource)])].sort();
  return {
    overdue: { count: figures.overdue, oldestMs: figures.oldestOverdueSeconds * 1_000 },
    cleanUps: { count: row.cleanUps, oldestMs: row.oldestCleanUpMs },
    lateLooks: { count: row.lateLooks, oldestMs: row.oldestLateLookMs },
    targets: names.map((resource) => ({ resource, troubles: troubles.filter((one) => one.resource === resource) })),
    quarantine:
      quarantine === null ? null : { ageMs: Math.max(0, row.nowMs - quarantine.sinceMs), why: quarantine.why },
    panics: { count: row.panics, oldestMs: row.oldestPanicMs },
    emergencies: {
      open: row.emergencies,
      overdue: { count: row.overdueReviews, oldestMs: row.oldestOverdueReviewMs },
    },
    unsequenced: { count: row.unsequenced, oldestMs: row.oldestUnsequencedMs, stray: row.stray },
    endingTokens: row.endingTokens,
    channels: await channelFigures(db),
    anchors: anchors.map((anchor) => ({ anchor, facts: ofAnchors.get(anchor.name) ?? null })),
    sinks: sinks.map((sink) => ({ sink, facts: ofSinks.get(sink.name) ?? null })),
    retention: await retentionFigures(db, outlets),
    drift: await driftFigures(db),
  };
}
