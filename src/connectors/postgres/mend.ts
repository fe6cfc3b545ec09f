/**
 * Making what a live grant holds equal to its order again, without a new secret and without ending a session. What is more
 * than the order is taken; what is less is given back only when asked. One transaction for the roles; what hangs on other
 * databases goes first.
 */
import { z } from "zod";
import { failpoint } from "../../base/failpoint.ts";
import { type Order, TargetError } from "../../connector/connector.ts";
import { emptyHere } from "./clean-up.ts";
import type { Client } from "./client.ts";
import { findLogin } from "./find-login.ts";
import { ensureGroup, lockGroup, trimGroup } from "./group-role.ts";
import { ensureMembership, extendLogin } from "./login-role.ts";
import { markedRoles, membershipsOf, type SeenRole, tracesOf } from "./marked-roles.ts";
import { revokeMembership } from "./membership.ts";
import { groupMark, loginMark, type Names, recordedNames } from "./names.ts";
import { compare, linesOf, type Privilege, resolveScope } from "./privileges.ts";
import { identifier, literal } from "./quote.ts";
import { findMarked, findRole, joinRole, lockPrivileges, type Role } from "./roles.ts";
import { CONNECTIONS_DEFAULT, isManaged, type PostgresScope } from "./scope.ts";
import type { Session } from "./session.ts";

type Options = { readonly remainingMs: number; readonly give: boolean };

export async function mend(session: Session, order: Order<PostgresScope>, options: Options): Promise<void> {
  const { scope } = order;
  const names = recordedNames(order);
  const client = await session.inDatabase(scope.database);
  const wanted = isManaged(scope) ? await resolveScope(client, scope) : [];
  const before = isManaged(scope) ? await findGroup(client, order, names) : null;
  // Read before anything is taken away elsewhere: that takes what the group has on databases, too, for a moment.
  const keeps = before === null || options.give ? wanted : await heldOf(client, before, wanted);
  if (before !== null) await emptyElsewhere(session, before, names, scope.database);
  await failpoint("postgres.mend.after-elsewhere");
  await client.transaction(async () => {
    await lockGroup(client, names.group);
    const group = await mendGroup(session, client, order, names, { wanted, keeps, give: options.give });
    const login = await findLogin(client, order, names);
    if (login === null)
      throw new TargetError(
        "conflict",
        `role ${names.role} is not there any more; only a new secret brings it back (rotate)`,
      );
    await mendLogin(session, client, order, login, group, options);
    await failpoint("postgres.mend.before-commit");
  });
}

const findGroup = (client: Client, order: Order<PostgresScope>, { group }: Names): Promise<Role | null> =>
  findMarked(client, group, groupMark(order.installation, order.scopeHash));

async function heldOf(client: Client, group: Role, wanted: readonly Privilege[]): Promise<Privilege[]> {
  const { missing } = compare(wanted, await linesOf(client, group.oid));
  return wanted.filter((privilege) => !missing.includes(privilege));
}

/** A group has rights in the database of its scope and owns nothing; what it owns all the same goes to the graveyard. */
async function emptyElsewhere(session: Session, group: Role, names: Names, home: string): Promise<void> {
  for (const { database } of await tracesOf(session.main, [group.oid])) {
    if (database === null || database === home) continue;
    const there = await session.inDatabase(database);
    await there.transaction(() => emptyHere(session, there, group, names));
  }
}

async function mendGroup(
  session: Session,
  client: Client,
  order: Order<PostgresScope>,
  names: Names,
  rights: { wanted: readonly Privilege[]; keeps: readonly Privilege[]; give: boolean },
): Promise<Role | null> {
  if (!isManaged(order.scope)) return findRole(client, order.scope.role);
  const group = rights.give
    ? await ensureGroup(session, client, order, names.group, rights.wanted)
    : await findGroup(client, order, names);
  if (group === null) return null;
  if (!rights.give) await trimGroup(session, client, group, rights.keeps);
  const [seen] = await markedRoles(client, order.installation, [group.oid]).then((all) =>
    all.filter(({ oid }) => oid === group.oid),
  );
  if (seen !== undefined) await dropPowers(client, seen, seen.login ? ["NOLOGIN"] : []);
  for (const { groupName } of (await membershipsOf(client, [group.oid])).filter(({ member }) => member === group.oid))
    await revokeMembership(session, client, groupName, group.name);
  return group;
}

async function mendLogin(
  session: Session,
  client: Client,
  order: Order<PostgresScope>,
  login: Role,
  group: Role | null,
  { remainingMs, give }: Options,
): Promise<void> {
  const seen = (await markedRoles(client, order.installation, [login.oid])).find(({ oid }) => oid === login.oid);
  if (seen === undefined) return;
  const name = identifier(login.name);
  if (seen.mark === "" && give)
    await client.run(`comment on role ${name} is ${literal(loginMark(order.installation, order.grant))}`);
  const most = order.scope.connection_limit ?? CONNECTIONS_DEFAULT;
  const limit = seen.connections < 0 || seen.connections > most ? [`CONNECTION LIMIT ${most}`] : [];
  await dropPowers(client, seen, [...limit, ...(give && !seen.login ? ["LOGIN"] : [])]);
  await takeOwnPrivileges(session, client, login);
  const into = (await membershipsOf(client, [login.oid])).filter(({ member }) => member === login.oid);
  const stray = into.filter(({ groupName, admin, set }) => groupName !== group?.name || admin || set === true);
  for (const { groupName } of stray) await revokeMembership(session, client, groupName, login.name);
  const was = into.some(({ groupName }) => groupName === group?.name);
  if (group !== null && (give || was)) await ensureMembership(session, client, login, group);
  if (give || seen.remainingMs === null || seen.remainingMs > remainingMs)
    await extendLogin(client, login, remainingMs);
}

/** A superuser's powers only a superuser takes away; who may not is told so by the server. */
async function dropPowers(client: Client, role: SeenRole, more: readonly string[]): Promise<void> {
  const wants = [...role.powers.map((power) => `NO${power}`), ...more];
  if (wants.length > 0) await client.run(`alter role ${identifier(role.name)} with ${wants.join(" ")}`);
}

const aclShape = z.object({ kind: z.string(), object: z.string() });

/** Rights hang on the group, never on the login. DROP OWNED would take what the person made as well, so one by one. */
async function takeOwnPrivileges(session: Session, home: Client, login: Role): Promise<void> {
  const traces = (await tracesOf(session.main, [login.oid])).filter(({ has }) => has);
  if (traces.length === 0) return;
  const databases = new Set(traces.map(({ database }) => database ?? home.database));
  for (const database of databases) {
    const elsewhere = database !== home.database;
    const client = elsewhere ? await session.inDatabase(database) : home;
    const take = async (): Promise<void> => {
      await lockPrivileges(client);
      await joinRole(session, client, login);
      for (const { kind, object } of await ownPrivileges(client, login.oid))
        await client.run(`revoke all on ${kind} ${object} from ${identifier(login.name)} cascade`);
    };
    await (elsewhere ? client.transaction(take) : take());
  }
}

/** What it has on things that GRANT knows by a word; on anything else the sweep goes on telling. */
const ownPrivileges = (client: Client, roleOid: number): Promise<z.infer<typeof aclShape>[]> =>
  client.rows(
    aclShape,
    `select distinct k.kind, case k.kind when 'database' then quote_ident(b.datname) when 'schema' then quote_ident(n.nspname)
              when 'routine' then d.objid::regprocedure::text else d.objid::regclass::text end as object
       from pg_shdepend d
       left join pg_database b on d.classid = 'pg_database'::regclass and b.oid = d.objid
       left join pg_namespace n on d.classid = 'pg_namespace'::regclass and n.oid = d.objid
       left join pg_class c on d.classid = 'pg_class'::regclass and c.oid = d.objid
       cross join lateral (select case when b.oid is not null then 'database' when n.oid is not null then 'schema'
              when c.relkind = 'S' then 'sequence' when c.oid is not null then 'table'
              when d.classid = 'pg_proc'::regclass then 'routine' end as kind) k
      where d.refclassid = 'pg_authid'::regclass and d.refobjid = $1 and d.deptype = 'a' and k.kind is not null
        and d.dbid in (0, (select oid from pg_database where datname = current_database()))
      order by 1, 2`,
    [roleOid],
  );
