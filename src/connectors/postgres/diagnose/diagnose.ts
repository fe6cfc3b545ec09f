/**
 * What `tidegate doctor` asks a PostgreSQL target: whether the admin login can do all that grants of these scopes need,
 * and what the server leaves open beside them. Reads catalogs only. Every statement to run is for a person to run.
 */
import { z } from "zod";
import { type Finding, unknown, warns, well, wrong } from "../../../base/finding.ts";
import { type Actor, type NamedScope, TargetError, type TargetErrorCode } from "../../../connector/connector.ts";
import type { PostgresConnection } from "../connection.ts";
import { SQLSTATE, sqlState } from "../errors.ts";
import { identifier } from "../quote.ts";
import { loudSettings } from "../roles.ts";
import type { PostgresScope } from "../scope.ts";
import { openSession, type Session } from "../session.ts";
import { endpointFindings } from "./endpoints.ts";
import { hbaFindings } from "./hba.ts";
import { publicFindings } from "./public.ts";
import { scopeFindings } from "./scopes.ts";

/** Fewer free connections than this are soon used up by one incident. */
const HEADROOM_MIN = 10;

export async function diagnose(
  connection: PostgresConnection,
  scopes: readonly NamedScope<PostgresScope>[],
  context: { signal: AbortSignal; actor: Actor },
): Promise<readonly Finding[]> {
  const session = await openSession(connection, context).catch((error: unknown) => {
    if (error instanceof TargetError) return cannotOpen(connection, error);
    throw error;
  });
  if (!("main" in session)) return [session];
  const { admin } = connection;
  try {
    return [
      well("admin signs in", `as ${session.admin.name} to ${session.main.where}`),
      well("version", `PostgreSQL ${session.version}, which is supported`),
      ...(await powers(session)),
      ...(await looked("rights for the scopes", () => scopeFindings(session, scopes))),
      ...(await looked("what PUBLIC allows", () => publicFindings(session, scopes))),
      ...(await looked("pg_hba.conf", () => hbaFindings(session, scopes))),
      ...(await looked("what is logged", () => logFindings(session))),
      ...(await looked("free connections", () => headroom(session))),
      ...(await looked("standbys", () => endpointFindings(session, admin.database))),
    ];
  } finally {
    await session.close();
  }
}

/** One look that fails says so; the others go on. */
async function looked(check: string, look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof TargetError) return [unknown(check, error.message)];
    throw error;
  }
}

function cannotOpen({ admin }: PostgresConnection, error: TargetError): Finding {
  const fixes: Partial<Record<TargetErrorCode, string>> = {
    "not-supported": "Upgrade the server, or leave it out of the configuration.",
    "cannot-sign-in": `Mend the password that the configuration names for ${admin.user}, or set it there: ALTER ROLE ${identifier(admin.user)} PASSWORD '…'`,
    unreachable: "See that the server runs, and that its address, port and firewall let this machine in.",
  };
  const other = "Mend what the message names, or the connection of this resource in the configuration.";
  return wrong(
    error.code === "not-supported" ? "version" : "admin signs in",
    error.message,
    fixes[error.code] ?? other,
  );
}

const powersShape = z.object({
  createrole: z.boolean(),
  signal: z.boolean(),
  identify: z.boolean(),
  standby: z.boolean(),
});

async function powers(session: Session): Promise<Finding[]> {
  const { name, superuser } = session.admin;
  const [row] = await session.main.rows(
    powersShape,
    `select rolcreaterole as createrole, pg_has_role('pg_signal_backend', 'USAGE') as signal,
            has_function_privilege('pg_control_system()', 'EXECUTE') as identify, pg_is_in_recovery() as standby
       from pg_roles where rolname = current_user`,
  );
  if (row === undefined) return [unknown("powers of the admin", "the server does not know its own user")];
  const login = identifier(name);
  const findings = [
    row.standby
      ? wrong(
          "main server",
          "the url leads to a standby, where nothing can be made",
          "Write the primary's address into url, and this one into endpoints.",
        )
      : well("main server", "is not a standby"),
    superuser
      ? well("may make roles", `${name} is a superuser`)
      : row.createrole
        ? well(
            "may make roles",
            `${name} has CREATEROLE${session.version >= 16 ? "" : ", which before 16 is close to superuser"}`,
          )
        : wrong("may make roles", `${name} is neither superuser nor has CREATEROLE`, `ALTER ROLE ${login} CREATEROLE;`),
    row.identify
      ? well("may tell which server this is", "yes")
      : wrong(
          "may tell which server this is",
          "pg_control_system() is refused",
          `In database ${session.main.database}:\nGRANT EXECUTE ON FUNCTION pg_control_system() TO ${login};`,
        ),
  ];
  const ends = "may end sessions of others";
  if (superuser || row.signal) findings.push(well(ends, superuser ? "as a superuser" : "by pg_signal_backend"));
  else
    findings.push(
      wrong(
        ends,
        "pg_signal_backend is missing: sessions of a login that somebody else dropped could not be ended",
        `GRANT pg_signal_backend TO ${login};`,
      ),
    );
  return findings;
}

/** Shown for a moment to those who may see everything anyway, and kept nowhere. */
const NOT_A_LOG: ReadonlySet<string> = new Set(["track_activities"]);

async function logFindings(session: Session): Promise<Finding[]> {
  const check = "password verifiers stay out of the server's log";
  const loud = (await loudSettings(session, session.main)).filter(({ name }) => !NOT_A_LOG.has(name));
  const stuck = loud.filter(({ may }) => !may);
  if (stuck.length === 0)
    return [
      well(
        check,
        loud.length === 0
          ? "nothing here logs statements"
          : `${loud.map(({ name, value }) => `${name} = ${value}`).join(", ")}; switched off for the statements in question`,
      ),
    ];
  const login = identifier(session.admin.name);
  const fix =
    session.version >= 15
      ? stuck.map(({ name }) => `GRANT SET ON PARAMETER ${name} TO ${login};`).join("\n")
      : `Before 15 only a superuser can switch these off for single statements. For this login alone, as a superuser:\n${stuck
          .map(({ name }) => `ALTER ROLE ${login} SET ${name} = ${name === "log_min_error_statement" ? "panic" : "…"};`)
          .join("\n")}`;
  return [
    warns(
      check,
      `${stuck.map(({ name, value }) => `${name} = ${value}`).join(", ")}, and ${session.admin.name} may not switch that off. A SCRAM verifier may be written to the log; it is no password`,
      fix,
    ),
  ];
}

const headroomShape = z.object({ most: z.number(), used: z.number() });

async function headroom(session: Session): Promise<Finding[]> {
  const reserved = session.version >= 16 ? " - current_setting('reserved_connections')::int" : "";
  const [row] = await session.main
    .rows(
      headroomShape,
      `select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int${reserved} as most,
              (select coalesce(sum(numbackends), 0)::int from pg_stat_database) as used`,
    )
    .catch((error: unknown) => {
      if (sqlState(error) === SQLSTATE.notPermitted) return [];
      throw error;
    });
  const check = "free connections";
  if (row === undefined) return [unknown(check, "the server does not say")];
  const free = Math.max(0, row.most - row.used);
  const saw = `${free} of ${row.most} for ordinary logins are free now`;
  if (free >= HEADROOM_MIN) return [well(check, saw)];
  return [warns(check, saw, "Raise max_connections, or end sessions that nobody needs: people would be turned away.")];
}
