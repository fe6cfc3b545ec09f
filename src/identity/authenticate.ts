import { toTimestamp } from "../base/clock.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import { hashToken } from "../base/token.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { refuseInQuarantine } from "../operations/refuse-in-quarantine.ts";
import type { Db } from "../store/db.ts";
import { principalByToken, tokenExpiredMs } from "../store/principals.ts";
import { SqlLedger } from "../store/sql-ledger.ts";

const TOKEN_CHARS_MAX = 500;
/** RFC 6750: the scheme in any letter case, and a token of these characters. */
const BEARER = /^bearer +([a-z0-9._~+/-]+=*) *$/i;

/** Who sends this `Authorization` header. Looked up by the token's hash, so that how long it takes tells nothing about tokens. */
export async function authenticate(db: Db, authorization: string | undefined): Promise<Principal | Refusal> {
  if (authorization === undefined || authorization === "")
    return refuse("unauthenticated", "Send your token: Authorization: Bearer TOKEN.");
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined || token.length > TOKEN_CHARS_MAX)
    return refuse("unauthenticated", "The Authorization header is not of the form: Bearer TOKEN.");
  const hash = hashToken(token);
  const found = await principalByToken(db, hash);
  if (found === null) return refuse("unauthenticated", `This token ${await whyNot(db, hash)}.`);
  if (!found.quarantined || hasRole(found.principal, "admin")) return found.principal;
  return (await refuseInQuarantine(new SqlLedger(db))) ?? found.principal;
}

/** Whoever holds the token knows it: that it has expired tells them what to do, and nobody else anything. */
async function whyNot(db: Db, hash: string): Promise<string> {
  const expiredMs = await tokenExpiredMs(db, hash);
  return expiredMs === null ? "is unknown, has expired or was revoked" : `expired at ${toTimestamp(expiredMs)}`;
}
