/** People and groups as providers tell of them. Each provider, known by its issuer, sees its own and no others. */
import { type RawBuilder, type Selectable, sql } from "kysely";
import { defined } from "../base/assert.ts";
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

/** Database time, as exact as it is told. */
const NOW = sql`date_trunc('milliseconds', clock_timestamp())`;

/** Null: somebody has its name or `externalId`, and nothing was written. */
export async function insertUser(tx: Tx, issuer: string, id: ScimUserId, said: SaidUser): Promise<ScimUser | null> {
  const { rows } = await sql<{ ms: number }>`
    insert into scim_users (id, issuer, external_id, user_name, active, said, version, created_at, changed_at)
    select ${id}, ${issuer}, ${said.externalId}, ${said.userName}, ${said.active}, ${json(said.said)}, 1, now, now
      from (select ${NOW} as now) as time
    on conflict do nothing returning created_at as ms`.execute(tx);
  const [made] = rows;
  return made === undefined ? null : { id, ...said, version: 1, createdMs: made.ms, changedMs: made.ms, groups: [] };
}

/** The next version. */
export async function updateUser(tx: Tx, { version, ...user }: ScimUser, said: SaidUser): Promise<ScimUser> {
  const { rows } = await sql<{ ms: number }>`
    update scim_users set user_name = ${said.userName}, active = ${said.active}, said = ${json(said.said)},
      version = ${version + 1}, changed_at = ${NOW}
    where id = ${user.id} returning changed_at as ms`.execute(tx);
  return { ...user, ...said, version: version + 1, changedMs: defined(rows[0], "the user that is held").ms };
}

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

/** Null: another group is called so, and nothing was written. */
export async function insertGroup(tx: Tx, issuer: string, id: ScimGroupId, said: SaidGroup): Promise<ScimGroup | null> {
  const { rows } = await sql<{ ms: number }>`
    insert into scim_groups (id, issuer, external_id, display_name, version, created_at, changed_at)
    select ${id}, ${issuer}, ${said.externalId}, ${said.displayName}, 1, now, now from (select ${NOW} as now) as time
    on conflict do nothing returning created_at as ms`.execute(tx);
  const [made] = rows;
  return made === undefined ? null : { id, ...said, version: 1, createdMs: made.ms, changedMs: made.ms };
}

/** Whether another group is called so. No other takes the name before the transaction ends. */
export async function isGroupName(tx: Tx, issuer: string, name: string, except: ScimGroupId): Promise<boolean> {
  await holdName(tx, `${issuer} group ${name}`);
  const { rows } = await sql`select from scim_groups
    where issuer = ${issuer} and lower(display_name) = lower(${name}) and id <> ${except}`.execute(tx);
  return rows.length > 0;
}

/** The next version. */
export async function updateGroup(tx: Tx, { version, ...group }: ScimGroup, said: SaidGroup): Promise<ScimGroup> {
  const { rows } = await sql<{ ms: number }>`
    update scim_groups set external_id = ${said.externalId}, display_name = ${said.displayName},
      version = ${version + 1}, changed_at = ${NOW}
    where id = ${group.id} returning changed_at as ms`.execute(tx);
  return { ...group, ...said, version: version + 1, changedMs: defined(rows[0], "the group that is held").ms };
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

/** Of these ids, those that name no user of the provider, and those of users who are in so many other groups. */
export async function whoCannotCome(
  tx: Tx,
  issuer: string,
  group: ScimGroupId,
  count: number,
  ids: ReadonlySet<string>,
): Promise<{ readonly strangers: string[]; readonly full: string[] }> {
  if (ids.size === 0) return { strangers: [], full: [] };
  // By the ids alone: a join with them reads every user.
  const { rows } = await sql<{ id: string; known: boolean }>`
    select id, false as known from unnest(${[...ids]}::text[]) as given (id)
     where id not in (select u.id from scim_users u where u.id = any(${[...ids]}::text[]) and u.issuer = ${issuer})
    union all
    select user_id, true from scim_members where user_id = any(${[...ids]}::text[]) and group_id <> ${group}
     group by user_id having count(*) >= ${count}`.execute(tx);
  const idsOf = (known: boolean): string[] => rows.filter((row) => row.known === known).map(({ id }) => id);
  return { strangers: idsOf(false), full: idsOf(true) };
}

/** Answers who is in it now and was not, and who is not in it any more. Nobody is in a new one. */
export async function changeMembers(
  tx: Tx,
  issuer: string,
  group: ScimGroupId,
  change: MemberChange,
  isNew: boolean,
): Promise<{ added: ScimUserId[]; removed: ScimUserId[] }> {
  const [wanted, leaving] =
    "only" in change
      ? [change.only, sql`user_id <> all(${[...change.only]}::text[])`]
      : [change.with, sql`user_id = any(${[...change.without]}::text[])`];
  const idle = isNew || ("only" in change ? false : change.without.size === 0);
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
          await sql<{ user_id: ScimUserId }>`
            with users as materialized (select id, issuer from scim_users where id = any(${[...wanted]}::text[]))
            insert into scim_members (group_id, user_id) select ${group}::text, id from users where issuer = ${issuer}
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
  // Step by step, each by an index: as one join the store reads every user of the provider.
  const { rows } = await sql<Selectable<Tables["principals"]> & { said: SaidGroup[] }>`
    with users as materialized (select id, external_id from scim_users where id = any(${[...ids]}::text[])),
    known as materialized (
      select principal_id, subject from principal_identities
       where issuer = ${scimIssuer(issuer)} and subject = any(array(select external_id from users))
    ),
    members as (
      select m.user_id, jsonb_agg(jsonb_build_object('displayName', g.display_name, 'externalId', g.external_id)) as said
        from scim_members m join scim_groups g on g.id = m.group_id where m.user_id = any(${[...ids]}::text[])
       group by m.user_id
    )
    select p.*, coalesce(members.said, '[]') as said
      from principals p join known on known.principal_id = p.id join users on users.external_id = known.subject
      left join members on members.user_id = users.id
     where p.id = any(array(select principal_id from known)) and p.active
     order by p.id for no key update of p`.execute(tx);
  return rows.map((row) => ({ principal: toPrincipal(row), groups: row.said }));
}

export async function setGroups(
  tx: Tx,
  people: readonly { readonly id: string; readonly groups: readonly string[]; readonly roles: readonly string[] }[],
): Promise<void> {
  await sql`update principals p set groups = x.groups, roles = x.roles
    from jsonb_to_recordset(${json(people)}::jsonb) as x (id text, groups jsonb, roles jsonb)
    where p.id = x.id and p.id = any(${people.map(({ id }) => id)}::text[])`.execute(tx);
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
