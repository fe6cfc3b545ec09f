/** Ending the sessions of a role. They outlive VALID UNTIL, NOLOGIN and even DROP ROLE, so only ending them ends them. */
import { z } from "zod";
import { TargetError } from "../../connector/connector.ts";
import type { Client } from "./client.ts";
import { SQLSTATE, sqlState } from "./errors.ts";
import { pause, type Session } from "./session.ts";

/** Some five seconds. A process that is stopped by a debugger, or deep in the kernel, does not end when it is told to. */
const ROUNDS_MAX = 30;

const pidShape = z.object({ pid: z.number() });

/**
 * The role's sessions on one server, by the user who signed in: SET ROLE hides nobody. Every server process counts,
 * whatever it calls itself: an admin who may not read statistics sees no more than process, user and name of others.
 */
export const sessionsOf = async (client: Client, roleOid: number): Promise<number[]> =>
  (await client.rows(pidShape, "select pid from pg_stat_activity where usesysid = $1 order by pid", [roleOid])).map(
    (row) => row.pid,
  );

/**
 * Ends them on every endpoint, until none was seen so many times in a row; all endpoints are tried before the first
 * failure is told.
 */
export async function endSessions(session: Session, roleOid: number, zerosNeeded: number): Promise<void> {
  const failures: unknown[] = [];
  for (const { open } of session.endpoints()) {
    try {
      await endSessionsAt(await open(), roleOid, zerosNeeded);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

async function endSessionsAt(client: Client, roleOid: number, zerosNeeded: number): Promise<void> {
  let zeros = 0;
  let left = await sessionsOf(client, roleOid);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    zeros = left.length === 0 ? zeros + 1 : 0;
    if (zeros === zerosNeeded) return;
    for (const pid of left) await terminate(client, pid);
    [, left] = await Promise.all([pause(client, round), sessionsOf(client, roleOid)]);
  }
  throw new TargetError(
    "failed",
    `sessions of the role do not end on ${client.where} (processes ${left.join(", ")}); login is off. Look at those processes on the server`,
  );
}

const terminate = (client: Client, pid: number): Promise<void> =>
  client.run("select pg_terminate_backend($1)", [pid]).catch((error: unknown) => {
    if (sqlState(error) !== SQLSTATE.notPermitted) throw error;
    throw new TargetError(
      "not-permitted",
      `the admin login may not end other people's sessions on ${client.where}: GRANT pg_signal_backend TO that login (a superuser's session only a superuser may end)`,
      { cause: error },
    );
  });
