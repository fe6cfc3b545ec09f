/**
 * Finds and claims what is due. Everything here costs by what is due and by how many resources there are, never by how
 * many grants are active: the conditions are those of the indexes in migration 0008, word for word.
 *
 * `statement_timestamp()` is database time that an index can be searched by; `clock_timestamp()` changes while the
 * statement runs, so that every row would have to be looked at. Whether something has expired is decided again, under the
 * lock, by whoever claimed it.
 */
import { type RawBuilder, type Selectable, sql } from "kysely";
import type { GrantId, PrincipalId } from "../base/ids.ts";
import type { Grant } from "../domain/grant.ts";
import type { Urgency } from "../domain/plan.ts";
import { at, type Db, type Tables, type Tx } from "./db.ts";
import { type Claim, toGrant } from "./grants.ts";

type Row = Selectable<Tables["grants"]>;

/** `urgencyOf` in SQL; 0 before 1 before 2. */
const URGENCY = sql<Urgency>`(case when state = 'active' or (state = 'revoking' and not access_gone) then 0 when state in ('scheduled', 'provisioning') then 1 else 2 end)`;
const URGENCIES = sql`(values (0), (1), (2)) as c (urgency)`;
/** Nobody works on it, or whoever did has not said so for a claim's lifetime. */
const FREE: RawBuilder<boolean> = sql`(claim_until is null or claim_until < clock_timestamp())`;

/**
 * A limit as a number and not as a parameter: of a parameter the planner assumes a tenth of all rows, and then plans anew at
 * every call, since a plan for any limit looks so much dearer.
 */
const few = (limit: number): RawBuilder<unknown> => sql.lit(Math.trunc(limit));

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
export type ClaimedGrant = {
  readonly claim: Claim;
  readonly resource: string;
  readonly urgency: Urgency;
  /** As it was when it was claimed, with database time; null where the row cannot be read. */
  readonly seen: GrantSeen | null;
};
export type GrantSeen = { readonly grant: Grant; readonly nowMs: number };

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
  const { rows } = await sql<Row & { claimed_urgency: Urgency; read_at: number }>`
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
    returning grants.*, due.urgency as claimed_urgency, clock_timestamp() as read_at`.execute(db);
  return rows.map((row) => ({
    claim: { grant: row.id as GrantId, owner, fence: row.fence },
    resource: row.resource,
    urgency: row.claimed_urgency,
    seen: readable(row, row.read_at),
  }));
}

/** A row that cannot be read is told by whoever works on it, and keeps none of the others waiting. */
function readable(row: Row, nowMs: number): GrantSeen | null {
  try {
    return { grant: toGrant(row), nowMs };
  } catch {
    return null;
  }
}

/**
 * Active grants past their end that nobody works on, those that ended first first; held until the transaction ends, with
 * database time read after the locks. Rows that cannot be read are left out.
 */
export async function lockEnded(tx: Tx, limit: number): Promise<GrantSeen[]> {
  const { rows } = await sql<Row & { locked_at: number }>`
    with locked as materialized (
      select * from grants where state = 'active' and expires_at <= statement_timestamp() and ${FREE}
      order by expires_at limit ${few(limit)} for no key update skip locked
    )
    select locked.*, clock_timestamp() as locked_at from locked`.execute(tx);
  return rows.flatMap((row) => readable(row, row.locked_at) ?? []);
}

/**
 * Those that wait for a silent target to be tried again are due now; at most so many. Answers how many there were. Only
 * what is due because of the trouble itself: whatever else a grant waits for goes on.
 */
export async function hasten(db: Db, resource: string, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    update grants set due_at = statement_timestamp(),
      trouble = trouble || jsonb_build_object('retryMs', floor(extract(epoch from statement_timestamp()) * 1000))
    where id in (
      select id from grants
      where trouble is not null and resource = ${resource} and due_at > statement_timestamp()
        and trouble -> 'lastError' ->> 'code' in ('unreachable', 'cannot-sign-in')
        and abs(extract(epoch from due_at) * 1000 - (trouble ->> 'retryMs')::float8) < 2
      order by due_at limit ${limit} for no key update skip locked
    )`.execute(db);
  return Number(numAffectedRows ?? 0n);
}

/** As many as a process works on at once: what is under way stands first in the order of what is due. */
const UNDER_WAY = 64;

/**
 * Milliseconds until the next grant is due that nobody works on, or a claim runs out: zero or less when one is due now, null
 * when none ever will be. Of more than so many claims it knows nothing; whoever asks looks again by itself anyway.
 */
export async function msUntilDue(db: Db): Promise<number | null> {
  const { rows } = await sql<{ ms: number | null }>`
    select extract(epoch from min(at) - clock_timestamp())::float8 * 1000 as ms from (
      (select due_at as at from grants where due_at is not null and ${FREE} order by due_at limit 1)
      union all
      select greatest(due_at, claim_until)
      from (select due_at, claim_until from grants where due_at is not null order by due_at limit ${few(UNDER_WAY)}) as first
      where claim_until is not null
    ) as next`.execute(db);
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
