/**
 * Finds and claims what is due. Everything here costs by what is due and by how many resources there are, never by how
 * many grants are active: the conditions are those of the indexes in migration 0008, word for word.
 *
 * `statement_timestamp()` is database time that an index can be searched by; `clock_timestamp()` changes while the
 * statement runs, so that every row would have to be looked at. Whether something has expired is decided again, under the
 * lock, by whoever claimed it.
 */
import { type RawBuilder, sql } from "kysely";
import type { GrantId, PrincipalId } from "../base/ids.ts";
import type { Grant } from "../domain/grant.ts";
import type { Urgency } from "../domain/plan.ts";
import { at, type Db, type Tx } from "./db.ts";
import { type Claim, toGrant } from "./grants.ts";

/** `urgencyOf` in SQL; 0 before 1 before 2. */
const URGENCY = sql<Urgency>`(case when state = 'active' or (state = 'revoking' and not access_gone) then 0 when state in ('scheduled', 'provisioning') then 1 else 2 end)`;
const URGENCIES = sql`(values (0), (1), (2)) as c (urgency)`;
/** Nobody works on it, or whoever did has not said so for a claim's lifetime. */
const FREE: RawBuilder<boolean> = sql`(claim_until is null or claim_until < clock_timestamp())`;

/** Every resource that has something due that nobody works on, with the most urgent kind of it. */
export async function dueResources(db: Db): Promise<{ resource: string; urgency: Urgency }[]> {
  // From one name to the next through the index, past all rows between.
  const { rows } = await sql<{ resource: string; urgency: Urgency }>`
    with recursive named (resource) as (
      (select resource from grants where due_at is not null order by resource limit 1)
      union all
      select (select g.resource from grants g where g.due_at is not null and g.resource > named.resource order by g.resource limit 1)
      from named where named.resource is not null
    )
    select named.resource, first.urgency
    from named cross join lateral (
      select c.urgency from ${URGENCIES} where exists (
        select from grants
        where grants.resource = named.resource and ${URGENCY} = c.urgency and due_at <= statement_timestamp() and ${FREE})
      order by c.urgency limit 1
    ) first
    where named.resource is not null`.execute(db);
  return rows;
}

export type Wanted = { readonly resource: string; readonly places: number };
export type ClaimedGrant = { readonly claim: Claim; readonly resource: string; readonly urgency: Urgency };

/**
 * Claims at most so many grants of each of these resources: what takes access away before what gives it, and of each kind
 * what is due longest. In one statement, however many resources there are.
 */
export async function claimDue(
  db: Db,
  wanted: readonly Wanted[],
  owner: string,
  lifetimeMs: number,
): Promise<ClaimedGrant[]> {
  if (wanted.length === 0) return [];
  // The kinds are gone through one after the other, and no further once the places are filled: what is locked is claimed.
  const { rows } = await sql<{ id: GrantId; fence: number; resource: string; urgency: Urgency }>`
    with wanted as materialized (
      select * from unnest(${wanted.map((w) => w.resource)}::text[], ${wanted.map((w) => w.places)}::int[]) as w (resource, places)
    ), due as materialized (
      select next.id, next.urgency from wanted cross join lateral (
        select g.id, c.urgency from ${URGENCIES} cross join lateral (
          select id from grants
          where grants.resource = wanted.resource and ${URGENCY} = c.urgency and due_at <= statement_timestamp() and ${FREE}
          order by due_at limit wanted.places
          for update skip locked
        ) g limit wanted.places
      ) next
    )
    update grants set claim_owner = ${owner}, claim_until = clock_timestamp() + ${lifetimeMs} * interval '1 millisecond', fence = nextval('fences')
    from due where grants.id = due.id
    returning grants.id, grants.fence, grants.resource, due.urgency`.execute(db);
  return rows.map(({ id, fence, resource, urgency }) => ({ claim: { grant: id, owner, fence }, resource, urgency }));
}

/** More than all replicas work on at once: what is under way stands first in the order of what is due. */
const LOOKED_AT = 512;

/**
 * Milliseconds until the next grant is due, or its claim runs out: zero or less when one is due now, null when none ever
 * will be. Of more than so many under way it knows nothing and answers when those are due; whoever asks looks again anyway.
 */
export async function msUntilDue(db: Db): Promise<number | null> {
  const { rows } = await sql<{ ms: number | null }>`
    select extract(epoch from min(greatest(due_at, claim_until)) - clock_timestamp())::float8 * 1000 as ms
    from (select due_at, claim_until from grants where due_at is not null order by due_at limit ${LOOKED_AT}) as first`.execute(
    db,
  );
  return rows[0]?.ms ?? null;
}

/** Frees the claims of processes that cannot be alive: at the start of the only process of an embedded store. */
export async function releaseAllClaims(db: Db): Promise<void> {
  // What was claimed was due. What was put off since then becomes free by itself, long before it is due again.
  await sql`
    update grants set claim_until = null, claim_owner = null
    where due_at <= statement_timestamp() and claim_until is not null`.execute(db);
  await db.deleteFrom("right_claims").execute();
  await db
    .updateTable("drift_sweeps")
    .set({ claim_until: null, claim_owner: null, due_at: sql<string>`clock_timestamp()` })
    .where("claim_until", "is not", null)
    .execute();
}

/** Grants on a resource that are due to be made within now: a revocation of a shared right lets them go first. */
export async function dueToStart(
  db: Db | Tx,
  resource: string,
  principal: PrincipalId,
  nowMs: number,
): Promise<Grant[]> {
  const rows = await db
    .selectFrom("grants")
    .selectAll()
    .where("resource", "=", resource)
    .where("principal_id", "=", principal)
    .where(URGENCY, "=", 1)
    .where("due_at", "<=", at(nowMs))
    .execute();
  return rows.map(toGrant);
}
