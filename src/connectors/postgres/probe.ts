/**
 * Whether access is really gone. While the role exists the proof is a sign-in that the server refuses *because the role
 * may not log in*; once it is dropped, the catalogs, by name and by OID. An answer that proves neither is `unknown`.
 */
import type { Order, Probe } from "../../connector/connector.ts";
import { TargetError } from "../../connector/connector.ts";
import type { Observation } from "../../domain/evidence.ts";
import { ownedBy, placesOf } from "./clean-up.ts";
import type { Client } from "./client.ts";
import { sessionsOf } from "./end-sessions.ts";
import { findLogin, loginObservation, rememberedOid, rememberedRefusals } from "./find-login.ts";
import { countMembers } from "./group-role.ts";
import { takePassword } from "./login-role.ts";
import { groupMark, type Names, recordedNames } from "./names.ts";
import { preparedBy } from "./prepared.ts";
import { throwAwayPassword } from "./revoke.ts";
import { findRole, type Role } from "./roles.ts";
import { isManaged, type PostgresScope } from "./scope.ts";
import { awaitReplay, type Session, walPosition } from "./session.ts";

type Verdict = Probe["own"];
type Finding = { readonly verdict: Verdict; readonly observation: Observation };

export async function probe(session: Session, order: Order<PostgresScope>): Promise<Probe> {
  const names = recordedNames(order);
  const found = await look(session, order, names);
  if (found === null) {
    // Nothing of it changes anything: all is asked at once.
    const [findings, group] = await Promise.all([
      probeAbsent(session, rememberedOid(order), names.role),
      groupRemains(session, order, names),
    ]);
    return summed(findings, group, rememberedRefusals(order));
  }
  const findings = found === "foreign" ? [strangerFound(names)] : await probeRole(session, order, found);
  const ofRole = found === "foreign" ? [] : await roleRemains(session, found);
  return summed(findings, [...ofRole, ...(await groupRemains(session, order, names))]);
}

/** The worst of what was found counts. */
export function summed(
  findings: readonly Finding[],
  remains: readonly string[],
  before: readonly Observation[] = [],
): Probe {
  const own = worst(findings.map((finding) => finding.verdict));
  // Each grant has its own login here: its credential and its right are the same thing.
  return { own, right: own, remains, observations: [...before, ...findings.map((finding) => finding.observation)] };
}

async function look(session: Session, order: Order<PostgresScope>, names: Names): Promise<Role | null | "foreign"> {
  return findLogin(session.main, order, names).catch((error: unknown) => {
    if (error instanceof TargetError && error.code === "conflict") return "foreign";
    throw error;
  });
}

const worst = (verdicts: readonly Verdict[]): Verdict =>
  verdicts.includes("live") ? "live" : verdicts.includes("unknown") ? "unknown" : "gone";

const strangerFound = (names: Names): Finding => ({
  verdict: "unknown",
  observation: {
    check: "role",
    saw: `${names.role} is there without this grant's mark: somebody else's, or the mark was taken away`,
  },
});

/** The role is there: try to sign in with it, everywhere. */
async function probeRole(session: Session, order: Order<PostgresScope>, role: Role): Promise<Finding[]> {
  // The grant has ended when this is called (revoking, or confirming later); never probe a grant that should work.
  const password = throwAwayPassword();
  await takePassword(session, role, password, { shut: false });
  const position = await walPosition(session.main);
  const findings: Finding[] = [];
  for (const { endpoint, open } of session.endpoints()) {
    const where = `${endpoint.host}:${endpoint.port}`;
    findings.push(
      ...(await atEndpoint(where, async () => {
        const client = await open();
        // Sessions first: the sign-in below would be one of them, should it work.
        const sessions = await findSessions(client, where, role.oid);
        await awaitReplay(client, position);
        const answer = await session.login(endpoint, role.name, password, order.scope.database);
        const verdict: Verdict = answer.result === "refused" ? "gone" : answer.result;
        return [{ verdict, observation: loginObservation(where, answer) }, sessions];
      })),
    );
  }
  findings.push(await findPrepared(session.main, role.oid));
  return findings;
}

/** The role is gone: nothing by its name or OID may be left. */
export async function probeAbsent(session: Session, oid: number | null, name: string): Promise<Finding[]> {
  const [atEndpoints, ofOid] = await Promise.all([
    absentAtEndpoints(session, oid, name),
    oid === null ? [] : nothingByOid(session.main, oid),
  ]);
  return [...atEndpoints, ...ofOid];
}

async function absentAtEndpoints(session: Session, oid: number | null, name: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { endpoint, open } of session.endpoints()) {
    const where = `${endpoint.host}:${endpoint.port}`;
    findings.push(
      ...(await atEndpoint(where, async () => {
        const client = await open();
        // Its OID is remembered before a login is ever committed: without one there was none, and so no session of it.
        const [there, sessions] = await Promise.all([
          findRole(client, name),
          oid === null ? [] : findSessions(client, where, oid).then((one) => [one]),
        ]);
        const role: Finding = {
          // Only a standby can still show it, while it has not replayed the DROP.
          verdict: there === null ? "gone" : "unknown",
          observation: {
            check: `role ${name} at ${where}`,
            saw: there === null ? "absent" : "still there: not replayed yet",
          },
        };
        return [role, ...sessions];
      })),
    );
  }
  return findings;
}

async function nothingByOid(main: Client, oid: number): Promise<Finding[]> {
  const [prepared, places] = await Promise.all([findPrepared(main, oid), placesOf(main, oid)]);
  return [
    prepared,
    {
      verdict: places.length === 0 ? "gone" : "unknown",
      observation: {
        check: `catalogs by OID ${oid}`,
        saw:
          places.length === 0
            ? "no role, owner or privilege"
            : `still known in ${places.map((place) => place.database).join(", ")}`,
      },
    },
  ];
}

/** An endpoint that cannot be asked says nothing. */
const atEndpoint = (where: string, ask: () => Promise<Finding[]>): Promise<Finding[]> =>
  ask().catch((error: unknown): Finding[] => {
    if (!(error instanceof TargetError)) throw error;
    return [{ verdict: "unknown", observation: { check: `endpoint ${where}`, saw: error.message, code: error.code } }];
  });

async function findSessions(client: Client, where: string, oid: number): Promise<Finding> {
  const pids = await sessionsOf(client, oid);
  return {
    verdict: pids.length === 0 ? "gone" : "live",
    observation: {
      check: `sessions at ${where}`,
      saw: pids.length === 0 ? "none" : `live: processes ${pids.join(", ")}`,
    },
  };
}

async function findPrepared(main: Client, oid: number): Promise<Finding> {
  const prepared = await preparedBy(main, oid);
  return {
    verdict: prepared.length === 0 ? "gone" : "live",
    observation: {
      check: "prepared transactions",
      saw: prepared.length === 0 ? "none" : prepared.map((one) => `${one.gid} in ${one.database}`).join(", "),
    },
  };
}

/** What is still to clean up of the role itself. */
async function roleRemains(session: Session, role: Role): Promise<string[]> {
  const remains = [`role ${role.name} is there`];
  for (const place of await placesOf(session.main, role.oid)) {
    if (!place.owns) {
      remains.push(`has privileges in database ${place.database}`);
      continue;
    }
    const owned = await session
      .inDatabase(place.database)
      .then((client) => ownedBy(client, role.oid))
      .catch((error: unknown) => {
        if (!(error instanceof TargetError) || session.signal.aborted) throw error;
        return [`something (${error.message})`];
      });
    remains.push(...owned.map((what) => `owns ${what} in database ${place.database}`));
  }
  return remains;
}

/** A group of ours that no grant uses. */
async function groupRemains(session: Session, order: Order<PostgresScope>, names: Names): Promise<string[]> {
  if (!isManaged(order.scope)) return [];
  const group = await findRole(session.main, names.group);
  if (group === null || group.mark !== groupMark(order.installation, order.scopeHash)) return [];
  if ((await countMembers(session.main, group)) > 0) return [];
  const places = (await placesOf(session.main, group.oid)).map((place) => place.database);
  return [
    `group role ${group.name} has no member any more${places.length === 0 ? "" : `; known in database ${places.join(", ")}`}`,
  ];
}
