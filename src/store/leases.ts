import { type Selectable, sql } from "kysely";
import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import type { GrantId, LeaseId, SecretId } from "../base/ids.ts";
import type { Delivery } from "../domain/credential.ts";
import type { Grant } from "../domain/grant.ts";
import type { ConnectorSnapshot, Lease } from "../domain/lease.ts";
import { type Db, json, type Tables, type Tx } from "./db.ts";
import { type Claim, toGrant } from "./grants.ts";

function toLease(row: Selectable<Tables["leases"]>): Lease {
  return {
    id: row.id as LeaseId,
    grantId: row.grant_id as GrantId,
    rightKey: row.right_key,
    names: row.names as JsonObject,
    origin: row.origin as Lease["origin"],
    scope: row.scope as JsonObject,
    scopeHash: row.scope_hash,
    account: row.account as Lease["account"],
    connector: row.connector as unknown as ConnectorSnapshot,
    target: { identity: row.target_identity, position: row.target_position },
    state: row.state as Lease["state"],
    details: row.details as JsonObject,
    delivery: row.delivery as Delivery | null,
    secretId: row.secret_id as SecretId | null,
    fence: row.fence,
    createdMs: row.created_at,
  };
}

/** The row of a lease. JSON as values, not as text. */
export const leaseRow = (lease: Lease) => ({
  id: lease.id,
  grant_id: lease.grantId,
  right_key: lease.rightKey,
  names: lease.names,
  origin: lease.origin,
  scope: lease.scope,
  scope_hash: lease.scopeHash,
  account: lease.account,
  connector: lease.connector,
  target_identity: lease.target.identity,
  target_position: lease.target.position,
  state: lease.state,
  details: lease.details,
  delivery: lease.delivery,
  secret_id: lease.secretId,
  fence: lease.fence,
  created_at: toTimestamp(lease.createdMs),
});

export async function putLease(tx: Tx, lease: Lease): Promise<void> {
  const { id, ...columns } = leaseRow(lease);
  const row = {
    ...columns,
    names: json(columns.names),
    scope: json(columns.scope),
    account: json(columns.account),
    connector: json(columns.connector),
    details: json(columns.details),
    delivery: columns.delivery === null ? null : json(columns.delivery),
  };
  await tx
    .insertInto("leases")
    .values({ id, ...row })
    .onConflict((conflict) => conflict.column("id").doUpdateSet(row))
    .execute();
}

/** Adds to what a connector must know later, if the claim still holds. False: nothing was written. */
export async function mergeDetails(db: Db, claim: Claim, details: JsonObject): Promise<boolean> {
  const { rows } = await sql`
    with held as materialized (
      select id from grants where id = ${claim.grant} and fence = ${claim.fence} and claim_owner = ${claim.owner}
      for no key update
    )
    update leases set details = leases.details || ${json(details)}::jsonb, fence = ${claim.fence}
    from held where leases.grant_id = held.id
    returning leases.id`.execute(db);
  return rows.length === 1;
}

/** A grant has one lease at most. */
export async function leaseOf(db: Db | Tx, grant: GrantId): Promise<Lease | null> {
  const row = await db.selectFrom("leases").selectAll().where("grant_id", "=", grant).executeTakeFirst();
  return row === undefined ? null : toLease(row);
}

/**
 * Every lease that still holds this right, with its grant; null where that row cannot be read: such a grant needs nothing
 * that anybody could know of, and must not keep the access of others alive.
 */
export async function holdersOf(db: Db | Tx, rightKey: string): Promise<{ grant: Grant | null; lease: Lease }[]> {
  const leases = await db
    .selectFrom("leases")
    .selectAll()
    .where("right_key", "=", rightKey)
    .where("state", "<>", "released")
    .execute();
  if (leases.length === 0) return [];
  const ids = leases.map((row) => row.grant_id);
  const grants = await db.selectFrom("grants").selectAll().where("id", "in", ids).execute();
  const byId = new Map(grants.map((row) => [row.id, readable(row)]));
  return leases.map((row) => ({ grant: byId.get(row.grant_id) ?? null, lease: toLease(row) }));
}

function readable(row: Selectable<Tables["grants"]>): Grant | null {
  try {
    return toGrant(row);
  } catch {
    return null;
  }
}

/** A lease that was written for another server than the one that answers now, or for a later state of it. */
export type BoundLease = {
  readonly id: string;
  readonly grant: string;
  /** Of the grant. */
  readonly state: string;
  readonly identity: string;
  readonly position: string | null;
};

/** Those of a resource that still have something to look for on their target. */
export async function leasesElsewhere(
  db: Db | Tx,
  resource: string,
  seen: Lease["target"],
): Promise<readonly BoundLease[]> {
  const { rows } = await sql<BoundLease>`
    select l.id, g.id as grant, g.state, l.target_identity as identity, l.target_position as position
    from leases l join grants g on g.id = l.grant_id
    where g.resource = ${resource} and (l.state <> 'released' or g.confirm_at is not null)
      and (l.target_identity <> ${seen.identity} or l.target_position::numeric > ${seen.position}::numeric)
    order by g.seq for no key update of g`.execute(db);
  return rows;
}
