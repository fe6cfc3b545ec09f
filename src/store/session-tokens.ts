/** Tokens of command lines that are signed in: exchanged while their session lasts, without a moment in which none is good. */
import { sql } from "kysely";
import { hashToken, newSalt, tokenAfter } from "../base/token.ts";
import type { Db } from "./db.ts";
import { inForce, shownBy } from "./sign-in-sessions.ts";

export type HeldToken = { readonly token: string; readonly tokenExpiresMs: number; readonly sessionExpiresMs: number };

/**
 * The token that comes after this one. The same again for whoever asks again, as when the answer was lost or two commands
 * asked at once; this one goes on being taken until the new one was seen. Null where the session is over.
 */
export function exchangeToken(db: Db, token: string, lifeMs: number): Promise<HeldToken | null> {
  const hash = hashToken(token);
  return db.transaction().execute(async (tx) => {
    const row = await inForce(tx)
      .innerJoin("principals as p", "p.id", "s.principal_id")
      .selectAll("s")
      .select(sql<boolean>`coalesce(s.former_until > clock_timestamp(), false)`.as("is_new"))
      .where("s.kind", "=", "cli")
      .where("p.active", "=", true)
      .where(shownBy(hash))
      .forUpdate("s")
      .executeTakeFirst();
    if (row === undefined) return null;
    const held = (now: string, tokenExpiresMs: number): HeldToken => ({
      token: now,
      tokenExpiresMs,
      sessionExpiresMs: row.expires_at,
    });
    if (row.hash !== hash) return held(tokenAfter(token, row.salt ?? ""), row.token_expires_at ?? 0);
    // A second exchange would end the token of calls that are still under way.
    if (row.is_new) return held(token, row.token_expires_at ?? 0);
    const salt = newSalt();
    const next = tokenAfter(token, salt);
    const changed = await tx
      .updateTable("sign_in_sessions")
      .set({
        ...{ hash: hashToken(next), former_hash: hash, former_until: null, salt },
        seen_at: sql`clock_timestamp()`,
        token_expires_at: sql`least(expires_at, clock_timestamp() + ${lifeMs} * interval '1 millisecond')`,
      })
      .where("id", "=", row.id)
      .returning("token_expires_at")
      .executeTakeFirstOrThrow();
    return held(next, changed.token_expires_at ?? 0);
  });
}

/** Why nobody is let in with the token that has this hash; null where it was never one. */
export async function whyNotTaken(db: Db, hash: string): Promise<"ended" | "exchanged" | "expired" | null> {
  const row = await db
    .selectFrom("sign_in_sessions")
    .select(["hash", "ended_at"])
    .where((w) => w.or([w("hash", "=", hash), w("former_hash", "=", hash)]))
    .where("kind", "=", "cli")
    .executeTakeFirst();
  if (row === undefined) return null;
  if (row.ended_at !== null) return "ended";
  return row.hash === hash ? "expired" : "exchanged";
}
