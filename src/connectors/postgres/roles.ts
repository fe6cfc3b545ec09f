/** Looking at roles, and the few things that every verb does with them. */
import { z } from "zod";
import { TargetError } from "../../connector/connector.ts";
import type { Client } from "./client.ts";
import { identifier } from "./quote.ts";
import type { Session } from "./session.ts";

export type Role = { readonly oid: number; readonly name: string; readonly mark: string };

const roleShape = z.object({ oid: z.number(), name: z.string(), mark: z.string() });

const ROLE = `select r.oid, r.rolname as name, coalesce(shobj_description(r.oid, 'pg_authid'), '') as mark from pg_roles r`;

export async function findRole(client: Client, name: string): Promise<Role | null> {
  const [role] = await client.rows(roleShape, `${ROLE} where r.rolname = $1`, [name]);
  return role ?? null;
}

export async function findRoleByOid(client: Client, oid: number): Promise<Role | null> {
  const [role] = await client.rows(roleShape, `${ROLE} where r.oid = $1`, [oid]);
  return role ?? null;
}

/** The role of that name, if it is there; one without our mark is somebody else's and never touched. */
export async function findMarked(client: Client, name: string, mark: string): Promise<Role | null> {
  const role = await findRole(client, name);
  if (role !== null && role.mark !== mark) throw foreign(name);
  return role;
}

export const foreign = (name: string): TargetError =>
  new TargetError(
    "conflict",
    `a role ${name} is there that does not carry our mark as its comment; it was not touched. If nobody needs it: DROP ROLE ${identifier(name)}`,
  );

const timeoutShape = z.object({ timeout: z.string() });

/** Serialises the work on one thing for the rest of the transaction. Advisory locks belong to one database. */
export async function lock(client: Client, what: string): Promise<void> {
  const [before] = await client.rows(timeoutShape, "select current_setting('lock_timeout') as timeout");
  // Others hold it for milliseconds; only many at once make a queue, and that is worth waiting in.
  await client.run("set local lock_timeout = '8s'");
  await client.run("select pg_advisory_xact_lock(hashtextextended($1, 0))", [`tidegate:${what}`]);
  await client.run("select set_config('lock_timeout', $1, true)", [before?.timeout ?? "0"]);
}

/**
 * Concurrent GRANTs on one table fail with "tuple concurrently updated", whichever roles they are for; so whoever
 * changes privileges in a database takes this lock, after the lock on a group.
 */
export const lockPrivileges = (client: Client): Promise<void> => lock(client, "privileges");

const memberShape = z.object({ usage: z.boolean(), set: z.boolean() });

/**
 * Makes an admin without superuser a member of a role of ours: ending its sessions, taking its objects away from it and
 * rolling back what it prepared need that. Whoever made a role with CREATEROLE may do so (16 and later: by its ADMIN
 * OPTION). The membership goes with the role.
 */
export async function joinRole(session: Session, client: Client, role: Role): Promise<void> {
  if (session.admin.superuser) return;
  const set = session.version >= 16 ? "pg_has_role($1::oid, 'SET')" : "pg_has_role($1::oid, 'MEMBER')";
  const [member] = await client.rows(memberShape, `select pg_has_role($1::oid, 'USAGE') as usage, ${set} as set`, [
    role.oid,
  ]);
  if (member?.usage === true && member.set) return;
  const options = session.version >= 16 ? " with inherit true, set true" : "";
  try {
    await client.run(`grant ${identifier(role.name)} to current_user${options}`);
  } catch (error) {
    throw new TargetError(
      "not-permitted",
      `the admin login ${session.admin.name} may not act for role ${role.name}: GRANT ${identifier(role.name)} TO ${identifier(session.admin.name)} WITH ADMIN OPTION`,
      { cause: error },
    );
  }
}

const settingShape = z.object({ name: z.string(), value: z.string(), may: z.boolean() });

/** Everything that may write the text of a statement somewhere, and the value that keeps it from doing so. */
const QUIET: Record<string, string> = {
  log_statement: "none",
  log_min_duration_statement: "-1",
  log_min_duration_sample: "-1",
  log_min_error_statement: "panic",
  track_activities: "off",
  debug_print_parse: "off",
  debug_print_raw_parse: "off",
  debug_print_rewritten: "off",
  debug_print_plan: "off",
  "pg_stat_statements.track_utility": "off",
  "pgaudit.log": "none",
};

/**
 * Runs one statement that holds a password verifier, inside a transaction, without the target writing it to its log,
 * as far as the admin may decide that (superuser, or SET granted on the parameter, from 15 on). Where it may not and
 * the target logs such statements, its log gets the verifier: it proves a password, it cannot be used as one. The
 * password itself is in no statement, ever.
 */
export async function runQuietly(session: Session, client: Client, statement: string | Promise<string>): Promise<void> {
  const [sql, loud] = await Promise.all([statement, loudSettings(session, client)]);
  const settings = loud.filter(({ may }) => may);
  const set = (entries: readonly (readonly [string, string])[]): Promise<void> =>
    client.run(`select set_config(n, v, true) from unnest($1::text[], $2::text[]) as s(n, v)`, [
      entries.map(([name]) => name),
      entries.map(([, value]) => value),
    ]);
  if (settings.length > 0) await set(settings.map(({ name }) => [name, QUIET[name] ?? ""]));
  await client.run(sql);
  if (settings.length > 0) await set(settings.map(({ name, value }) => [name, value]));
}

/** The settings by which the target now writes statements somewhere, and whether the admin may switch each off. */
export function loudSettings(session: Session, client: Client): Promise<z.infer<typeof settingShape>[]> {
  const may = session.version >= 15 ? "has_parameter_privilege(name, 'SET')" : "(context = 'user' or $2)";
  return client.rows(
    settingShape,
    `select name, setting as value, ($2 or context = 'user' or ${may}) as may from pg_settings
      where name = any($1) and setting <> ($3::jsonb ->> name) order by name`,
    [Object.keys(QUIET), session.admin.superuser, JSON.stringify(QUIET)],
  );
}
