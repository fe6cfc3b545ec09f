/**
 * What there is of ours on the target, and in what it differs from the orders of live grants. Only looks. What people make
 * while they have access is listed where it could lend their rights to others: functions that run as their owner, event
 * triggers, views that others may read.
 */
import type { InstallationId } from "../../base/ids.ts";
import { type Order, TargetError } from "../../connector/connector.ts";
import type { Observed } from "../../domain/observed.ts";
import { rememberedOid } from "./find-login.ts";
import { made } from "./left-behind.ts";
import { type Membership, markedRoles, membershipsOf, type SeenRole, type Trace, tracesOf } from "./marked-roles.ts";
import { grantOfMark, recordedNames, scopeHashOfMark } from "./names.ts";
import { compare, isHeld, linesOf, type Privilege, resolveScope, showLines, showPrivilege } from "./privileges.ts";
import { CONNECTIONS_DEFAULT, isManaged, type ManagedScope, type PostgresScope } from "./scope.ts";
import type { Session } from "./session.ts";

/** PostgreSQL keeps neither when a role was made nor by whom. */
const UNTOLD = { since: null, by: null } as const;

/** Everything that one look found, for whoever compares. */
type Sight = {
  readonly roles: ReadonlyMap<number, SeenRole>;
  readonly memberships: readonly Membership[];
  readonly traces: readonly Trace[];
};

export async function observe(
  session: Session,
  installation: InstallationId,
  orders: readonly Order<PostgresScope>[] = [],
): Promise<readonly Observed[]> {
  const readable = orders.filter(hasNames);
  const remembered = readable.map(rememberedOid).filter((oid) => oid !== null);
  const found = await markedRoles(session.main, installation, remembered);
  const sight = await lookAround(session, found);
  const logins: Observed[] = [];
  const groups: Observed[] = [];
  for (const role of found) {
    const order = readable.find((one) => isLoginOf(role, one));
    const hash = scopeHashOfMark(role.mark);
    if (order !== undefined || grantOfMark(role.mark) !== null) logins.push(login(session, sight, role, order));
    else if (hash !== null) groups.push(await group(session, sight, role, hash, readable));
    // A mark of ours that names nothing we know of: told, so that somebody looks.
    else if (!isGraveyard(role) && role.mark !== "") logins.push(login(session, sight, role, undefined));
  }
  return [...logins, ...groups, ...byHand(session, sight), ...(await made(session, found, sight.traces))];
}

/** A lease that was damaged keeps nobody from being told of the others. */
function hasNames(order: Order<PostgresScope>): boolean {
  try {
    recordedNames(order);
    return true;
  } catch {
    return false;
  }
}

async function lookAround(session: Session, found: readonly SeenRole[]): Promise<Sight> {
  const oids = found.map(({ oid }) => oid);
  return {
    roles: new Map(found.map((role) => [role.oid, role])),
    memberships: oids.length === 0 ? [] : await membershipsOf(session.main, oids),
    traces: oids.length === 0 ? [] : await tracesOf(session.main, oids),
  };
}

const isGraveyard = ({ mark }: SeenRole): boolean => mark.endsWith(":graveyard");

/** As `findLogin` has it: by its mark, or by name and the OID that was remembered, should somebody have taken the mark away. */
function isLoginOf(role: SeenRole, order: Order<PostgresScope>): boolean {
  if (grantOfMark(role.mark) === order.grant) return true;
  return role.oid === rememberedOid(order) && role.name === recordedNames(order).role;
}

function login(session: Session, sight: Sight, role: SeenRole, order: Order<PostgresScope> | undefined): Observed {
  const differs = order === undefined ? { more: [], less: [] } : loginDiffers(session, sight, role, order);
  return {
    as: "own",
    name: role.name,
    what: "login role",
    grant: grantOfMark(role.mark) ?? order?.grant ?? null,
    scopeHash: null,
    ...UNTOLD,
    remainingMs: role.remainingMs ?? Number.POSITIVE_INFINITY,
    ...differs,
  };
}

function loginDiffers(
  session: Session,
  { memberships, traces }: Sight,
  role: SeenRole,
  order: Order<PostgresScope>,
): Pick<Observed, "more" | "less"> {
  const names = recordedNames(order);
  const more = [...role.powers.map(hasPower)];
  const less: string[] = [];
  if (role.mark === "") less.push("its mark (the comment on the role) was taken away");
  if (!role.login) less.push("it may not log in");
  const most = order.scope.connection_limit ?? CONNECTIONS_DEFAULT;
  if (role.connections < 0 || role.connections > most)
    more.push(
      `it may have ${role.connections < 0 ? "any number of" : role.connections} connections at once, not ${most}`,
    );
  const into = memberships.filter(({ member }) => member === role.oid);
  const group = into.find(({ groupName }) => groupName === names.group);
  if (group === undefined) less.push(`it is no member of ${names.group}`);
  else if (group.inherit === false) less.push(`it does not inherit from ${names.group}`);
  if (group?.admin === true) more.push(`it may hand out ${names.group}`);
  if (group?.set === true && session.version >= 16) more.push(`it may act as ${names.group} (SET ROLE)`);
  for (const other of into) if (other !== group) more.push(`it is a member of ${other.groupName}`);
  for (const { database } of traces.filter((trace) => trace.role === role.oid && trace.has))
    more.push(`it has privileges of its own ${inDatabase(database)}`);
  return { more, less };
}

const hasPower = (power: string): string => `it has the attribute ${power}`;
const inDatabase = (database: string | null): string =>
  database === null ? "on a database or tablespace" : `in database ${database}`;

async function group(
  session: Session,
  sight: Sight,
  role: SeenRole,
  scopeHash: string,
  orders: readonly Order<PostgresScope>[],
): Promise<Observed> {
  const order = orders.find((one) => one.scopeHash === scopeHash && isManaged(one.scope));
  const differs =
    order === undefined || !isManaged(order.scope)
      ? { more: [], less: [] }
      : await groupDiffers(session, sight, role, order.scope);
  return {
    as: "shared",
    name: role.name,
    what: "group role",
    grant: null,
    scopeHash,
    ...UNTOLD,
    remainingMs: null,
    ...differs,
  };
}

async function groupDiffers(
  session: Session,
  { memberships, traces }: Sight,
  role: SeenRole,
  scope: ManagedScope,
): Promise<Pick<Observed, "more" | "less">> {
  const more = role.powers.map(hasPower);
  if (role.login) more.push("it may log in");
  for (const { groupName } of memberships.filter(({ member }) => member === role.oid))
    more.push(`it is a member of ${groupName}`);
  for (const { database, owns, has } of traces.filter((trace) => trace.role === role.oid)) {
    if (owns) more.push(`it owns something ${inDatabase(database)}`);
    if (has && database !== null && database !== scope.database) more.push(`it has privileges ${inDatabase(database)}`);
  }
  const rights = await rightsDiffer(session, role, scope).catch((error: unknown) => {
    // What the scope names is not there any more, or its database lets nobody in: told, and nothing concluded.
    if (!(error instanceof TargetError) || session.signal.aborted || error.code === "unreachable") throw error;
    return { more: [], less: [error.message] };
  });
  return { more: [...more, ...rights.more], less: rights.less };
}

async function rightsDiffer(
  session: Session,
  role: SeenRole,
  scope: ManagedScope,
): Promise<Pick<Observed, "more" | "less">> {
  const client = await session.inDatabase(scope.database);
  const { missing, extra } = compare(await resolveScope(client, scope), await linesOf(client, role.oid));
  const lacks: Privilege[] = [];
  // What everybody has need not be given to the group.
  for (const privilege of missing) if (!(await isHeld(client, role.oid, privilege))) lacks.push(privilege);
  return {
    more: (await showLines(client, extra)).map((line) => `it has ${line}`),
    less: lacks.map((privilege) => `it lacks ${showPrivilege(privilege)}`),
  };
}

/** Who is in a role of ours and is neither a login of ours nor the admin: nobody but Tidegate puts people there. */
function byHand(session: Session, { roles, memberships }: Sight): Observed[] {
  return memberships
    .filter(
      (one) => roles.has(one.group) && one.memberName !== session.admin.name && !isOwnLogin(roles.get(one.member)),
    )
    .map(({ group: oid, groupName, memberName, admin, by }) => ({
      as: "by-hand",
      name: `${memberName} in ${groupName}`,
      what: `member of ${groupName}, with all that it may${admin ? ", who may hand it out as well" : ""}`,
      grant: grantOfMark(roles.get(oid)?.mark ?? ""),
      scopeHash: scopeHashOfMark(roles.get(oid)?.mark ?? ""),
      since: null,
      by,
      remainingMs: null,
      more: [],
      less: [],
    }));
}

/** What a login of ours is a member of is told with the login. */
const isOwnLogin = (role: SeenRole | undefined): boolean => role !== undefined;
