/** Standbys: those that are configured answer and are of the same server, and none is forgotten. */
import { z } from "zod";
import { type Finding, unknown, warns, well, wrong } from "../../../base/finding.ts";
import { TargetError } from "../../../connector/connector.ts";
import { identify } from "../identify.ts";
import { identifier } from "../quote.ts";
import type { Session } from "../session.ts";

/** Sessions are proven ended on a standby only once it has replayed that far; see `awaitReplay`. */
const LAG_SECONDS_MAX = 5;

const lagShape = z.object({ standby: z.boolean(), lagSeconds: z.number() });

export async function endpointFindings(session: Session, database: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  const main = (await identify(session.main)).identity;
  let standbys = 0;
  for (const { endpoint, open } of session.endpoints().slice(1)) {
    const check = `endpoint ${endpoint.host}:${endpoint.port}`;
    try {
      const client = await open();
      if ((await identify(client)).identity !== main) {
        findings.push(
          wrong(check, "is another server, not a copy of the main one", "Correct or remove it under endpoints."),
        );
        continue;
      }
      const [row] = await client.rows(
        lagShape,
        `select pg_is_in_recovery() as standby,
                case when pg_is_in_recovery() and pg_last_wal_receive_lsn() is distinct from pg_last_wal_replay_lsn()
                     then coalesce(extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()), 0) else 0 end::float8 as "lagSeconds"`,
      );
      if (row?.standby === true) standbys += 1;
      findings.push(
        (row?.lagSeconds ?? 0) > LAG_SECONDS_MAX
          ? warns(
              check,
              `is ${Math.round(row?.lagSeconds ?? 0)} s behind; proofs there wait for it`,
              "See why replay is slow on that standby.",
            )
          : well(check, row?.standby === true ? "a standby that keeps up" : "another way in to the main server"),
      );
    } catch (error) {
      if (!(error instanceof TargetError)) throw error;
      findings.push(
        wrong(
          check,
          error.message,
          "Mend it, or remove it under endpoints: until then no grant here can be proven ended.",
        ),
      );
    }
  }
  return [...findings, await forgotten(session, standbys, database)];
}

const replicasShape = z.object({ seen: z.boolean(), count: z.number() });

async function forgotten(session: Session, configured: number, database: string): Promise<Finding> {
  const check = "every standby is configured";
  const [row] = await session.main.rows(
    replicasShape,
    `select rolsuper or pg_has_role('pg_read_all_stats', 'USAGE') as seen,
            (select count(*)::int from pg_stat_get_wal_senders() where state = 'streaming') as count
       from pg_roles where rolname = current_user`,
  );
  if (row?.seen !== true)
    return unknown(
      check,
      `${session.admin.name} may not see who replicates`,
      `To let doctor look: GRANT pg_read_all_stats TO ${identifier(session.admin.name)};`,
    );
  if (row.count <= configured) return well(check, `${row.count} replicate, ${configured} configured`);
  return warns(
    check,
    `${row.count} replicate, ${configured} configured: sessions that people open on the others would not be ended`,
    `Name each standby that people can reach under endpoints, such as postgres://standby.example.com:5432/${database}`,
  );
}
