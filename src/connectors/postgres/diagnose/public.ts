/** What the server allows to everybody, and so to every login of Tidegate's; with the REVOKE, which Tidegate never runs. */
import { z } from "zod";
import { type Finding, warns, well, wrong } from "../../../base/finding.ts";
import type { NamedScope } from "../../../connector/connector.ts";
import type { Client } from "../client.ts";
import { identifier } from "../quote.ts";
import type { PostgresScope } from "../scope.ts";
import type { Session } from "../session.ts";

const databaseShape = z.object({ name: z.string(), connect: z.boolean(), temporary: z.boolean() });

export async function publicFindings(
  session: Session,
  scopes: readonly NamedScope<PostgresScope>[],
): Promise<Finding[]> {
  const ours = [...new Set(scopes.map(({ scope }) => scope.database))];
  const databases = await session.main.rows(
    databaseShape,
    `select datname as name, has_database_privilege('public', oid, 'CONNECT') as connect,
            has_database_privilege('public', oid, 'TEMP') as temporary
       from pg_database where datallowconn order by datname`,
  );
  const findings = [...connecting(databases, ours), ...temporary(databases, ours)];
  for (const name of databases.map((one) => one.name).filter((one) => ours.includes(one))) {
    const client = await session.inDatabase(name);
    findings.push(await creating(session, client), await largeObjects(client));
  }
  return findings;
}

type Database = z.infer<typeof databaseShape>;

function connecting(databases: readonly Database[], ours: readonly string[]): Finding[] {
  const check = "PUBLIC may connect only where grants lead";
  const open = databases.filter(({ name, connect }) => connect && !ours.includes(name));
  if (open.length === 0) return [well(check, "to no other database")];
  return [
    warns(
      check,
      `every login may also connect to ${open.map(({ name }) => name).join(", ")}`,
      open.map(({ name }) => `REVOKE CONNECT ON DATABASE ${identifier(name)} FROM PUBLIC;`).join("\n"),
    ),
  ];
}

function temporary(databases: readonly Database[], ours: readonly string[]): Finding[] {
  const check = "PUBLIC may not make temporary tables";
  const open = databases.filter(({ name, temporary: may }) => may && ours.includes(name));
  if (open.length === 0) return [well(check, "in no database of the scopes")];
  return [
    warns(
      check,
      `every login may, in ${open.map(({ name }) => name).join(", ")}`,
      open.map(({ name }) => `REVOKE TEMPORARY ON DATABASE ${identifier(name)} FROM PUBLIC;`).join("\n"),
    ),
  ];
}

const placeShape = z.object({ place: z.string() });

/** Before 16 people can act as their group, so there nothing may be creatable: grants would be refused. */
async function creating(session: Session, client: Client): Promise<Finding> {
  const check = `PUBLIC may not create in ${client.database}`;
  const places = await client.rows(
    placeShape,
    `select 'SCHEMA ' || quote_ident(nspname) as place from pg_namespace
      where has_schema_privilege('public', oid, 'CREATE') and not starts_with(nspname, 'pg_temp_') and not starts_with(nspname, 'pg_toast')
     union all
     select 'DATABASE ' || quote_ident(datname) from pg_database
      where datname = current_database() and has_database_privilege('public', oid, 'CREATE')
      order by 1`,
  );
  if (places.length === 0) return well(check, "nowhere");
  const names = places.map(({ place }) => place).join(", ");
  const fix = [
    `In database ${client.database}:`,
    ...places.map(({ place }) => `REVOKE CREATE ON ${place} FROM PUBLIC;`),
  ];
  return session.version < 16
    ? wrong(check, `everybody may create in ${names}; before 16 Tidegate gives nothing there`, fix.join("\n"))
    : warns(check, `everybody may create in ${names}`, fix.join("\n"));
}

const functionShape = z.object({ signature: z.string() });

async function largeObjects(client: Client): Promise<Finding> {
  const check = `PUBLIC may not make large objects in ${client.database}`;
  const open = await client.rows(
    functionShape,
    `select oid::regprocedure::text as signature from pg_proc
      where pronamespace = 'pg_catalog'::regnamespace and proname in ('lo_creat', 'lo_create', 'lo_from_bytea')
        and has_function_privilege('public', oid, 'EXECUTE') order by 1`,
  );
  if (open.length === 0) return well(check, "the functions are closed");
  const list = open.map(({ signature }) => signature).join(", ");
  return warns(
    check,
    "every login may",
    `In database ${client.database}:\nREVOKE EXECUTE ON FUNCTION ${list} FROM PUBLIC;`,
  );
}
