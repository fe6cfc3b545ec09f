import type { Selectable } from "kysely";
import { sql } from "kysely";
import { defined } from "../base/assert.ts";
import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import type { EntryId, GrantId, PrincipalId, RequestId } from "../base/ids.ts";
import type { EntitlementRef } from "../domain/entitlement.ts";
import type { History } from "../domain/facts.ts";
import type { Ending, Grant, GrantState, Receipt, Trouble } from "../domain/grant.ts";
import { dueMs } from "../domain/plan.ts";
import type { Activation } from "../domain/request.ts";
import { at, type Db, json, type Tables, type Tx, timeOrNull } from "./db.ts";

type Row = Selectable<Tables["grants"]>;

export function toGrant(row: Row): Grant {
  const base = {
    id: row.id as GrantId,
    requestId: row.request_id as RequestId,
    principalId: row.principal_id as PrincipalId,
    resource: row.resource,
    entitlement: row.entitlement as EntitlementRef,
    scope: row.scope as JsonObject,
    scopeHash: row.scope_hash,
    activation: row.activation as Activation,
    durationMs: row.duration_ms,
    startsMs: row.starts_at,
    activateByMs: row.activate_by,
    expiresMs: row.expires_at,
    extensions: row.extensions,
    configVersion: row.config_version,
    createdMs: row.created_at,
    trouble: row.trouble as Trouble | null,
  };
  const ending = () => defined(row.ending, `ending of grant ${row.id}`) as unknown as Ending;
  switch (row.state as GrantState) {
    case "scheduled":
      return { ...base, state: "scheduled" };
    case "provisioning":
      return { ...base, state: "provisioning" };
    case "active": {
      const credential = row.credential as "none" | "ready" | "delivered";
      return {
        ...base,
        state: "active",
        extendTarget: row.extend_target,
        rotateCredential: row.rotate_credential,
        credential,
      };
    }
    case "revoking":
      return {
        ...base,
        state: "revoking",
        ending: ending(),
        leadsTo: row.leads_to as "revoked" | "failed",
        accessGone: row.access_gone,
      };
    case "revoked":
    case "failed":
      return {
        ...base,
        state: row.state as "revoked" | "failed",
        ending: ending(),
        revokedMs: defined(row.revoked_at, "revoked_at"),
        receipt: defined(row.receipt, "receipt") as unknown as Receipt,
        confirmMs: row.confirm_at,
      };
    case "cancelled":
      return { ...base, state: "cancelled", ending: ending() };
    default:
      throw new Error(`grant ${row.id} has the unknown state ${row.state}`);
  }
}

/** The row of a grant as it is now; never its claim. JSON as values, not as text. */
export function grantRow(grant: Grant) {
  const active = grant.state === "active" ? grant : null;
  const revoking = grant.state === "revoking" ? grant : null;
  const closed = grant.state === "revoked" || grant.state === "failed" ? grant : null;
  return {
    id: grant.id,
    request_id: grant.requestId,
    principal_id: grant.principalId,
    resource: grant.resource,
    entitlement: grant.entitlement,
    scope: grant.scope,
    scope_hash: grant.scopeHash,
    activation: grant.activation,
    duration_ms: grant.durationMs,
    starts_at: toTimestamp(grant.startsMs),
    activate_by: timeOrNull(grant.activateByMs),
    expires_at: toTimestamp(grant.expiresMs),
    extensions: grant.extensions,
    config_version: grant.configVersion,
    created_at: toTimestamp(grant.createdMs),
    state: grant.state,
    trouble: grant.trouble,
    extend_target: active?.extendTarget ?? false,
    rotate_credential: active?.rotateCredential ?? false,
    credential: active?.credential ?? "none",
    ending: "ending" in grant ? grant.ending : null,
    leads_to: revoking?.leadsTo ?? null,
    access_gone: revoking?.accessGone ?? closed !== null,
    revoked_at: timeOrNull(closed?.revokedMs ?? null),
    receipt: closed?.receipt ?? null,
    confirm_at: timeOrNull(closed?.confirmMs ?? null),
    due_at: timeOrNull(dueMs(grant)),
  };
}

/** Writes the grant as it is now; never its claim. `receiptEntry` is the audit entry that holds the receipt, when this closes it. */
export async function putGrant(tx: Tx, grant: Grant, receiptEntry: EntryId | null): Promise<void> {
  const { id, ...columns } = grantRow(grant);
  const { scope, trouble, ending, receipt } = columns;
  const row = {
    ...columns,
    scope: json(scope),
    trouble: jsonOrNull(trouble),
    ending: jsonOrNull(ending),
    receipt: jsonOrNull(receipt),
    ...(receipt === null
      ? { receipt_entry_id: null }
      : receiptEntry === null
        ? {}
        : { receipt_entry_id: receiptEntry }),
  };
  await tx
    .insertInto("grants")
    .values({ id, receipt_entry_id: null, ...row })
    .onConflict((conflict) => conflict.column("id").doUpdateSet(row))
    .execute();
}

const jsonOrNull = (value: unknown): string | null => (value === null ? null : json(value));

export async function findGrant(
  db: Db | Tx,
  id: GrantId,
): Promise<{ grant: Grant; receiptEntry: EntryId | null } | null> {
  const row = await db.selectFrom("grants").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : { grant: toGrant(row), receiptEntry: row.receipt_entry_id as EntryId | null };
}

/** The grant as it is now, with database time; held by nobody. */
export async function grantNow(db: Db, id: GrantId): Promise<{ grant: Grant; nowMs: number } | null> {
  const row = await db
    .selectFrom("grants")
    .selectAll()
    .select(sql<number>`clock_timestamp()`.as("read_at"))
    .where("id", "=", id)
    .executeTakeFirst();
  return row === undefined ? null : { grant: toGrant(row), nowMs: row.read_at };
}

/** A right to work on one grant for a short while. Whoever claims later gets a larger fence, and the earlier one's writes are refused. */
export type Claim = { readonly grant: GrantId; readonly owner: string; readonly fence: number };

/** The claim was taken over, or ran out: whoever held it must stop and leave the rest to its successor. */
export class ClaimLost extends Error {
  override readonly name = "ClaimLost";
}

/** The grant, held until the transaction ends, with database time read after the lock. With a claim: throws ClaimLost when it is no longer ours. */
export async function lockGrant(
  tx: Tx,
  id: GrantId,
  claim: Claim | null,
): Promise<{ grant: Grant; nowMs: number } | null> {
  // One statement: a row leaves the inner query when it is locked, and only then is the time read.
  const { rows } = await sql<Row & { locked_at: number }>`
    with locked as materialized (select * from grants where id = ${id} for no key update)
    select locked.*, clock_timestamp() as locked_at from locked`.execute(tx);
  const [row] = rows;
  if (row === undefined) return null;
  if (claim !== null && (row.fence !== claim.fence || row.claim_owner !== claim.owner))
    throw new ClaimLost(`the claim on grant ${id} with fence ${claim.fence} was taken over (fence ${row.fence})`);
  return { grant: toGrant(row), nowMs: row.locked_at };
}

/** Keeps the claims, and the rights held under them, for another lifetime. Answers those that are still ours. */
export async function renewClaims(db: Db, claims: readonly Claim[], lifetimeMs: number): Promise<Set<GrantId>> {
  const { rows } = await sql<{ id: GrantId }>`
    with held as materialized (
      -- In the order in which everybody holds several: two that wait for each other would both have lost.
      select grants.id, grants.fence from grants
        join unnest(${claims.map((c) => c.grant)}::text[], ${claims.map((c) => c.fence)}::bigint[]) as mine (id, fence) using (id, fence)
       where claim_until is not null order by seq for no key update of grants
    ), kept as (
      update grants set claim_until = clock_timestamp() + ${lifetimeMs} * interval '1 millisecond'
      from held where grants.id = held.id and grants.fence = held.fence and claim_until is not null
      returning grants.id, grants.fence
    ), rights as (
      update right_claims set until = clock_timestamp() + ${lifetimeMs} * interval '1 millisecond'
      from kept where right_claims.fence = kept.fence
    )
    select id from kept`.execute(db);
  return new Set(rows.map((row) => row.id));
}

/**
 * Lets go of the grant, and of the right held under the claim. With `againInMs` it is looked at no sooner than then, so that
 * what it waits for gets its turn. The only commit that does not wait for the disk: a release that a power cut takes away
 * leaves a claim that runs out by itself.
 */
export async function releaseClaim(db: Db, claim: Claim, againInMs = 0): Promise<void> {
  await sql`
    with soon as materialized (select set_config('synchronous_commit', 'off', true)),
      rights as (delete from right_claims where owner = ${claim.owner} and fence = ${claim.fence})
    update grants set claim_until = null, claim_owner = null,
      due_at = case when ${againInMs}::int = 0 or due_at is null then due_at
        else greatest(due_at, clock_timestamp() + ${againInMs} * interval '1 millisecond') end
    from soon where id = ${claim.grant} and fence = ${claim.fence}`.execute(db);
}

/** Whether the claim is still ours. */
export async function isClaimed(db: Db, claim: Claim): Promise<boolean> {
  const row = await db
    .selectFrom("grants")
    .select(["fence", "claim_owner"])
    .where("id", "=", claim.grant)
    .executeTakeFirst();
  return row?.fence === claim.fence && row.claim_owner === claim.owner;
}

/** Holds a right on a target for this claim. False: another claim holds it; come back soon. */
export async function claimRight(db: Db, rightKey: string, claim: Claim, lifetimeMs: number): Promise<boolean> {
  const { rows } = await sql<{ right_key: string }>`
    insert into right_claims (right_key, owner, fence, until)
    values (${rightKey}, ${claim.owner}, ${claim.fence}, clock_timestamp() + ${lifetimeMs} * interval '1 millisecond')
    on conflict (right_key) do update set owner = excluded.owner, fence = excluded.fence, until = excluded.until
    where right_claims.until < clock_timestamp() or (right_claims.owner = excluded.owner and right_claims.fence = excluded.fence)
    returning right_key`.execute(db);
  return rows.length === 1;
}

export async function releaseRight(db: Db, claim: Claim): Promise<void> {
  await db.deleteFrom("right_claims").where("owner", "=", claim.owner).where("fence", "=", claim.fence).execute();
}

export type GrantFilter = {
  principalId?: PrincipalId;
  states?: readonly GrantState[];
  resource?: string;
  beforeSeq?: number;
  limit: number;
};

/** Newest first; `seq` is the cursor. */
export async function listGrants(
  db: Db | Tx,
  filter: GrantFilter,
): Promise<{ seq: number; grant: Grant; receiptEntry: EntryId | null }[]> {
  let query = db.selectFrom("grants").selectAll().orderBy("seq", "desc").limit(filter.limit);
  if (filter.principalId !== undefined) query = query.where("principal_id", "=", filter.principalId);
  if (filter.states !== undefined) query = query.where("state", "in", filter.states);
  if (filter.resource !== undefined) query = query.where("resource", "=", filter.resource);
  if (filter.beforeSeq !== undefined) query = query.where("seq", "<", filter.beforeSeq);
  const rows = await query.execute();
  return rows.map((row) => ({
    seq: row.seq,
    grant: toGrant(row),
    receiptEntry: row.receipt_entry_id as EntryId | null,
  }));
}

/** These grants, in this order. */
export async function grantsById(db: Db | Tx, ids: readonly GrantId[]): Promise<Grant[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom("grants")
    .selectAll()
    .where("id", "in", [...ids])
    .execute();
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => {
    const row = byId.get(id);
    return row === undefined ? [] : [toGrant(row)];
  });
}

/** Grants of a person that have not ended. */
export type LiveGrant = { readonly grant: Grant; readonly nowMs: number; readonly leaseWritten: boolean };

/** Grants of a person that have not ended, held until the transaction ends, with database time read after the locks. */
export async function lockLive(tx: Tx, principal: PrincipalId): Promise<LiveGrant[]> {
  const { rows } = await sql<Row & { locked_at: number }>`
    with locked as materialized (
      select * from grants where principal_id = ${principal} and state in ('scheduled', 'provisioning', 'active')
      order by seq for no key update
    )
    select locked.*, clock_timestamp() as locked_at from locked order by seq`.execute(tx);
  if (rows.length === 0) return [];
  // Asked once they are held: whoever held them before may have written a lease.
  const leases = await tx
    .selectFrom("leases")
    .select("grant_id")
    .where("grant_id", "=", sql<string>`any(${rows.map(({ id }) => id)}::text[])`)
    .execute();
  const leased = new Set(leases.map((lease) => lease.grant_id));
  return rows.map((row) => ({ grant: toGrant(row), nowMs: row.locked_at, leaseWritten: leased.has(row.id) }));
}

/** Grants of a person: what has not ended, and what was made since then, whatever became of it. */
export async function historyOf(
  db: Db | Tx,
  principal: PrincipalId,
  resource: string,
  sinceMs: number,
): Promise<History> {
  const { rows } = await sql<History>`
    select count(*) filter (where open)::int as open,
           count(*) filter (where open and here)::int as "openHere",
           count(*) filter (where recent)::int as recent,
           count(*) filter (where recent and here)::int as "recentHere",
           (select count(*) from requests
             where requester_id = ${principal} and review_due_at is not null and reviewed_at is null)::int as unreviewed
    from (
      select state in ('scheduled', 'provisioning', 'active', 'revoking') as open,
             resource = ${resource} as here,
             created_at > ${at(sinceMs)} as recent
      from grants
      where principal_id = ${principal}
    ) theirs`.execute(db);
  return rows[0] ?? { open: 0, openHere: 0, recent: 0, recentHere: 0, unreviewed: 0 };
}

/** The same of several people, for each of their resources; who never had a grant is left out. */
export async function historiesOf(
  db: Db,
  principals: readonly PrincipalId[],
  sinceMs: number,
): Promise<Map<string, { resource: string; open: number; recent: number }[]>> {
  if (principals.length === 0) return new Map();
  const { rows } = await sql<{ principal: string; resource: string; open: number; recent: number }>`
    select principal_id as principal, resource,
           count(*) filter (where state in ('scheduled', 'provisioning', 'active', 'revoking'))::int as open,
           count(*) filter (where created_at > ${at(sinceMs)})::int as recent
    from grants
    where principal_id = any(${principals}::text[])
    group by principal_id, resource`.execute(db);
  return Map.groupBy(rows, ({ principal }) => principal);
}
