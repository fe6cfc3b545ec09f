/** People and groups as providers tell of them. Each provider, known by its issuer, sees its own and no others. */
import { type RawBuilder, type Selectable, sql } from "kysely";
import { toTimestamp } from "../base/clock.ts";
import type { ScimGroupId, ScimUserId } from "../base/ids.ts";
import type { Principal } from "../domain/principal.ts";
import type { Document } from "../domain/scim/document.ts";
import type { Member, MemberChange, SaidGroup, ScimGroup } from "../domain/scim/group.ts";
import type { SaidUser, ScimUser } from "../domain/scim/user.ts";
import { type Db, json, type Tables, type Tx } from "./db.ts";
import { toPrincipal } from "./principals.ts";

/** Under this issuer a person is known by their `externalId`; what OpenID Connect says of them is another name for them. */
export const scimIssuer = (issuer: string): string => `scim:${issuer}`;

export type Page = { readonly offset: number; readonly limit: number };
export type Found<T> = { readonly total: number; readonly items: readonly T[] };
type Condition = RawBuilder<boolean>;

type UserRow = Selectable<Tables["scim_users"]> & { groups: { value: string; display: string }[] };

const toUser = (row: UserRow): ScimUser => ({
  id: row.id as ScimUserId,
  userName: row.user_name,
  externalId: row.external_id,
  active: row.active,
  said: row.said as Document,
  version: row.version,
  createdMs: row.created_at,
  changedMs: row.changed_at,
  groups: row.groups,
});

const toGroup = (row: Selectable<Tables["scim_groups"]>): ScimGroup => ({
  id: row.id as ScimGroupId,
  displayName: row.display_name,
  externalId: row.external_id,
  version: row.version,
  createdMs: row.created_at,
  changedMs: row.changed_at,
});

const groupsOfUser = sql`coalesce((select jsonb_agg(jsonb_build_object('value', g.id, 'display', g.display_name) order by g.seq)
  from scim_members m join scim_groups g on g.id = m.group_id where m.user_id = u.id), '[]')`;

async function usersWhere(db: Db | Tx, issuer: string, condition: Condition, tail = sql``): Promise<ScimUser[]> {
  const { rows } = await sql<UserRow>`select u.*, ${groupsOfUser} as groups
    from scim_users u where u.issuer = ${issuer} and ${condition} ${tail}`.execute(db);
  return rows.map(toUser);
}

export async function findUser(db: Db | Tx, issuer: string, id: ScimUserId): Promise<ScimUser | null> {
  return (await usersWhere(db, issuer, sql`u.id = ${id}`))[0] ?? null;
}

/** Held until the transaction ends. */
export async function lockUser(tx: Tx, issuer: string, id: ScimUserId): Promise<ScimUser | null> {
  return (await usersWhere(tx, issuer, sql`u.id = ${id}`, sql`for update of u`))[0] ?? null;
}

/** Held until the transaction ends: who is leaving at this moment has left by then. */
export async function holdByExternalId(tx: Tx, issuer: string, externalId: string): Promise<ScimUser | null> {
  return (await usersWhere(tx, issuer, sql`u.external_id = ${externalId}`, sql`for no key update of u`))[0] ?? null;
}

export async function listUsers(db: Db, issuer: string, condition: Condition, page: Page): Promise<Found<ScimUser>> {
  const paged = sql`order by u.seq offset ${page.offset} limit ${page.limit}`;
  const items = page.limit === 0 ? [] : await usersWhere(db, issuer, condition, paged);
  return {
    items,
    total: await totalOf(db, sql`scim_users u`, sql`u.issuer = ${issuer} and ${condition}`, page, items),
  };
}

/** Any number, the same in every Tidegate: the first half of the advisory locks on names. */
const NAME_LOCK = 7_409_233;

/** Nobody else takes this name before the transaction ends. */
export async function holdName(tx: Tx, name: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(${NAME_LOCK}, hashtext(${name.toLowerCase()}))`.execute(tx);
}

/** What of it is somebody else's already. */
export async function takenOf(
  db: Db | Tx,
  issuer: string,
  { userName, externalId }: SaidUser,
  except: ScimUserId | null,
): Promise<"userName" | "externalId" | null> {
  const { rows } = await sql<{ external_id: string }>`select external_id from scim_users
    where issuer = ${issuer} and (external_id = ${externalId} or lower(user_name) = lower(${userName}))
      and id is distinct from ${except}`.execute(db);
  if (rows.length === 0) return null;
  return rows.some((row) => row.external_id === externalId) ? "externalId" : "userName";
}

/** False: somebody has its name or `externalId`, and nothing was written. */
export async function insertUser(tx: Tx, issuer: string, user: ScimUser): Promise<boolean> {
  const { numInsertedOrUpdatedRows = 0n } = await tx
    .insertInto("scim_users")
    .values({ id: user.id, issuer, created_at: toTimestamp(user.createdMs), ...userRow(user) })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows > 0n;
}

export async function updateUser(tx: Tx, user: ScimUser): Promise<void> {
  await tx.updateTable("scim_users").set(userRow(user)).where("id", "=", user.id).execute();
}

const userRow = (user: ScimUser) => ({
  external_id: user.externalId,
  user_name: user.userName,
  active: user.active,
  said: json(user.said),
  version: user.version,
  changed_at: toTimestamp(user.changedMs),
});

export async function deleteUser(tx: Tx, id: ScimUserId): Promise<void> {
  await sql`update scim_groups set version = version + 1, changed_at = clock_timestamp()
    where id in (select group_id from scim_members where user_id = ${id})`.execute(tx);
  await tx.deleteFrom("scim_users").where("id", "=", id).execute();
}

const group = (db: Db | Tx, issuer: string, id: ScimGroupId) =>
  db.selectFrom("scim_groups").selectAll().where("issuer", "=", issuer).where("id", "=", id);

export async function findGroup(db: Db | Tx, issuer: string, id: ScimGroupId): Promise<ScimGroup | null> {
  const row = await group(db, issuer, id).executeTakeFirst();
  return row === undefined ? null : toGroup(row);
}

/** Held until the transaction ends. */
export async function lockGroup(tx: Tx, issuer: string, id: ScimGroupId): Promise<ScimGroup | null> {
  const row = await group(tx, issuer, id).forUpdate().executeTakeFirst();
  return row === undefined ? null : toGroup(row);
}

export async function listGroups(db: Db, issuer: string, condition: Condition, page: Page): Promise<Found<ScimGroup>> {
  const where = sql<boolean>`g.issuer = ${issuer} and ${condition}`;
  const { rows } =
    page.limit === 0
      ? { rows: [] }
      : await sql<Selectable<Tables["scim_groups"]>>`select g.* from scim_groups g where ${where}
          order by g.seq offset ${page.offset} limit ${page.limit}`.execute(db);
  const items = rows.map(toGroup);
  return { items, total: await totalOf(db, sql`scim_groups g`, where, page, items) };
}

/** False: another group is called so, and nothing was written. */
export async function putGroup(tx: Tx, issuer: string, group: ScimGroup): Promise<boolean> {
  await holdName(tx, `${issuer} group ${group.displayName}`);
  const { rows: others } = await sql`select from scim_groups
    where issuer = ${issuer} and lower(display_name) = lower(${group.displayName}) and id <> ${group.id}`.execute(tx);
  if (others.length > 0) return false;
  const row = {
    external_id: group.externalId,
    display_name: group.displayName,
    version: group.version,
    changed_at: toTimestamp(group.changedMs),
  };
  await tx
    .insertInto("scim_groups")
    .values({ id: group.id, issuer, created_at: toTimestamp(group.createdMs), ...row })
    .onConflict((conflict) => conflict.column("id").doUpdateSet(row))
    .execute();
  return true;
}

export async function deleteGroup(tx: Tx, id: ScimGroupId): Promise<void> {
  await tx.deleteFrom("scim_groups").where("id", "=", id).execute();
}

/** Where a page is not full it ends the list, and nothing has to be counted. */
async function totalOf(
  db: Db,
  from: RawBuilder<unknown>,
  where: Condition,
  { offset, limit }: Page,
  items: readonly unknown[],
): Promise<number> {
  if (items.length < limit && (items.length > 0 || offset === 0)) return offset + items.length;
  const { rows } = await sql<{ total: number }>`select count(*) as total from ${from} where ${where}`.execute(db);
  return rows[0]?.total ?? 0;
}

/** Those who are in it, by group. */
export async function membersOf(db: Db | Tx, groups: readonly ScimGroupId[]): Promise<Map<ScimGroupId, Member[]>> {
  const found = new Map<ScimGroupId, Member[]>(groups.map((id) => [id, []]));
  if (groups.length === 0) return found;
  const { rows } = await sql<Member & { group_id: ScimGroupId }>`
    select m.group_id, u.id as value, u.user_name as display
      from scim_members m join scim_users u on u.id = m.user_id where m.group_id = any(${[...groups]}::text[])
      order by u.seq`.execute(db);
  for (const { group_id, value, display } of rows) found.get(group_id)?.push({ value, display });
  return found;
}

/** Of these ids, those that name no user of the provider. */
export async function unknownUsers(tx: Tx, issuer: string, ids: ReadonlySet<string>): Promise<string[]> {
  if (ids.size === 0) return [];
  const { rows } = await sql<{ id: string }>`select id from unnest(${[...ids]}::text[]) as given (id)
    where not exists (select from scim_users u where u.id = given.id and u.issuer = ${issuer})`.execute(tx);
  return rows.map(({ id }) => id);
}

/** Somebody of these who is in so many other groups; null where nobody is. */
export async function inAsManyAs(
  tx: Tx,
  group: ScimGroupId,
  count: number,
  ids: ReadonlySet<string>,
): Promise<string | null> {
  if (ids.size === 0) return null;
  const { rows } = await sql<{ user_id: string }>`select user_id from scim_members
    where user_id = any(${[...ids]}::text[]) and group_id <> ${group}
    group by user_id having count(*) >= ${count} limit 1`.execute(tx);
  return rows[0]?.user_id ?? null;
}

/** Answers who is in it now and was not, and who is not in it any more. */
export async function changeMembers(
  tx: Tx,
  issuer: string,
  group: ScimGroupId,
  change: MemberChange,
): Promise<{ added: ScimUserId[]; removed: ScimUserId[] }> {
  const [wanted, leaving] =
    "only" in change
      ? [change.only, sql`user_id <> all(${[...change.only]}::text[])`]
      : [change.with, sql`user_id = any(${[...change.without]}::text[])`];
  const idle = "only" in change ? false : change.without.size === 0;
  const gone = idle
    ? []
    : (
        await sql<{ user_id: ScimUserId }>`delete from scim_members
          where group_id = ${group} and ${leaving} returning user_id`.execute(tx)
      ).rows;
  const come =
    wanted.size === 0
      ? []
      : (
          await sql<{ user_id: ScimUserId }>`insert into scim_members (group_id, user_id)
            select ${group}::text, id from scim_users where issuer = ${issuer} and id = any(${[...wanted]}::text[])
            on conflict do nothing returning user_id`.execute(tx)
        ).rows;
  return { added: come.map(({ user_id }) => user_id), removed: gone.map(({ user_id }) => user_id) };
}

/** Groups of one user, as the provider calls them. */
export async function groupsOf(tx: Tx, id: ScimUserId): Promise<SaidGroup[]> {
  const { rows } = await sql<{ displayName: string; externalId: string | null }>`
    select g.display_name as "displayName", g.external_id as "externalId"
      from scim_members m join scim_groups g on g.id = m.group_id where m.user_id = ${id}`.execute(tx);
  return rows;
}

/** The active people behind these users, held, each with the groups that the provider says they are in. */
export async function peopleInGroups(
  tx: Tx,
  issuer: string,
  ids: readonly ScimUserId[],
): Promise<{ principal: Principal; groups: SaidGroup[] }[]> {
  const { rows } = await sql<Selectable<Tables["principals"]> & { said: SaidGroup[] }>`
    select p.*, coalesce((
        select jsonb_agg(jsonb_build_object('displayName', g.display_name, 'externalId', g.external_id))
          from scim_members m join scim_groups g on g.id = m.group_id where m.user_id = u.id), '[]') as said
      from scim_users u
      join principal_identities i on i.issuer = ${scimIssuer(issuer)} and i.subject = u.external_id
      join principals p on p.id = i.principal_id
     where u.id = any(${[...ids]}::text[]) and p.active
     order by p.id for no key update of p`.execute(tx);
  return rows.map((row) => ({ principal: toPrincipal(row), groups: row.said }));
}

export async function setGroups(
  tx: Tx,
  people: readonly { readonly id: string; readonly groups: readonly string[]; readonly roles: readonly string[] }[],
): Promise<void> {
  await sql`update principals p set groups = x.groups, roles = x.roles
    from jsonb_to_recordset(${json(people)}::jsonb) as x (id text, groups jsonb, roles jsonb) where p.id = x.id`.execute(
    tx,
  );
}

/** The handle of an active person whom SCIM names by its id or by their `externalId`. */
export async function handleInScim(tx: Tx, issuer: string, named: string): Promise<string | null> {
  const { rows } = await sql<{ handle: string }>`
    select p.handle from scim_users u
      join principal_identities i on i.issuer = ${scimIssuer(issuer)} and i.subject = u.external_id
      join principals p on p.id = i.principal_id
     where u.issuer = ${issuer} and (u.id = ${named} or u.external_id = ${named}) and p.active limit 1`.execute(tx);
  return rows[0]?.handle ?? null;
}

/** The hash of the names that everybody's groups go by; null before the first. */
export async function groupNamesOf(db: Db | Tx, issuer: string): Promise<string | null> {
  const row = await db.selectFrom("scim_group_names").select("hash").where("issuer", "=", issuer).executeTakeFirst();
  return row?.hash ?? null;
}

export async function putGroupNames(tx: Tx, issuer: string, hash: string): Promise<void> {
  await tx
    .insertInto("scim_group_names")
    .values({ issuer, hash })
    .onConflict((conflict) => conflict.column("issuer").doUpdateSet({ hash }))
    .execute();
}

export async function usersOf(tx: Tx, issuer: string): Promise<ScimUserId[]> {
  const rows = await tx
    .selectFrom("scim_users")
    .select("id")
    .where("issuer", "=", issuer)
    .where("active", "=", true)
    .execute();
  return rows.map(({ id }) => id as ScimUserId);
}
