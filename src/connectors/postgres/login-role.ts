/** The person's own login: made or made equal, moved on, and shut. */
import { z } from "zod";
import { defined } from "../../base/assert.ts";
import { parseDuration } from "../../base/duration.ts";
import { scramVerifier } from "../../base/scram.ts";
import type { Secret } from "../../base/secret.ts";
import { type Order, TargetError } from "../../connector/connector.ts";
import type { Client } from "./client.ts";
import { SQLSTATE, sqlState } from "./errors.ts";
import { loginMark } from "./names.ts";
import { identifier, literal } from "./quote.ts";
import { findMarked, type Role, runQuietly } from "./roles.ts";
import { CONNECTIONS_DEFAULT, type PostgresScope } from "./scope.ts";
import type { Session } from "./session.ts";

const untilShape = z.object({ until: z.string() });

/** The target's own time in so many milliseconds, for VALID UNTIL. Our clock may be wrong; the target's is what it obeys. */
async function validUntil(client: Client, remainingMs: number): Promise<string> {
  const [row] = await client.rows(
    untilShape,
    `select to_char((clock_timestamp() + $1 * interval '1 millisecond') at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00' as until`,
    [Math.max(0, Math.floor(remainingMs))],
  );
  return defined(row, "the target's time").until;
}

/** Makes the login, or makes it what the order wants. Inside a transaction. */
export async function ensureLogin(
  session: Session,
  client: Client,
  order: Order<PostgresScope>,
  name: string,
  grant: { secret: Secret; remainingMs: number },
): Promise<Role> {
  const mark = loginMark(order.installation, order.grant);
  const exists = (await findMarked(client, name, mark)) !== null;
  const until = await validUntil(client, grant.remainingMs);
  const wants = `login inherit connection limit ${order.scope.connection_limit ?? CONNECTIONS_DEFAULT}
    password ${literal(scramVerifier(grant.secret))} valid until ${literal(until)}`;
  if (exists) {
    await runQuietly(session, client, `alter role ${identifier(name)} with ${wants}`);
    await client.run(`alter role ${identifier(name)} reset all`);
  } else {
    await runQuietly(
      session,
      client,
      `create role ${identifier(name)} with nosuperuser nocreatedb nocreaterole noreplication nobypassrls ${wants}`,
    );
    await client.run(`comment on role ${identifier(name)} is ${literal(mark)}`);
  }
  for (const [setting, value] of settingsOf(order.scope))
    await client.run(`alter role ${identifier(name)} set ${identifier(setting)} = ${literal(value)}`);
  const role = defined(await findMarked(client, name, mark), "the role just made");
  await refusePowers(client, role);
  return role;
}

/** Starting values that the person can change: limits against mistakes, not boundaries. */
function settingsOf(scope: PostgresScope): [string, string][] {
  const settings: [string, string][] = [];
  if (scope.read_only === true) settings.push(["default_transaction_read_only", "on"]);
  const time = (setting: string, text: string | undefined): void => {
    const parsed = parseDuration(text);
    if (parsed.ok) settings.push([setting, `${parsed.value}ms`]);
  };
  time("statement_timeout", scope.statement_timeout);
  time("idle_in_transaction_session_timeout", scope.idle_in_transaction_timeout);
  return settings;
}

const powersShape = z.object({ powerful: z.boolean() });

/** A login of ours that somebody made powerful since must not be handed out again. */
async function refusePowers(client: Client, role: Role): Promise<void> {
  const [row] = await client.rows(
    powersShape,
    "select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as powerful from pg_roles where oid = $1",
    [role.oid],
  );
  if (row?.powerful !== false)
    throw new TargetError(
      "conflict",
      `role ${role.name} was given attributes beyond LOGIN by somebody; it is not given out`,
    );
}

const membershipShape = z.object({
  group: z.string(),
  admin: z.boolean(),
  inherit: z.boolean().nullable(),
  set: z.boolean().nullable(),
});

/** Makes the login a member of its group and of nothing else. From 16 on it inherits the rights but cannot become the group. */
export async function ensureMembership(session: Session, client: Client, role: Role, group: Role): Promise<void> {
  const memberships = (): Promise<z.infer<typeof membershipShape>[]> =>
    // Before 16 the row has no options; as JSON the same statement reads both.
    client.rows(
      membershipShape,
      `select r.rolname as group, m.admin_option as admin, (to_jsonb(m) ->> 'inherit_option')::bool as inherit,
              (to_jsonb(m) ->> 'set_option')::bool as set
         from pg_auth_members m join pg_roles r on r.oid = m.roleid where m.member = $1`,
      [role.oid],
    );
  const isRight = (one: z.infer<typeof membershipShape>): boolean =>
    one.group === group.name && !one.admin && one.inherit !== false && one.set !== true;
  const before = await memberships();
  for (const name of new Set(before.filter((one) => !isRight(one)).map((one) => one.group)))
    await client.run(`revoke ${identifier(name)} from ${identifier(role.name)}`).catch((error: unknown) => {
      throw sqlState(error) === SQLSTATE.notPermitted ? strayMembership(role, group, [name], error) : error;
    });
  if (!before.some(isRight)) {
    const options = session.version >= 16 ? " with inherit true, set false" : "";
    await client
      .run(`grant ${identifier(group.name)} to ${identifier(role.name)}${options}`)
      .catch((error: unknown) => {
        throw new TargetError(
          "not-permitted",
          `the admin login ${session.admin.name} may not give role ${group.name}: GRANT ${identifier(group.name)} TO ${identifier(session.admin.name)} WITH ADMIN OPTION`,
          { cause: error },
        );
      });
  }
  const after = await memberships();
  if (after.length === 0 || !after.every(isRight))
    throw strayMembership(
      role,
      group,
      after.map((one) => one.group),
    );
}

const strayMembership = (role: Role, group: Role, found: readonly string[], cause?: unknown): TargetError =>
  new TargetError(
    "conflict",
    `role ${role.name} is a member of ${found.join(", ") || "nothing"} where only ${group.name} belongs; whoever granted that must revoke it`,
    { cause },
  );

/** Moves the target's own expiry. */
export async function extendLogin(client: Client, role: Role, remainingMs: number): Promise<void> {
  const until = await validUntil(client, remainingMs);
  await client.run(`alter role ${identifier(role.name)} valid until ${literal(until)}`);
}

/** Long enough for a slow sign-in, short enough that a forgotten role soon refuses by itself. */
const PROBE_VALID_MS = 10 * 60_000;

/**
 * Gives the role a password that nobody else knows, and an end that has not come: then a sign-in with it can be refused
 * for one reason only, NOLOGIN. With `shut` the same statement also sets NOLOGIN; a probe leaves that as it finds it.
 *
 * Only revoke and probe call this, when the grant has ended: it makes the person's own password useless.
 */
export async function takePassword(
  session: Session,
  role: Role,
  password: Secret,
  options: { shut: boolean },
): Promise<void> {
  const { main } = session;
  await main.transaction(async () => {
    const statement = validUntil(main, PROBE_VALID_MS).then(
      (until) =>
        `alter role ${identifier(role.name)} with ${options.shut ? "nologin " : ""}password ${literal(scramVerifier(password))} valid until ${literal(until)}`,
    );
    await runQuietly(session, main, statement);
  });
}
