import { toTimestamp } from "../base/clock.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import { hashToken } from "../base/token.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { refuseInQuarantine } from "../operations/refuse-in-quarantine.ts";
import type { Db } from "../store/db.ts";
import { principalByToken, tokenExpiredMs } from "../store/principals.ts";
import { principalBySession } from "../store/sign-in-sessions.ts";
import { SqlLedger } from "../store/sql-ledger.ts";

const TOKEN_CHARS_MAX = 500;
/** RFC 6750: the scheme in any letter case, and a token of these characters. */
const BEARER = /^bearer +([a-z0-9._~+/-]+=*) *$/i;

/** The token in this header; null where there is none. */
export function bearerOf(authorization: string | undefined): string | null {
  const token = BEARER.exec(authorization ?? "")?.[1];
  return token === undefined || token.length > TOKEN_CHARS_MAX ? null : token;
}

/** Who sends this `Authorization` header. Looked up by the token's hash, so that how long it takes tells nothing about tokens. */
export async function authenticate(db: Db, authorization: string | undefined): Promise<Principal | Refusal> {
  if (authorization === undefined || authorization === "")
    return refuse("unauthenticated", "Send your token: Authorization: Bearer TOKEN.");
  const token = bearerOf(authorization);
  if (token === null) return refuse("unauthenticated", "The Authorization header is not of the form: Bearer TOKEN.");
  const hash = hashToken(token);
  const found = await principalByToken(db, hash);
  if (found === null) return refuse("unauthenticated", `This token ${await whyNot(db, hash)}.`);
  return orInQuarantine(db, found);
}

/** Whose browser sends this cookie. */
export async function authenticateSession(db: Db, cookie: string): Promise<Principal | Refusal> {
  const found = cookie.length > TOKEN_CHARS_MAX ? null : await principalBySession(db, hashToken(cookie));
  if (found === null) return refuse("unauthenticated", "You are not signed in any more. Sign in again: /auth/sign-in.");
  return orInQuarantine(db, found);
}

async function orInQuarantine(
  db: Db,
  { principal, quarantined }: { readonly principal: Principal; readonly quarantined: boolean },
): Promise<Principal | Refusal> {
  if (!quarantined || hasRole(principal, "admin")) return principal;
  return (await refuseInQuarantine(new SqlLedger(db))) ?? principal;
}

/** Whoever holds the token knows it: that it has expired tells them what to do, and nobody else anything. */
async function whyNot(db: Db, hash: string): Promise<string> {
  const expiredMs = await tokenExpiredMs(db, hash);
  return expiredMs === null ? "is unknown, has expired or was revoked" : `expired at ${toTimestamp(expiredMs)}`;
}
