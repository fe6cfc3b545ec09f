import { askTogether } from "../base/batches.ts";
import { toTimestamp } from "../base/clock.ts";
import type { SessionId, TokenId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { hashToken, isSessionToken } from "../base/token.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { refuseInQuarantine } from "../operations/refuse-in-quarantine.ts";
import type { Db } from "../store/db.ts";
import { inForceNow } from "../store/in-force.ts";
import { whyNotTaken } from "../store/session-tokens.ts";
import { principalBySession } from "../store/sign-in-sessions.ts";
import { noteUse, type ShownToken, type TokenOwner, tokenExpiredMs, tokenOwners } from "../store/tokens.ts";

const TOKEN_CHARS_MAX = 500;
/** RFC 6750: the scheme in any letter case, and a token of these characters. */
const BEARER = /^bearer +([a-z0-9._~+/-]+=*) *$/i;

/** Who calls, and the session or the token by which they are known. */
export type Caller = {
  readonly principal: Principal;
  readonly session: SessionId | null;
  readonly token: ShownToken | null;
};

/** The token in this header; null where there is none. */
export function bearerOf(authorization: string | undefined): string | null {
  const token = BEARER.exec(authorization ?? "")?.[1];
  return token === undefined || token.length > TOKEN_CHARS_MAX ? null : token;
}

/** Looks up whom a token belongs to, by its hash. */
export type OwnerOf = (hash: string) => Promise<TokenOwner | undefined>;

/** Of all who come at the same moment at once. */
export const ownersTogether = (db: Db): OwnerOf =>
  askTogether((hashes: readonly string[]) => tokenOwners(db, hashes), { most: 100, lateMs: 250 });

/** Who sends this `Authorization` header. Looked up by the token's hash, so that how long it takes tells nothing about tokens. */
export async function authenticate(
  db: Db,
  ownerOf: OwnerOf,
  authorization: string | undefined,
): Promise<Caller | Refusal> {
  if (authorization === undefined || authorization === "")
    return refuse("unauthenticated", "Send your token: Authorization: Bearer TOKEN.");
  const token = bearerOf(authorization);
  if (token === null) return refuse("unauthenticated", "The Authorization header is not of the form: Bearer TOKEN.");
  const hash = hashToken(token);
  if (isSessionToken(token)) {
    const session = await principalBySession(db, hash, "cli");
    if (session === null) return signedInNoMore(db, hash);
    const { version: _, ...known } = session;
    return orInQuarantine(db, { ...known, token: null });
  }
  const found = await ownerOf(hash);
  if (found === undefined) return refuse("unauthenticated", `This token ${await whyNot(db, hash)}.`);
  const { toNote, ...known } = found;
  if (toNote) note(db, known.token.id);
  return orInQuarantine(db, { ...known, session: null });
}

/** Whose browser sends this cookie. */
export async function authenticateSession(db: Db, cookie: string): Promise<Caller | Refusal> {
  const found = await callerInOneLook(db, cookie);
  return isRefusal(found) ? found : found.caller;
}

/** The same, and which version of the configuration is active: one question of the store answers both. */
export async function callerInOneLook(
  db: Db,
  cookie: string,
): Promise<{ readonly caller: Caller; readonly version: number | null } | Refusal> {
  const found = cookie.length > TOKEN_CHARS_MAX ? null : await principalBySession(db, hashToken(cookie), "browser");
  if (found === null) return refuse("unauthenticated", "You are not signed in any more. Sign in again: /auth/sign-in.");
  const { version, ...known } = found;
  const caller = await orInQuarantine(db, { ...known, token: null });
  return isRefusal(caller) ? caller : { caller, version };
}

const noting = new Set<TokenId>();
/** Beside the call, which waits for nothing: one that could not be noted is noted with the next. */
function note(db: Db, id: TokenId): void {
  if (noting.has(id)) return;
  noting.add(id);
  noteUse(db, id)
    .catch(() => undefined)
    .finally(() => noting.delete(id));
}

async function orInQuarantine(
  db: Db,
  { quarantined, ...caller }: Caller & { readonly quarantined: boolean },
): Promise<Caller | Refusal> {
  if (!quarantined || hasRole(caller.principal, "admin")) return caller;
  return refuseInQuarantine(await inForceNow(db)) ?? caller;
}

const WHY_NOT = {
  ended: "its session was ended",
  exchanged: "it was exchanged for a newer one; if that was not you, signing in anew ends the other",
  expired: "it has expired",
};

/** Whoever holds the token of a command line is told what became of it. */
export async function signedInNoMore(db: Db, hash: string): Promise<Refusal> {
  const why = await whyNotTaken(db, hash);
  return refuse(
    "unauthenticated",
    `This token is not taken${why === null ? "" : `: ${WHY_NOT[why]}`}. Sign in again: tidegate login.`,
  );
}

/** Whoever holds the token knows it: that it has expired tells them what to do, and nobody else anything. */
async function whyNot(db: Db, hash: string): Promise<string> {
  const expiredMs = await tokenExpiredMs(db, hash);
  return expiredMs === null ? "is unknown, has expired or was revoked" : `expired at ${toTimestamp(expiredMs)}`;
}
