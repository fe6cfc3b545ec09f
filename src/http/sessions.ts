import { toTimestamp } from "../base/clock.ts";
import { principalId, type SessionId, sessionId } from "../base/ids.ts";
import { isRefusal, refuse } from "../base/problem.ts";
import type { SessionView } from "../contract/sessions.ts";
import { hasRole } from "../domain/principal.ts";
import { endSession } from "../operations/end-session.ts";
import { nobodyCalled } from "../operations/find-person.ts";
import { findByHandle, findPrincipal } from "../store/principals.ts";
import { type SignInSession, sessionsOf } from "../store/sign-in-sessions.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { peopleOf, toPerson } from "./people.ts";

const FOR_ADMINS = refuse("forbidden", "Sessions of others are for admins.");

export const toSessionView = (one: SignInSession, current: SessionId | null): SessionView => ({
  ...{ id: one.id, kind: one.kind, provider: one.provider, agent: one.userAgent, current: one.id === current },
  signedInAt: toTimestamp(one.createdMs),
  lastSeenAt: toTimestamp(one.seenMs),
  authenticatedAt: one.authentication.atMs === null ? null : toTimestamp(one.authentication.atMs),
  acr: one.authentication.acr,
  passkeyAt: one.passkeyMs == null ? null : toTimestamp(one.passkeyMs),
  expiresAt: toTimestamp(one.expiresMs),
});

/** Browsers and command lines in which somebody is signed in. */
export const sessionHandlers = ({ context }: ServerDeps): Handlers<"sessions"> => ({
  async list({ query: { user } }, { principal, session }) {
    if (user !== undefined && !hasRole(principal, "admin")) return FOR_ADMINS;
    const id = user === undefined ? principal.id : principalId.parse(user);
    const whom = id === null ? await findByHandle(context.db, user ?? "") : await findPrincipal(context.db, id);
    if (whom === null) return nobodyCalled(user ?? "");
    const sessions = (await sessionsOf(context.db, whom.id)).map((one) => toSessionView(one, session));
    return { status: 200, body: { person: toPerson(whom), sessions } };
  },

  async end({ params }, { principal, idempotency }) {
    const id = sessionId.parse(params.id);
    if (id === null) return refuse("not-found", "There is no such session, or it is over.");
    const ended = await endSession(context, principal, id, idempotency);
    if (isRefusal(ended)) return ended;
    const people = await peopleOf(context.db, principal, [ended.principalId]);
    return { status: 200, body: { id: ended.session, person: people(ended.principalId) } };
  },
});
