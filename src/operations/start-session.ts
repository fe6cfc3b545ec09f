/** Within a larger change: a session for the browser in which somebody signed in, or for the command line that had begun it. */
import { type PrincipalId, type SessionId, sessionId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import { notLater, type SeenByProvider } from "../domain/authentication.ts";
import type { Identity } from "../domain/identity.ts";
import { useLogin } from "../store/cli-logins.ts";
import { putSession, type SignInSession } from "../store/sign-in-sessions.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import { endSessionIn } from "./end-session.ts";
import type { Work } from "./transact.ts";

/** A token of a command line is exchanged for another before it is this old. */
export const TOKEN_MS = 3_600_000;

export type NewSession = {
  /** Of the new cookie or token. */
  readonly hash: string;
  /** Of the one that was sent with it: that session ends, so that none outlives a change of who uses it. */
  readonly formerHash: string | null;
  readonly userAgent: string;
  /** The sign-in that a command line began; null: a browser's. */
  readonly login: string | null;
};

export type SignedIn = { readonly principalId: PrincipalId; readonly session: SessionId; readonly expiresMs: number };

/** Who that is, at which provider, and until when at the longest. */
type Through = Pick<
  SignInSession,
  "principalId" | "provider" | "issuer" | "subject" | "providerSession" | "expiresMs"
> & {
  readonly authentication: SeenByProvider;
};

export const LOGIN_OVER = refuse(
  "sign-in-expired",
  "This sign-in is not under way, has taken too long, was used already, or is another command line's. Begin again: tidegate login.",
);

export async function startSession(
  work: Work<SqlTx>,
  { sessions }: Identity,
  { hash, formerHash, userAgent, login }: NewSession,
  through: Through,
): Promise<SignedIn | Refusal> {
  const { tx } = work;
  const { principalId, provider, issuer, subject, expiresMs } = through;
  const id = sessionId.make();
  if (login !== null && !(await useLogin(tx.sql, login, id))) return LOGIN_OVER;
  const nowMs = await tx.nowMs();
  if (formerHash !== null) await endSessionIn(work, formerHash, principalId, "signed in anew", nowMs);
  const kind = login === null ? "browser" : "cli";
  await putSession(tx.sql, hash, {
    ...through,
    ...{ id, kind, userAgent },
    authentication: notLater(through.authentication, nowMs),
    ...{ idleMs: sessions.idleMs, createdMs: nowMs, seenMs: nowMs },
    tokenExpiresMs: kind === "cli" ? Math.min(expiresMs, nowMs + TOKEN_MS) : null,
  });
  const entry = {
    kind: "session.started" as const,
    actor: { principal: principalId },
    refs: { principal: principalId },
    data: { session: id, kind, provider, issuer },
    personal: { subject },
  };
  await work.apply({ entries: [entry] }, nowMs);
  return { principalId, session: id, expiresMs };
}
