/**
 * What the log alone says of when access ended, was gone and was handed over: an oracle for what the store keeps beside each
 * grant. It reads and parses every entry of a grant, which no server could do for two hundred thousand.
 */
import assert from "node:assert/strict";
import type { Pool } from "pg";
import type { Span } from "../../src/store/access-review.ts";
import type { EndingTimes, LivedGrant } from "../../src/store/evidence.ts";
import { migrate } from "../../src/store/migrate.ts";
import { name as ofEvidence } from "../../src/store/migrations/0030-evidence.ts";
import { name as ofLookup } from "../../src/store/migrations/0031-lookup.ts";
import { name as ofSequencer } from "../../src/store/migrations/0033-sequencer.ts";
import { name as ofWaiting } from "../../src/store/migrations/0035-waiting.ts";

/** Every grant with a lease, and of the others whether they were handed over. */
const TOLD = `
  with entries as materialized (
    select entry -> 'refs' ->> 'grant' as id, entry ->> 'kind' as kind, (entry ->> 'at')::timestamptz as at
    from (select leaf from audit_entries union all select leaf from audit_unsequenced where leaf is not null) e
      cross join lateral (select e.leaf::jsonb as entry offset 0) parsed
  )
  select g.seq, g.id, g.request_id as request, g.principal_id as person, g.resource, g.entitlement, g.state, g.extensions,
    g.ending ->> 'cause' as cause,
    coalesce(g.receipt -> 'evidence' ->> 'kind' = 'standing', false) as standing,
    l.created_at as made,
    least(g.expires_at, log.revoking) as ended,
    case when not g.access_gone then null
      when log.gone > coalesce(log.reopened, '-infinity') then log.gone
      else g.revoked_at end as gone,
    log.delivered
  from grants g left join leases l on l.grant_id = g.id
  cross join lateral (
    select min(at) filter (where kind = 'grant.revoking') as revoking,
      max(at) filter (where kind = 'grant.access-gone') as gone,
      max(at) filter (where kind = 'grant.reopened') as reopened,
      min(at) filter (where kind = 'credential.delivered') as delivered
    from entries e where e.id = g.id
  ) log`;

export type Told = LivedGrant & {
  readonly resource: string;
  readonly made: number | null;
  readonly delivered: number | null;
};

/** All of them, in order. */
export const toldOfGrants = async (pool: Pool): Promise<Told[]> =>
  (await pool.query<Told>(`${TOLD} order by g.seq`)).rows;

const isMadeBefore = ({ made }: Told, { untilMs }: Span): boolean => made !== null && made < untilMs;

export const accessByLog = (told: readonly Told[], span: Span): string[] =>
  told
    .filter((one) => isMadeBefore(one, span) && (one.gone === null || one.standing || one.gone > span.fromMs))
    .map(({ id }) => id);

export const endingsByLog = (told: readonly Told[], span: Span, nowMs: number): Told[] =>
  told.filter(
    (one) =>
      isMadeBefore(one, span) &&
      one.ended < Math.min(span.untilMs, nowMs) &&
      (one.gone === null || one.gone >= span.fromMs),
  );

/** By counting. */
export function timesByLog(endings: readonly Told[]): EndingTimes {
  const times = endings
    .flatMap(({ gone, ended }) => (gone === null ? [] : Math.max(0, gone - ended)))
    .sort((a, b) => a - b);
  const at = (part: number): number | null => times[Math.max(0, Math.ceil(part * times.length) - 1)] ?? null;
  return {
    ...{ count: endings.length, open: endings.length - times.length },
    ...{ p50Ms: at(0.5), p95Ms: at(0.95), maxMs: at(1) },
  };
}

/** Forgets what is kept for auditors and what entries are found by, so that the store is as one from before, and migrates it. */
export async function migratedAnew(pool: Pool): Promise<void> {
  while ((await pool.query<{ count: number }>("select audit_sequence() as count")).rows[0]?.count !== 0);
  for (const statement of [
    "alter table grants drop column revoking_at, drop column gone_at, drop column delivered_at, drop column standing",
    "create unique index grants_seq on grants (seq)",
    "drop index leases_grant_id_key",
    "alter table leases add constraint leases_grant_id_key unique (grant_id)",
    "alter table audit_nodes drop column earliest, drop column latest",
    "drop table audit_lookup",
    "drop function audit_is_looked_up cascade",
    "drop function audit_sequence",
    "drop function audit_leaves_into_the_log cascade",
    "drop function audit_parsed",
    "drop function audit_next",
    "drop trigger audit_unsequenced_guard on audit_unsequenced",
    "alter table audit_unsequenced drop column leaf",
    "alter table audit_entries drop constraint audit_entries_leaf",
    "drop function audit_lookup_goes_with_entries",
  ])
    await pool.query(statement);
  const ran = [ofEvidence, ofLookup, ofSequencer, ofWaiting];
  await pool.query("delete from schema_migrations where name = any ($1)", [ran]);
  assert.deepEqual(await migrate(pool), ran);
}
