/** A browser or a command line is signed in no more: its person says so, an admin, the provider, or another sign-in in its place. */
import type { PrincipalId, SessionId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import type { EntryActor } from "../domain/audit.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import {
  endSessionRow,
  type SignInSession,
  sessionByHash,
  sessionById,
  sessionsAtProvider,
  sessionsOf,
} from "../store/sign-in-sessions.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Context } from "./context.ts";
import { type IdempotencyKey, transact, type Work } from "./transact.ts";

type Ended = { readonly session: SessionId; readonly principalId: PrincipalId };

/** One's own; of others for admins. What is over already is not there. */
export function endSession(
  context: Context,
  by: Principal,
  id: SessionId,
  idempotency: IdempotencyKey | null = null,
): Promise<Ended | Refusal> {
  const acting = { operation: "end-session", actor: { principal: by.id }, idempotency };
  return transact<Ended, SqlTx>(context, acting, async (work) => {
    const session = await sessionById(work.tx.sql, id);
    if (session === null || (session.principalId !== by.id && !hasRole(by, "admin")))
      return refuse("not-found", "There is no such session, or it is over.");
    const nowMs = await work.tx.nowMs();
    await end(work, session, { principal: by.id }, "signed out", nowMs);
    return { session: id, principalId: session.principalId };
  });
}

/** Within a larger change: the session whose cookie has this hash, where it is still good. */
export async function endSessionIn(
  work: Work<SqlTx>,
  hash: string,
  by: PrincipalId,
  because: string,
  nowMs: number,
): Promise<void> {
  const session = await sessionByHash(work.tx.sql, hash);
  if (session !== null) await end(work, session, { principal: by }, because, nowMs);
}

/** What signs in once was used twice: nobody can tell whose the session is. */
export function endTwiceUsed(context: Context, id: SessionId): Promise<null | Refusal> {
  const acting = { operation: "end-session", actor: { system: "identity" } as const };
  return transact<null, SqlTx>(context, acting, async (work) => {
    const session = await sessionById(work.tx.sql, id);
    if (session !== null) await end(work, session, acting.actor, "its sign-in was used twice", await work.tx.nowMs());
    return null;
  });
}

/** The provider says that somebody has signed out there. Answers how many of their sessions ended here. */
export function endAtProvider(
  context: Context,
  said: { issuer: string; subject: string | null; session: string | null; beganByMs: number },
): Promise<number | Refusal> {
  const acting = { operation: "end-at-provider", actor: { system: "identity" } as const };
  return transact<number, SqlTx>(context, acting, async (work) => {
    const sessions = await sessionsAtProvider(work.tx.sql, said);
    const nowMs = await work.tx.nowMs();
    for (const session of sessions) await end(work, session, acting.actor, "signed out at the provider", nowMs);
    return sessions.length;
  });
}

/** Within a larger change: all that somebody had by then, whatever they signed in through. Answers how many. */
export async function endSessionsOf(
  work: Work<SqlTx>,
  id: PrincipalId,
  beganByMs: number,
  actor: EntryActor,
  because: string,
  nowMs: number,
): Promise<number> {
  const sessions = (await sessionsOf(work.tx.sql, id)).filter(({ createdMs }) => createdMs <= beganByMs);
  for (const session of sessions) await end(work, session, actor, because, nowMs);
  return sessions.length;
}

async function end(
  { tx, apply }: Work<SqlTx>,
  { id, principalId, provider }: SignInSession,
  actor: EntryActor,
  because: string,
  nowMs: number,
): Promise<void> {
  if (!(await endSessionRow(tx.sql, id, nowMs))) return;
  const data = { session: id, provider, because };
  await apply({ entries: [{ kind: "session.ended", actor, refs: { principal: principalId }, data }] }, nowMs);
}
