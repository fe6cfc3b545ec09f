/**
 * Taking access away. The order matters, and was measured on 14 to 18: a session goes on past VALID UNTIL, NOLOGIN and
 * DROP ROLE; NOLOGIN and ending sessions in *one* transaction let a new login in between; DROP OWNED destroys what
 * REASSIGN OWNED could not move. So: shut the login and commit; see that it is shut; end sessions until none is left;
 * roll back what was prepared; only then hand on what the role owns, drop the role, and look for sessions once more.
 */
import { randomBytes } from "node:crypto";
import { failpoint } from "../../base/failpoint.ts";
import { Secret } from "../../base/secret.ts";
import { type Order, TargetError } from "../../connector/connector.ts";
import type { Observation } from "../../domain/evidence.ts";
import { cleanUp } from "./clean-up.ts";
import { endSessions } from "./end-sessions.ts";
import { findLogin, loginObservation, rememberedOid, rememberRefusals } from "./find-login.ts";
import { collectGroup } from "./group-role.ts";
import { takePassword } from "./login-role.ts";
import { type Names, recordedNames } from "./names.ts";
import { rollBackPrepared } from "./prepared.ts";
import { identifier } from "./quote.ts";
import { joinRole, type Role } from "./roles.ts";
import { isManaged, type PostgresScope } from "./scope.ts";
import { awaitReplay, type Session, walPosition } from "./session.ts";

const PASSWORD_BYTES = 24;

/** A password for a login that must be refused; it is never kept. */
export const throwAwayPassword = (): Secret => new Secret(randomBytes(PASSWORD_BYTES).toString("base64url"));

export async function revoke(session: Session, order: Order<PostgresScope>, options: { keep: boolean }): Promise<void> {
  const names = recordedNames(order);
  const role = await findLogin(session.main, order, names);
  const oid = role?.oid ?? rememberedOid(order);
  // Once the role is dropped, only its OID finds a session that is left: it must be known before anything is undone.
  if (role !== null && rememberedOid(order) !== role.oid) await order.remember({ oid: role.oid });
  if (role !== null) await cutAndRemove(session, order, names, role);
  if (oid !== null) {
    // One that somehow outlived the role; or the role was dropped by somebody else, who thought that ends sessions.
    await endSessions(session, oid, 1);
    await rollBackPrepared(session, { oid, name: null });
  }
  await failpoint("postgres.revoke.before-collect");
  // Access is gone. A group that cannot be collected gives nobody anything, but the reason must be told.
  if (isManaged(order.scope) && !options.keep) await collectGroup(session, order, names, order.scope);
}

/** What cutting a login needs to know: a database to try it in, and where to keep how it was refused. */
type Cut = { readonly scope: { readonly database: string }; readonly remember: Order<PostgresScope>["remember"] };

export async function cutAndRemove(session: Session, order: Cut, names: Names, role: Role): Promise<void> {
  const password = throwAwayPassword();
  await joinRole(session, session.main, role);
  await failpoint("postgres.revoke.before-shut");
  await takePassword(session, role, password, { shut: true });
  await failpoint("postgres.revoke.after-shut");
  const position = await walPosition(session.main);
  const { open, refused } = await tryEverywhere(session, order, role, password, position);
  // Once the role is dropped nobody can see this refusal again; it belongs to the receipt.
  await rememberRefusals(order, refused);
  await failpoint("postgres.revoke.after-refusal");
  // A session that was signing in when NOLOGIN was committed shows up a moment later: so none must be seen twice.
  await endSessions(session, role.oid, 2);
  await failpoint("postgres.revoke.after-sessions");
  if (open.length > 0)
    throw new TargetError(
      "failed",
      `role ${role.name} could still sign in at ${open.join(", ")} after NOLOGIN; its sessions were ended`,
    );
  await rollBackPrepared(session, role);
  await failpoint("postgres.revoke.after-prepared");
  await cleanUp(session, role, names);
  await failpoint("postgres.revoke.before-drop");
  await session.main.run(`drop role ${identifier(role.name)}`);
  await failpoint("postgres.revoke.after-drop");
}

/**
 * Signs in to every endpoint with the shut role: where it could all the same, and what the others answered. An answer
 * that proves nothing is left to the probe.
 */
async function tryEverywhere(
  session: Session,
  order: Cut,
  role: Role,
  password: Secret,
  position: string,
): Promise<{ open: string[]; refused: Observation[] }> {
  const open: string[] = [];
  const refused: Observation[] = [];
  for (const { endpoint, open: connect } of session.endpoints()) {
    // An endpoint that does not answer is told by endSessions, after the others were dealt with.
    const behind = await connect()
      .then((client) => awaitReplay(client, position))
      .then(
        () => false,
        () => true,
      );
    if (behind) continue;
    const where = `${endpoint.host}:${endpoint.port}`;
    const answer = await session.login(endpoint, role.name, password, order.scope.database);
    if (answer.result === "live") open.push(where);
    if (answer.result === "refused") refused.push(loginObservation(where, answer));
  }
  return { open, refused };
}
