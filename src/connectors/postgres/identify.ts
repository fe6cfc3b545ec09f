import { z } from "zod";
import { TargetError } from "../../connector/connector.ts";
import type { TargetIdentity } from "../../domain/evidence.ts";
import type { Client } from "./client.ts";
import { SQLSTATE, sqlState } from "./errors.ts";

const shape = z.object({ identity: z.string(), position: z.string().nullable() });

/**
 * Which server this is: the system identifier, made by initdb and kept by physical copies, and the WAL position as a
 * decimal, which only grows. PUBLIC may call both functions on 14 to 18; who took that away is told what to give back.
 */
export async function identify(main: Client): Promise<TargetIdentity> {
  const rows = main.rows(
    shape,
    `select 'postgres:' || system_identifier::text as identity,
            ((case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end) - '0/0'::pg_lsn)::text
              as position
       from pg_control_system()`,
  );
  const [row] = await rows.catch((error: unknown) => {
    if (sqlState(error) !== SQLSTATE.notPermitted) throw error;
    throw new TargetError(
      "not-permitted",
      `the admin login may not ask ${main.where} who it is: GRANT EXECUTE ON FUNCTION pg_control_system() TO that login`,
      { cause: error },
    );
  });
  if (row === undefined) throw new TargetError("failed", `${main.where} does not tell its system identifier`);
  return row;
}
