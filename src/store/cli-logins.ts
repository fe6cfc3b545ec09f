/** Sign-ins that a command line has begun. What it holds is kept as a hash; what the provider gave us for it, encrypted under that. */
import { createHash } from "node:crypto";
import { type Expression, type SqlBool, sql } from "kysely";
import type { SessionId } from "../base/ids.ts";
import { hashToken } from "../base/token.ts";
import type { Db, Tx } from "./db.ts";
import { decrypt, encrypt } from "./sealed.ts";

export type CliLogin = {
  readonly hash: string;
  /** RFC 7636, S256: who began it shows what it was made of. */
  readonly challenge: string;
  readonly provider: string;
  readonly agent: string;
  readonly deviceCode: string | null;
  readonly browserSession: SessionId | null;
  readonly over: "used" | "expired" | null;
  /** What came of it. */
  readonly session: SessionId | null;
};

type Begun = Pick<CliLogin, "challenge" | "provider" | "agent"> & {
  readonly keptMs: number;
} & ({ readonly deviceCode: string; readonly intervalMs: number } | { readonly browserSession: SessionId });

/** RFC 8628: who asks too fast waits so much longer each time from then on. */
const SLOWER_MS = 5_000;
/** What has long been over is forgotten on the way; until then it is known that it was used. */
const KEPT_AFTER = "1 day";

const after = (ms: number) => sql<string>`clock_timestamp() + ${ms} * interval '1 millisecond'`;

/** `secret` is what the command line holds. */
export async function putLogin(db: Db, secret: string, begun: Begun): Promise<void> {
  await db
    .deleteFrom("cli_logins")
    .where(sql<SqlBool>`expires_at < clock_timestamp() - ${KEPT_AFTER}::interval`)
    .execute();
  const { challenge, provider, agent, keptMs } = begun;
  const hash = hashToken(secret);
  const how =
    "deviceCode" in begun
      ? {
          device_code: encrypt(keyOf(secret), Buffer.from(begun.deviceCode), hash),
          interval_ms: begun.intervalMs,
          next_poll_at: after(begun.intervalMs),
        }
      : { browser_session: begun.browserSession };
  await db
    .insertInto("cli_logins")
    .values({ hash, challenge, provider, agent, expires_at: after(keptMs), ...how })
    .execute();
}

export async function findLogin(db: Db, secret: string): Promise<CliLogin | null> {
  const row = await db
    .selectFrom("cli_logins")
    .selectAll()
    .select(sql<boolean>`expires_at <= clock_timestamp()`.as("expired"))
    .where("hash", "=", hashToken(secret))
    .executeTakeFirst();
  const deviceCode = row?.device_code == null ? null : opened(secret, row.device_code, row.hash);
  if (row === undefined || (row.device_code !== null && deviceCode === null)) return null;
  return {
    hash: row.hash,
    challenge: row.challenge,
    provider: row.provider,
    agent: row.agent,
    deviceCode,
    browserSession: row.browser_session as SessionId | null,
    over: row.used_at !== null ? "used" : row.expired ? "expired" : null,
    session: row.session as SessionId | null,
  };
}

/** Null: it is not what was put there for this login. */
function opened(secret: string, sealed: Buffer, hash: string): string | null {
  try {
    return decrypt(keyOf(secret), sealed, hash).toString();
  } catch {
    return null;
  }
}

const keyOf = (secret: string): Buffer => createHash("sha256").update(`tidegate login\n${secret}`).digest();

const isOpen: Expression<SqlBool> = sql<SqlBool>`used_at is null and expires_at > clock_timestamp()`;

/** Whether it may ask the provider now. If it came too early it may ask less often from now on. */
export async function takeTurn(
  db: Db,
  hash: string,
): Promise<{ readonly inTime: boolean; readonly intervalMs: number }> {
  const row = await db
    .with("before", (w) =>
      w
        .selectFrom("cli_logins")
        .select([
          "hash",
          sql<number>`case when next_poll_at > clock_timestamp() then ${SLOWER_MS} else 0 end`.as("more"),
        ])
        .where("hash", "=", hash)
        .forUpdate(),
    )
    .updateTable("cli_logins as l")
    .from("before as b")
    .set({
      interval_ms: sql`l.interval_ms + b.more`,
      next_poll_at: sql`clock_timestamp() + (l.interval_ms + b.more) * interval '1 millisecond'`,
    })
    .whereRef("l.hash", "=", "b.hash")
    .returning(["l.interval_ms", "b.more"])
    .executeTakeFirstOrThrow();
  return { inTime: Number(row.more) === 0, intervalMs: row.interval_ms ?? SLOWER_MS };
}

/** The provider itself was asked too fast. Answers how long to wait from now on. */
export async function slowDown(db: Db, hash: string): Promise<number> {
  const row = await db
    .updateTable("cli_logins")
    .set({
      interval_ms: sql`interval_ms + ${SLOWER_MS}`,
      next_poll_at: sql`clock_timestamp() + (interval_ms + ${SLOWER_MS}) * interval '1 millisecond'`,
    })
    .where("hash", "=", hash)
    .returning("interval_ms")
    .executeTakeFirstOrThrow();
  return row.interval_ms ?? SLOWER_MS;
}

/** It signs somebody in, once: false where it has already, or is over. */
export async function useLogin(tx: Tx, hash: string, session: SessionId): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("cli_logins")
    .set({ used_at: sql`clock_timestamp()`, session })
    .where("hash", "=", hash)
    .where(isOpen)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** It came to nothing. */
export async function endLogin(db: Db, hash: string): Promise<void> {
  await db
    .updateTable("cli_logins")
    .set({ used_at: sql`clock_timestamp()` })
    .where("hash", "=", hash)
    .where(isOpen)
    .execute();
}
