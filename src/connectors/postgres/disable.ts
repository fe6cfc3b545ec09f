/**
 * Shutting a login without undoing anything: NOLOGIN, committed, then its sessions ended wherever they are. It is the
 * first half of `revoke`, for when our own store is away and only what takes access away may happen. Role, rights,
 * objects and prepared transactions stay as they are: `revoke` needs them, and `probe` reads its proof off the role.
 */
import { failpoint } from "../../base/failpoint.ts";
import { type Order, TargetError } from "../../connector/connector.ts";
import { endSessions } from "./end-sessions.ts";
import { findLogin, rememberedOid } from "./find-login.ts";
import { recordedNames } from "./names.ts";
import { identifier } from "./quote.ts";
import { joinRole } from "./roles.ts";
import type { PostgresScope } from "./scope.ts";
import { awaitReplay, type Session, walPosition } from "./session.ts";

export async function disable(session: Session, order: Order<PostgresScope>): Promise<void> {
  const { main } = session;
  const role = await findLogin(main, order, recordedNames(order));
  if (role === null) {
    // Dropped by somebody: that ends no session.
    const oid = rememberedOid(order);
    if (oid !== null) await endSessions(session, oid, 2);
    return;
  }
  await joinRole(session, main, role);
  // Its own transaction: in one with the ending of sessions, a login in between would be let in.
  await main.run(`alter role ${identifier(role.name)} with nologin`);
  await failpoint("postgres.disable.after-shut");
  const behind = await standbysBehind(session);
  // One that was signing in when NOLOGIN was committed shows up a moment later: so none must be seen twice.
  await endSessions(session, role.oid, 2);
  if (behind.length > 0)
    throw new TargetError(
      "unreachable",
      `sessions were ended, but a login may still succeed where NOLOGIN has not arrived: ${behind.join("; ")}`,
    );
}

/** Waits until every endpoint shows NOLOGIN; the ones that do not come that far, and why. */
async function standbysBehind(session: Session): Promise<string[]> {
  const position = await walPosition(session.main);
  const behind: string[] = [];
  for (const { open } of session.endpoints()) {
    try {
      await awaitReplay(await open(), position);
    } catch (error) {
      if (!(error instanceof TargetError) || session.signal.aborted) throw error;
      behind.push(error.message);
    }
  }
  return behind;
}
