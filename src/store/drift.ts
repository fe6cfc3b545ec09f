/** Sweeps and what they found: rows of their own, beside the ledger that they compare with targets. */
import { type Selectable, sql } from "kysely";
import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import type { FindingId, GrantId } from "../base/ids.ts";
import type { DriftFinding, DriftKind, LedgerGrant, Remedy } from "../domain/drift.ts";
import type { TargetIdentity } from "../domain/evidence.ts";
import { type Db, json, type Tables, type Tx } from "./db.ts";
import { type Claim, ClaimLost } from "./grants.ts";

/** The right to sweep one resource for a while. */
export type SweepClaim = { readonly resource: string; readonly owner: string; readonly fence: number };

/**
 * A row for each configured resource and none for others; first sweeps are spread over so long, so that a start does not
 * sweep all at once.
 */
export async function ensureSweeps(db: Db, resources: readonly string[], withinMs: number): Promise<void> {
  await sql`
    with gone as (delete from drift_sweeps where not resource = any (${resources}::text[]) and claim_until is null)
    insert into drift_sweeps (resource, due_at)
    select name, clock_timestamp() + random() * ${withinMs} * interval '1 millisecond' from unnest(${resources}::text[]) as given (name)
    on conflict do nothing`.execute(db);
}

/** As in the index that says what is due next, word for word. */
const TAKES_AWAY = sql`(case when state = 'active' or (state = 'revoking' and not access_gone) then 0 when state in ('scheduled', 'provisioning') then 1 else 2 end) = 0`;

/**
 * Claims resources that are due to be swept, the one that waits longest first. One on which a revocation waits for a place
 * lets that go first, but not for longer than `patienceMs`: a revocation that cannot succeed must not keep it unseen for ever.
 */
export async function claimSweeps(
  db: Db,
  resources: readonly string[],
  owner: string,
  options: { lifetimeMs: number; patienceMs: number; limit: number },
): Promise<SweepClaim[]> {
  const { lifetimeMs, patienceMs, limit } = options;
  const { rows } = await sql<{ resource: string; fence: number }>`
    with due as (
      select resource from drift_sweeps s
      where resource = any (${resources}::text[]) and due_at <= clock_timestamp()
        and (claim_until is null or claim_until < clock_timestamp())
        and (due_at < clock_timestamp() - ${patienceMs} * interval '1 millisecond' or not exists (
          select from grants where grants.resource = s.resource and ${TAKES_AWAY} and grants.due_at <= statement_timestamp()
            and (grants.claim_until is null or grants.claim_until < clock_timestamp())))
      order by due_at limit ${limit} for update skip locked
    )
    -- Due again when the claim runs out, should we die; asked for again meanwhile, it is due before that.
    update drift_sweeps set claim_owner = ${owner}, fence = nextval('fences'),
      claim_until = clock_timestamp() + ${lifetimeMs} * interval '1 millisecond',
      due_at = clock_timestamp() + ${lifetimeMs} * interval '1 millisecond'
    from due where drift_sweeps.resource = due.resource
    returning drift_sweeps.resource, drift_sweeps.fence`.execute(db);
  return rows.map((row) => ({ ...row, owner }));
}

/** Makes these due at once, before what is merely due; answers when that was, by database time. */
export async function askSweeps(db: Db, resources: readonly string[], patienceMs: number): Promise<number> {
  await sql`
    insert into drift_sweeps (resource, due_at) select name, clock_timestamp() from unnest(${resources}::text[]) as given (name)
    on conflict do nothing`.execute(db);
  const { rows } = await sql<{ now: number }>`
    with asked as (
      update drift_sweeps set due_at = clock_timestamp() - ${patienceMs + 1} * interval '1 millisecond'
      where resource = any (${resources}::text[])
    )
    select clock_timestamp() as now`.execute(db);
  return rows[0]?.now ?? 0;
}

/** Holds the row until the transaction ends; throws when somebody else sweeps the resource now. Answers when it was last swept. */
export async function lockSweep(tx: Tx, claim: SweepClaim): Promise<number | null> {
  const row = await tx
    .selectFrom("drift_sweeps")
    .select(["fence", "claim_owner", "swept_at"])
    .where("resource", "=", claim.resource)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined || row.fence !== claim.fence || row.claim_owner !== claim.owner)
    throw new ClaimLost(`the sweep of ${claim.resource} with fence ${claim.fence} was taken over`);
  return row.swept_at;
}

/** How a sweep ended; lets go of the claim. */
export type SweepEnd = { readonly beganMs: number; readonly againInMs: number } & (
  | { readonly target: string }
  | { readonly error: { readonly code: string; readonly message: string } }
);

export async function endSweep(db: Db | Tx, claim: SweepClaim, end: SweepEnd): Promise<void> {
  const began = toTimestamp(end.beganMs);
  const outcome =
    "target" in end
      ? sql`swept_at = ${began}::timestamptz, target_identity = ${end.target}, failing_since = null, error = null`
      : sql`failing_since = coalesce(failing_since, ${began}::timestamptz), error = ${json(end.error)}::jsonb`;
  await sql`
    update drift_sweeps set claim_until = null, claim_owner = null, began_at = ${began}::timestamptz, ${outcome},
      due_at = case when due_at <= clock_timestamp() then due_at else clock_timestamp() + ${end.againInMs} * interval '1 millisecond' end
    where resource = ${claim.resource} and fence = ${claim.fence} and claim_owner = ${claim.owner}`.execute(db);
}

/** Lets go of a sweep that was broken off, so that another replica need not wait for the claim to run out. */
export async function dropSweep(db: Db, claim: SweepClaim): Promise<void> {
  await sql`
    update drift_sweeps set claim_until = null, claim_owner = null, due_at = clock_timestamp()
    where resource = ${claim.resource} and fence = ${claim.fence} and claim_owner = ${claim.owner}`.execute(db);
}

export type SweepState = {
  readonly resource: string;
  readonly sweptMs: number | null;
  readonly beganMs: number | null;
  readonly failingSinceMs: number | null;
  readonly error: { readonly code: string; readonly message: string } | null;
};

export async function sweepStates(db: Db, resources: readonly string[]): Promise<SweepState[]> {
  const rows = await db
    .selectFrom("drift_sweeps")
    .selectAll()
    .where("resource", "in", [...resources, ""])
    .execute();
  return rows.map((row) => ({
    resource: row.resource,
    sweptMs: row.swept_at,
    beganMs: row.began_at,
    failingSinceMs: row.failing_since,
    error: row.error,
  }));
}

export type StoredFinding = DriftFinding & { readonly target: string };

function toFinding(row: Selectable<Tables["drift_findings"]>): StoredFinding {
  return {
    id: row.id as FindingId,
    resource: row.resource,
    target: row.target_identity,
    kind: row.kind as DriftKind,
    subject: row.subject,
    what: row.what,
    grant: row.grant_id as GrantId | null,
    since: row.since,
    by: row.by_whom,
    firstSeenMs: row.first_seen_at,
    lastSeenMs: row.last_seen_at,
    resolvedMs: row.resolved_at,
    remedy: row.remedy as Remedy | null,
    problem: row.problem,
  };
}

/** Open findings on a target, whichever resource they were seen from. */
export async function openFindings(db: Db | Tx, target: string): Promise<StoredFinding[]> {
  const rows = await db
    .selectFrom("drift_findings")
    .selectAll()
    .where("target_identity", "=", target)
    .where("resolved_at", "is", null)
    .execute();
  return rows.map(toFinding);
}

/** Open ones of these resources, and those resolved since; the newest first. */
export async function listFindings(
  db: Db,
  resources: readonly string[] | null,
  options: { resolvedSinceMs: number | null; limit: number },
): Promise<StoredFinding[]> {
  const { resolvedSinceMs, limit } = options;
  const rows = await db
    .selectFrom("drift_findings")
    .selectAll()
    .where((w) => (resources === null ? w.lit(true) : w("resource", "in", [...resources, ""])))
    .where((w) =>
      w.or([
        w("resolved_at", "is", null),
        ...(resolvedSinceMs === null
          ? []
          : [w("resolved_at", ">=", sql<number>`${toTimestamp(resolvedSinceMs)}::timestamptz`)]),
      ]),
    )
    .orderBy("seq", "desc")
    .limit(limit)
    .execute();
  return rows.map(toFinding);
}

export async function putFinding(tx: Tx, finding: StoredFinding): Promise<void> {
  const row = {
    resource: finding.resource,
    target_identity: finding.target,
    kind: finding.kind,
    subject: finding.subject,
    what: finding.what,
    grant_id: finding.grant,
    since: finding.since,
    by_whom: finding.by,
    first_seen_at: toTimestamp(finding.firstSeenMs),
    last_seen_at: toTimestamp(finding.lastSeenMs),
    resolved_at: finding.resolvedMs === null ? null : toTimestamp(finding.resolvedMs),
    remedy: finding.remedy,
    problem: finding.problem,
  };
  await tx
    .insertInto("drift_findings")
    .values({ id: finding.id, ...row })
    .onConflict((conflict) => conflict.column("id").doUpdateSet(row))
    .execute();
}

/** What was done about an open finding, or why nothing could be. */
export async function noteRemedy(
  db: Db,
  id: FindingId,
  outcome: { remedy: Remedy | null; problem: string | null },
): Promise<void> {
  await db
    .updateTable("drift_findings")
    .set(outcome)
    .where("id", "=", id)
    .where("resolved_at", "is", null)
    .where((w) =>
      w.or([w("remedy", "is distinct from", outcome.remedy), w("problem", "is distinct from", outcome.problem)]),
    )
    .execute();
}

/** What a sweep needs of a grant's lease to ask the target about it. */
export type SweepGrant = LedgerGrant & {
  readonly scope: JsonObject;
  readonly names: JsonObject;
  readonly details: JsonObject;
  readonly account: { readonly handle: string; readonly email: string | null };
  readonly target: TargetIdentity;
  readonly rightKey: string;
};

type SweepRow = {
  id: string;
  resource: string;
  state: string;
  scope: JsonObject;
  scope_hash: string;
  expires_at: number;
  revoked_at: number | null;
  extend_target: boolean;
  lease_state: string | null;
  names: JsonObject | null;
  details: JsonObject | null;
  account: SweepGrant["account"] | null;
  target_identity: string | null;
  target_position: string | null;
  right_key: string | null;
};

const SWEEP_COLUMNS = sql`
  g.id, g.resource, g.state, coalesce(l.scope, g.scope) as scope, coalesce(l.scope_hash, g.scope_hash) as scope_hash, g.expires_at,
  g.revoked_at, g.extend_target, l.state as lease_state, l.names, l.details, l.account, l.target_identity, l.target_position, l.right_key`;

const toSweepGrant = (row: SweepRow): SweepGrant => ({
  id: row.id as GrantId,
  resource: row.resource,
  state: row.state as SweepGrant["state"],
  scope: row.scope,
  scopeHash: row.scope_hash,
  expiresMs: row.expires_at,
  closedMs: row.revoked_at,
  extendTarget: row.extend_target,
  lease: row.lease_state === null ? "none" : row.lease_state === "released" ? "released" : "live",
  names: row.names ?? {},
  details: row.details ?? {},
  account: row.account ?? { handle: "", email: null },
  target: { identity: row.target_identity ?? "", position: row.target_position },
  rightKey: row.right_key ?? "",
});

/** Grants with a live lease whose connection was that of this resource. */
export async function liveOnResource(db: Db, resource: string): Promise<SweepGrant[]> {
  const { rows } = await sql<SweepRow>`
    select ${SWEEP_COLUMNS} from leases l join grants g on g.id = l.grant_id
    where l.connector ->> 'resource' = ${resource} and l.state <> 'released' order by g.seq`.execute(db);
  return rows.map(toSweepGrant);
}

export async function sweepGrants(db: Db, ids: readonly GrantId[]): Promise<SweepGrant[]> {
  const { rows } = await sql<SweepRow>`
    select ${SWEEP_COLUMNS} from grants g left join leases l on l.grant_id = g.id where g.id = any (${ids}::text[])`.execute(
    db,
  );
  return rows.map(toSweepGrant);
}

/** Of these scopes, the ones of which somebody has a live lease, on whatever resource. */
export async function scopesInUse(db: Db, hashes: readonly string[]): Promise<Set<string>> {
  const { rows } = await sql<{ scope_hash: string }>`
    select distinct scope_hash from leases where scope_hash = any (${hashes}::text[]) and state <> 'released'`.execute(
    db,
  );
  return new Set(rows.map((row) => row.scope_hash));
}

/** Rights that were found standing, and that no grant has made since: one grant for each, the newest. */
export async function foundRights(db: Db, resource: string, target: string, limit: number): Promise<SweepGrant[]> {
  const { rows } = await sql<SweepRow>`
    select distinct on (l.right_key) ${SWEEP_COLUMNS} from leases l join grants g on g.id = l.grant_id
    where l.connector ->> 'resource' = ${resource} and l.origin = 'found' and l.target_identity = ${target}
      and not exists (select from leases o where o.right_key = l.right_key and o.origin = 'made' and o.state <> 'released')
    order by l.right_key, g.seq desc limit ${limit}`.execute(db);
  return rows.map(toSweepGrant);
}

/** Claims one active grant, if nobody else works on it: to make equal on the target what a sweep found changed. */
export async function claimGrant(db: Db, id: GrantId, owner: string, lifetimeMs: number): Promise<Claim | null> {
  const { rows } = await sql<{ fence: number }>`
    with free as (
      select id from grants where id = ${id} and state = 'active' and expires_at > clock_timestamp()
        and (claim_until is null or claim_until < clock_timestamp()) for update skip locked
    )
    update grants set claim_owner = ${owner}, claim_until = clock_timestamp() + ${lifetimeMs} * interval '1 millisecond', fence = nextval('fences')
    from free where grants.id = free.id returning grants.fence`.execute(db);
  const [row] = rows;
  return row === undefined ? null : { grant: id, owner, fence: row.fence };
}

/** Two resources may lead to one target: whoever records what was seen there goes one after the other. */
export async function holdTarget(tx: Tx, target: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`drift ${target}`}, 0))`.execute(tx);
}

export type DriftFigures = {
  /** Open findings. */
  readonly findings: readonly { readonly resource: string; readonly kind: string; readonly count: number }[];
  /** Since the target was last seen whole; null: it never was. */
  readonly sweeps: readonly { readonly resource: string; readonly ageSeconds: number | null }[];
};

export async function driftFigures(db: Db): Promise<DriftFigures> {
  const findings = await db
    .selectFrom("drift_findings")
    .select(["resource", "kind", sql<number>`count(*)`.as("count")])
    .where("resolved_at", "is", null)
    .groupBy(["resource", "kind"])
    .execute();
  const sweeps = await db
    .selectFrom("drift_sweeps")
    .select(["resource", sql<number | null>`extract(epoch from clock_timestamp() - swept_at)::float8`.as("ageSeconds")])
    .execute();
  return { findings, sweeps };
}
