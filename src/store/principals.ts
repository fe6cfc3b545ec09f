import { type RawBuilder, type Selectable, sql } from "kysely";
import { defined } from "../base/assert.ts";
import { toTimestamp } from "../base/clock.ts";
import type { PrincipalId } from "../base/ids.ts";
import type { Sought } from "../domain/candidates.ts";
import type { Principal, Role } from "../domain/principal.ts";
import { type Db, json, type Tables, type Tx } from "./db.ts";

export function toPrincipal(row: Selectable<Tables["principals"]>): Principal {
  return {
    id: row.id as PrincipalId,
    kind: row.kind as Principal["kind"],
    handle: row.handle,
    name: row.name,
    email: row.email,
    type: row.type,
    groups: row.groups,
    roles: row.roles as Role[],
    onCallTier: row.oncall_tier,
    active: row.active,
    ...(row.manager === null ? {} : { manager: row.manager }),
    ...(row.has_left ? { left: true as const } : {}),
  };
}

/** Writes the principal as it is now; `nowMs` becomes the time of creation or of deactivation where that is new. */
export async function putPrincipal(tx: Tx, principal: Principal, nowMs: number): Promise<void> {
  const row = {
    kind: principal.kind,
    handle: principal.handle,
    name: principal.name,
    email: principal.email,
    type: principal.type,
    groups: json(principal.groups),
    roles: json(principal.roles),
    oncall_tier: principal.onCallTier,
    active: principal.active,
    manager: principal.manager ?? null,
    has_left: principal.left === true,
    deactivated_at: principal.active ? null : toTimestamp(nowMs),
  };
  await tx
    .insertInto("principals")
    .values({ id: principal.id, created_at: toTimestamp(nowMs), ...row })
    .onConflict((conflict) => conflict.column("id").doUpdateSet(row))
    .execute();
}

/** Whom one of these issuers would mean by this subject; a new person is known to the first of them. */
export type NewIdentity = { readonly issuers: readonly string[]; readonly subject: string };

/** Whether somebody is known by it. */
export const isKnown = ({ issuers, subject }: NewIdentity) =>
  sql<boolean>`exists (select from principal_identities where issuer = any(${[...issuers]}::text[]) and subject = ${subject})`;

/** Parts of a statement that adds a person with their identity on a condition. `added` is empty where somebody active is called so. */
export const addingPrincipal = (
  principal: Principal,
  { issuers, subject }: NewIdentity,
  nowMs: number,
  when: RawBuilder<boolean>,
) => sql`
  added as (
    insert into principals (id, kind, handle, name, email, type, groups, roles, oncall_tier, active, manager, created_at)
    select ${principal.id}, ${principal.kind}, ${principal.handle}, ${principal.name}, ${principal.email}, ${principal.type},
      ${json(principal.groups)}, ${json(principal.roles)}, ${principal.onCallTier}, true, ${principal.manager ?? null},
      ${toTimestamp(nowMs)}
    where ${when}
    on conflict (handle) where active do nothing
    returning id, created_at
  ), linked as (
    insert into principal_identities (issuer, subject, principal_id, linked_at)
    select ${issuers[0]}, ${subject}, id, created_at from added
  )`;

/** Somebody new with their identity. `known` or `taken`: somebody has the identity, or is called so, and nothing was written. */
export async function addPrincipal(
  tx: Tx,
  principal: Principal,
  identity: NewIdentity,
  nowMs: number,
): Promise<"added" | "known" | "taken"> {
  const { rows } = await sql<{ done: "added" | "known" | "taken" }>`
    with known as materialized (select ${isKnown(identity)} as by),
    ${addingPrincipal(principal, identity, nowMs, sql`not (select by from known)`)}
    select case when by then 'known' when exists (select from added) then 'added' else 'taken' end as done
      from known`.execute(tx);
  return defined(rows[0], "what became of it").done;
}

export async function linkIdentity(
  tx: Tx,
  issuer: string,
  subject: string,
  id: PrincipalId,
  nowMs: number,
): Promise<void> {
  await tx
    .insertInto("principal_identities")
    .values({ issuer, subject, principal_id: id, linked_at: toTimestamp(nowMs) })
    .execute();
}

/** From now on this subject is that person, whoever it was before. */
export async function moveIdentity(
  tx: Tx,
  issuer: string,
  subject: string,
  id: PrincipalId,
  nowMs: number,
): Promise<void> {
  const row = { principal_id: id, linked_at: toTimestamp(nowMs) };
  await tx
    .insertInto("principal_identities")
    .values({ issuer, subject, ...row })
    .onConflict((conflict) => conflict.columns(["issuer", "subject"]).doUpdateSet(row))
    .execute();
}

/** Everybody whom this issuer knows, by subject. */
export async function principalsOfIssuer(db: Db | Tx, issuer: string): Promise<Map<string, Principal>> {
  const rows = await db
    .selectFrom("principal_identities as i")
    .innerJoin("principals as p", "p.id", "i.principal_id")
    .selectAll("p")
    .select("i.subject")
    .where("i.issuer", "=", issuer)
    .execute();
  return new Map(rows.map((row) => [row.subject, toPrincipal(row)]));
}

export async function findPrincipal(db: Db | Tx, id: PrincipalId): Promise<Principal | null> {
  const row = await db.selectFrom("principals").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : toPrincipal(row);
}

/**
 * The principal, held until the transaction ends: who is being deactivated gets no new grant meanwhile. Not FOR UPDATE:
 * that waits for every row that was just written with a reference to this one, and two calls of one person would meet.
 */
export async function lockPrincipal(tx: Tx, id: PrincipalId): Promise<Principal | null> {
  const row = await tx.selectFrom("principals").selectAll().where("id", "=", id).forNoKeyUpdate().executeTakeFirst();
  return row === undefined ? null : toPrincipal(row);
}

export async function findByHandle(db: Db | Tx, handle: string): Promise<Principal | null> {
  const row = await db
    .selectFrom("principals")
    .selectAll()
    .where("handle", "=", handle)
    .where("active", "=", true)
    .executeTakeFirst();
  return row === undefined ? null : toPrincipal(row);
}

/** Everybody who is active, with their absence where they are away by database time. */
export async function activePrincipals(db: Db | Tx): Promise<Principal[]> {
  const rows = await withAbsences(db).where("p.active", "=", true).orderBy("p.handle").execute();
  return rows.map(toPresent);
}

/**
 * Of everybody who is active those who are sought, and who decides in the place of one of them, by indexes. An absence that
 * has ended leads to some more: whether it has is asked once, of the rows that are answered. Groups are looked up one by one:
 * for `?|` with many of them, or for a join with who was found, the store reads everybody.
 */
export async function candidatesFor(db: Db | Tx, { sources, roles, ids }: Sought): Promise<Principal[]> {
  if (sources.length + roles.length + ids.length === 0) return [];
  const named = (kind: string): string[] =>
    sources.filter((source) => source.startsWith(kind)).map((source) => source.slice(kind.length));
  const sought = sql<string[]>`array(
    with sought as (
      select id from principals where active and handle = any(${named("user:")}::text[])
      union select id from unnest(${named("group:")}::text[]) as wanted join principals on active and groups ? wanted
      union select id from unnest(${[...roles]}::text[]) as wanted join principals on active and roles ? wanted
      union select id from principals where id = any(${[...ids]}::text[])
      union select principal_id from absences where delegate_id = any(${[...ids]}::text[])
    )
    select id from sought
    union select a.delegate_id from absences a join sought on sought.id = a.principal_id where a.delegate_id is not null
  )`;
  const rows = await withAbsences(db)
    .where("p.active", "=", true)
    .where("p.id", "=", sql<string>`any(${sought})`)
    .orderBy("p.handle")
    .execute();
  return rows.map(toPresent);
}

/** Who is away now and has named this person to decide in their place. */
export async function whoNamed(db: Db | Tx, delegate: PrincipalId): Promise<Principal[]> {
  const rows = await withAbsences(db).where("p.active", "=", true).where("a.delegate_id", "=", delegate).execute();
  return rows.map(toPresent);
}

const withAbsences = (db: Db | Tx) =>
  db
    .selectFrom("principals as p")
    .leftJoin("absences as a", (join) =>
      join.onRef("a.principal_id", "=", "p.id").on("a.until", ">", sql<number>`clock_timestamp()`),
    )
    .selectAll("p")
    .select(["a.until as away_until", "a.delegate_id", "a.set_by"]);

type WithAbsence = Selectable<Tables["principals"]> & {
  away_until: number | null;
  delegate_id: string | null;
  set_by: string | null;
};

function toPresent(row: WithAbsence): Principal {
  const principal = toPrincipal(row);
  if (row.away_until === null) return principal;
  const [delegateId, setBy] = [row.delegate_id as PrincipalId | null, row.set_by as PrincipalId];
  return { ...principal, away: { untilMs: row.away_until, delegateId, setBy } };
}

/** People by id, also those who have left. */
export async function principalsById(db: Db | Tx, ids: readonly PrincipalId[]): Promise<Map<PrincipalId, Principal>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom("principals")
    .selectAll()
    .where("id", "in", [...new Set(ids)])
    .execute();
  return new Map(rows.map((row) => [row.id as PrincipalId, toPrincipal(row)]));
}

/** Handles by id, also of people who have left; for showing. */
export async function handlesOf(db: Db | Tx, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom("principals")
    .select(["id", "handle"])
    .where("id", "in", [...new Set(ids)])
    .execute();
  return new Map(rows.map((row) => [row.id, row.handle]));
}

/** How people are reached, by id. */
export type Contact = Pick<Principal, "id" | "handle" | "name" | "email">;
export async function contactsOf(db: Db | Tx, ids: readonly PrincipalId[]): Promise<Map<PrincipalId, Contact>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom("principals")
    .select(["id", "handle", "name", "email"])
    .where("id", "in", [...new Set(ids)])
    .execute();
  return new Map(rows.map((row) => [row.id as PrincipalId, { ...row, id: row.id as PrincipalId }]));
}

/** Whom this issuer knows by this subject, also when they have left. */
export async function principalByIdentity(db: Db | Tx, issuer: string, subject: string): Promise<Principal | null> {
  const row = await db
    .selectFrom("principal_identities as i")
    .innerJoin("principals as p", "p.id", "i.principal_id")
    .selectAll("p")
    .where("i.issuer", "=", issuer)
    .where("i.subject", "=", subject)
    .executeTakeFirst();
  return row === undefined ? null : toPrincipal(row);
}

/** Whom the first of these issuers that knows this subject means by it, and which that is. */
export async function principalByFirst(
  db: Db | Tx,
  issuers: readonly string[],
  subject: string,
): Promise<{ readonly principal: Principal; readonly issuer: string } | null> {
  const { rows } = await sql<
    Selectable<Tables["principals"]> & { issuer: string }
  >`select p.*, i.issuer from principal_identities i
    join principals p on p.id = i.principal_id where i.issuer = any(${[...issuers]}::text[]) and i.subject = ${subject}
    order by array_position(${[...issuers]}::text[], i.issuer) limit 1`.execute(db);
  const [row] = rows;
  return row === undefined ? null : { principal: toPrincipal(row), issuer: row.issuer };
}
