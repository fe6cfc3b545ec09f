/**
 * What a role leaves behind: objects go to the graveyard owner, privileges go away. Nothing is ever dropped that
 * somebody may miss: DROP OWNED runs only in the transaction in which the catalogs showed that the role owns nothing.
 */
import { z } from "zod";
import { failpoint } from "../../base/failpoint.ts";
import { TargetError } from "../../connector/connector.ts";
import type { Client } from "./client.ts";
import { SQLSTATE, sqlState } from "./errors.ts";
import { graveyardMark, type Names } from "./names.ts";
import { identifier, literal } from "./quote.ts";
import { findMarked, joinRole, lock, lockPrivileges, type Role } from "./roles.ts";
import type { Session } from "./session.ts";

/** Default privileges and user mappings count as owned, but REASSIGN OWNED leaves them and DROP OWNED is meant for them. */
const OWNS = `d.refclassid = 'pg_authid'::regclass and d.refobjid = $1 and d.deptype = 'o'
  and d.classid not in ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass)`;
const HERE = "d.dbid in (0, (select oid from pg_database where datname = current_database()))";

const describedShape = z.object({ what: z.string() });

/** What the role owns in this database (and shared objects), in words. */
export async function ownedBy(client: Client, roleOid: number): Promise<string[]> {
  const rows = await client.rows(
    describedShape,
    `select coalesce(pg_describe_object(d.classid, d.objid, d.objsubid), d.classid::regclass || ' ' || d.objid) as what
       from pg_shdepend d where ${OWNS} and ${HERE} order by 1`,
    [roleOid],
  );
  return rows.map((row) => row.what);
}

/** What still names the role in this database, as owner or in a privilege; at most ten. */
async function knownBy(client: Client, roleOid: number): Promise<string[]> {
  const rows = await client.rows(
    describedShape,
    `select distinct pg_describe_object(d.classid, d.objid, d.objsubid) as what from pg_shdepend d
      where d.refclassid = 'pg_authid'::regclass and d.refobjid = $1 and ${HERE} order by 1 limit 10`,
    [roleOid],
  );
  return rows.map((row) => row.what);
}

const placeShape = z.object({ database: z.string(), connectable: z.boolean(), owns: z.boolean() });

/** Every database that still knows the role. Shared objects count for the main database. */
export const placesOf = (
  main: Client,
  roleOid: number,
): Promise<{ database: string; connectable: boolean; owns: boolean }[]> =>
  main.rows(
    placeShape,
    `select b.datname as database, b.datallowconn as connectable, bool_or(${OWNS}) as owns
       from pg_shdepend d
       join pg_database b on b.oid = case d.dbid when 0 then (select oid from pg_database where datname = current_database()) else d.dbid end
      where d.refclassid = 'pg_authid'::regclass and d.refobjid = $1
      group by 1, 2 order by 1`,
    [roleOid],
  );

/**
 * Empties the role in every database but `except`, one transaction each, and sees to it that the graveyard owner is
 * there if anything needs one. Every database is tried; the first failure is told at the end.
 */
export async function cleanUp(session: Session, role: Role, names: Names, except?: string): Promise<void> {
  const places = await placesOf(session.main, role.oid);
  if (places.some((place) => place.owns)) {
    await ensureGraveyard(session, names);
    await failpoint("postgres.clean-up.after-graveyard");
  }
  const failures: unknown[] = [];
  for (const place of places) {
    if (place.database === except) continue;
    try {
      if (!place.connectable)
        throw new TargetError(
          "not-permitted",
          `role ${role.name} still stands in database ${place.database}, which takes no connections: ALTER DATABASE ${identifier(place.database)} ALLOW_CONNECTIONS true`,
        );
      const client = await session.inDatabase(place.database);
      await client.transaction(() => emptyHere(session, client, role, names));
      await failpoint("postgres.clean-up.after-database");
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** Hands on what the role owns in this database and takes its privileges away. Inside a transaction. */
export async function emptyHere(session: Session, client: Client, role: Role, names: Names): Promise<void> {
  await joinRole(session, client, role);
  const owned = await ownedBy(client, role.oid);
  if (owned.length > 0) {
    try {
      await disarm(client, role);
      await client.run(`reassign owned by ${identifier(role.name)} to ${identifier(names.graveyard)}`);
    } catch (error) {
      throw await explain(client, role, names.graveyard, owned, error);
    }
    const left = await ownedBy(client, role.oid);
    if (left.length > 0)
      throw new TargetError(
        "failed",
        `access is cut and nothing was dropped, but ${names.graveyard} did not take ${left.join(", ")} in database ${client.database}`,
      );
    await failpoint("postgres.clean-up.after-reassign");
  }
  await lockPrivileges(client);
  await dropPrivileges(client, role);
  const held = await knownBy(client, role.oid);
  if (held.length > 0)
    throw new TargetError(
      "not-permitted",
      `access is cut, but role ${role.name} has privileges on ${held.join(", ")} in database ${client.database} that the admin login did not grant and cannot take back. It owns nothing; run there as a superuser: DROP OWNED BY ${identifier(role.name)}`,
    );
  await failpoint("postgres.clean-up.before-commit");
}

const columnShape = z.object({ relation: z.string(), column: z.string(), word: z.string() });

/**
 * Takes all the role's privileges in this database away. It must own nothing: what it owned would be dropped. DROP OWNED
 * takes them table by table, which an admin with a grant option on columns alone is refused; so those go one by one first.
 */
export async function dropPrivileges(client: Client, role: Role): Promise<void> {
  const columns = await client.rows(
    columnShape,
    `select format('%I.%I', n.nspname, c.relname) as relation, t.attname as column, a.privilege_type as word
       from pg_shdepend d
       join pg_attribute t on t.attrelid = d.objid and t.attnum = d.objsubid
       join pg_class c on c.oid = d.objid
       join pg_namespace n on n.oid = c.relnamespace
       cross join lateral aclexplode(t.attacl) a
      where d.refclassid = 'pg_authid'::regclass and d.refobjid = $1 and d.classid = 'pg_class'::regclass and d.objsubid > 0
        and d.dbid = (select oid from pg_database where datname = current_database()) and a.grantee = $1`,
    [role.oid],
  );
  for (const { relation, column, word } of columns)
    await client.run(`revoke ${word} (${identifier(column)}) on ${relation} from ${identifier(role.name)}`);
  await client.run(`drop owned by ${identifier(role.name)}`);
}

const routineShape = z.object({ routine: z.string() });

/**
 * A SECURITY DEFINER routine runs as its owner: in the graveyard it would lend whoever may call it the things of
 * everybody who ever left some there.
 */
async function disarm(client: Client, role: Role): Promise<void> {
  const routines = await client.rows(
    routineShape,
    "select oid::regprocedure::text as routine from pg_proc where proowner = $1 and prosecdef and prokind <> 'a'",
    [role.oid],
  );
  for (const { routine } of routines) await client.run(`alter routine ${routine} security invoker`);
}

const schemaShape = z.object({ schema: z.string() });

/** Why the graveyard owner could not take the objects, and what a DBA can run. */
async function explain(
  client: Client,
  role: Role,
  graveyard: string,
  owned: readonly string[],
  error: unknown,
): Promise<TargetError> {
  const why = error instanceof Error ? error.message : String(error);
  const cut = `access is cut and nothing was dropped, but ${graveyard} could not take what ${role.name} made in database ${client.database} (${owned.slice(0, 10).join(", ")})`;
  const state = sqlState(error);
  if (state === SQLSTATE.lockNotAvailable)
    return new TargetError("failed", `${cut}: somebody holds a lock on it; it is tried again`, { cause: error });
  if (state !== SQLSTATE.notPermitted) return new TargetError("failed", `${cut}: ${why}`, { cause: error });
  // The transaction is lost already; what follows only looks.
  await client.run("rollback");
  // Not only the schemas that the server complained of: it stops at the first.
  const schemas = await client.rows(
    schemaShape,
    `select distinct o.schema from pg_shdepend d, lateral pg_identify_object(d.classid, d.objid, 0) o
      where ${OWNS} and ${HERE} and o.schema is not null
        and not has_schema_privilege($2, (select n.oid from pg_namespace n where n.nspname = o.schema), 'CREATE')`,
    [role.oid, graveyard],
  );
  const run = schemas.map(({ schema }) => `GRANT CREATE ON SCHEMA ${identifier(schema)} TO ${identifier(graveyard)}`);
  run.push(`or, as a superuser: REASSIGN OWNED BY ${identifier(role.name)} TO ${identifier(graveyard)}`);
  return new TargetError("not-permitted", `${cut}: ${why}. Run there: ${run.join("; ")}`, { cause: error });
}

/** The owner of what nobody owns any more. It never logs in, has no rights and is kept. */
async function ensureGraveyard(session: Session, names: Names): Promise<void> {
  const { main } = session;
  const mark = graveyardMark(session.actor.installation);
  const make = async (): Promise<void> => {
    await lock(main, names.graveyard);
    if ((await findMarked(main, names.graveyard, mark)) !== null) return;
    await main.run(
      `create role ${identifier(names.graveyard)} nologin nosuperuser nocreatedb nocreaterole noreplication nobypassrls`,
    );
    await main.run(`comment on role ${identifier(names.graveyard)} is ${literal(mark)}`);
  };
  await main.transaction(make).catch((error: unknown) => {
    throw error instanceof TargetError && error.code === "conflict"
      ? new TargetError(
          "conflict",
          `access is cut and nothing was dropped, but nobody can take what the person made: ${error.message}`,
          { cause: error },
        )
      : error;
  });
  const graveyard = await findMarked(main, names.graveyard, mark);
  if (graveyard !== null) await joinRole(session, main, graveyard);
}
