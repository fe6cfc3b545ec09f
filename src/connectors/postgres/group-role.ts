/**
 * The group role of a managed scope: one per installation and scope hash, shared by all its grants, collected when the
 * last one ended. Rights hang on it and never on the people: a table's ACL then holds one entry however many grants
 * there are (a direct GRANT failed at the 2,443rd grantee).
 */
import { z } from "zod";
import { failpoint } from "../../base/failpoint.ts";
import { type Order, TargetError } from "../../connector/connector.ts";
import { cleanUp, dropPrivileges, emptyHere, ownedBy } from "./clean-up.ts";
import type { Client } from "./client.ts";
import { SQLSTATE, sqlState } from "./errors.ts";
import { groupMark, type Names } from "./names.ts";
import { rollBackPrepared } from "./prepared.ts";
import { compare, grantStatements, isHeld, linesOf, type Privilege, showPrivilege } from "./privileges.ts";
import { identifier, literal } from "./quote.ts";
import { findMarked, joinRole, lock, lockPrivileges, type Role } from "./roles.ts";
import type { ManagedScope, PostgresScope } from "./scope.ts";
import type { Session } from "./session.ts";

/** Held, in the scope's own database, by whoever makes, equals or collects the group. */
export const lockGroup = (client: Client, group: string): Promise<void> => lock(client, group);

/** Makes the group and gives it exactly what is wanted. Inside a transaction that holds the lock on the group. */
export async function ensureGroup(
  session: Session,
  client: Client,
  order: Order<PostgresScope>,
  group: string,
  wanted: readonly Privilege[],
): Promise<Role> {
  const mark = groupMark(order.installation, order.scopeHash);
  if ((await findMarked(client, group, mark)) === null) {
    await client.run(
      `create role ${identifier(group)} nologin nosuperuser nocreatedb nocreaterole noreplication nobypassrls`,
    );
    await client.run(`comment on role ${identifier(group)} is ${literal(mark)}`);
  }
  const role = await findMarked(client, group, mark);
  if (role === null) throw new TargetError("failed", `role ${group} is gone as soon as it was made`);
  await equalise(session, client, role, wanted);
  return role;
}

async function equalise(session: Session, client: Client, group: Role, wanted: readonly Privilege[]): Promise<void> {
  const before = compare(wanted, await linesOf(client, group.oid));
  if (before.missing.length === 0 && before.extra.length === 0) return;
  await lockPrivileges(client);
  let { missing } = before;
  if (before.extra.length > 0) {
    // Somebody gave the group more than was approved. DROP OWNED takes away whatever there is, in one transaction with
    // giving back what belongs there; it must never meet an object that the group owns.
    await joinRole(session, client, group);
    const owned = await ownedBy(client, group.oid);
    if (owned.length > 0)
      throw new TargetError("conflict", `role ${group.name} owns ${owned.join(", ")}; hand it to another owner first`);
    await dropPrivileges(client, group);
    ({ missing } = compare(wanted, await linesOf(client, group.oid)));
  }
  for (const statement of grantStatements(missing, group.name)) {
    await client.run(statement).catch((error: unknown) => {
      throw sqlState(error) === SQLSTATE.notPermitted ? cannotGrant(session, missing, error) : error;
    });
  }
  const after = compare(wanted, await linesOf(client, group.oid));
  const refused: Privilege[] = [];
  for (const privilege of after.missing) if (!(await isHeld(client, group.oid, privilege))) refused.push(privilege);
  if (refused.length > 0) throw cannotGrant(session, refused);
  if (after.extra.length > 0)
    throw new TargetError(
      "conflict",
      `role ${group.name} has more than its scope and the admin login ${session.admin.name} cannot take it away (${after.extra.slice(0, 5).join(", ")}); whoever granted it must revoke it`,
    );
}

/** Leaves the group what of its rights is among these, and gives nothing. */
export const trimGroup = (session: Session, client: Client, group: Role, keeps: readonly Privilege[]): Promise<void> =>
  equalise(session, client, group, keeps);

const cannotGrant = (session: Session, privileges: readonly Privilege[], cause?: unknown): TargetError =>
  new TargetError(
    "not-permitted",
    `the admin login ${session.admin.name} cannot pass on what the scope gives. Run: ${privileges
      .slice(0, 5)
      .map((privilege) => `GRANT ${showPrivilege(privilege)} TO ${identifier(session.admin.name)} WITH GRANT OPTION`)
      .join("; ")}${privileges.length > 5 ? `; and ${privileges.length - 5} more` : ""}`,
    { cause },
  );

const countShape = z.object({ count: z.number() });

/** How many roles, but the admin's own, are members of the group. */
export async function countMembers(client: Client, group: Role): Promise<number> {
  const [row] = await client.rows(
    countShape,
    `select count(*)::int as count from pg_auth_members m
      where m.roleid = $1 and not m.admin_option and m.member <> (select oid from pg_roles where rolname = current_user)`,
    [group.oid],
  );
  return row?.count ?? 0;
}

/**
 * Removes the group when no grant uses it any more. A group without members gives nobody anything: when this fails,
 * access is gone all the same, and `probe` reports what stayed.
 */
export async function collectGroup(
  session: Session,
  order: Order<PostgresScope>,
  names: Names,
  scope: ManagedScope,
): Promise<void> {
  const unused = async (): Promise<Role | null> => {
    const group = await findMarked(session.main, names.group, groupMark(order.installation, order.scopeHash));
    return group !== null && (await countMembers(session.main, group)) === 0 ? group : null;
  };
  const group = await unused();
  if (group === null) return;
  try {
    await collect(session, order, names, scope, group);
  } catch (error) {
    // Two that end together may both collect: then the other one did it, or somebody new came in.
    if (session.signal.aborted || (await unused()) !== null) throw error;
  }
}

async function collect(
  session: Session,
  order: Order<PostgresScope>,
  names: Names,
  scope: ManagedScope,
  seen: Role,
): Promise<void> {
  const mark = groupMark(order.installation, order.scopeHash);
  const client = await scopeDatabase(session, scope);
  // Only members could prepare under the group's name, by SET ROLE before 16. None is left to do so again.
  await rollBackPrepared(session, seen);
  await cleanUp(session, seen, names, client.database);
  await client.transaction(async () => {
    await lockGroup(client, names.group);
    const group = await findMarked(client, names.group, mark);
    if (group === null || (await countMembers(client, group)) > 0) return;
    await emptyHere(session, client, group, names);
    await client.run(`drop role ${identifier(group.name)}`);
    await failpoint("postgres.collect.before-commit");
  });
  await failpoint("postgres.collect.after-commit");
}

/** The scope's database; once that was dropped there is nothing of the group in it, and any other will do. */
async function scopeDatabase(session: Session, scope: ManagedScope): Promise<Client> {
  return session.inDatabase(scope.database).catch((error: unknown) => {
    if (error instanceof TargetError && error.code === "no-such-object") return session.main;
    throw error;
  });
}
