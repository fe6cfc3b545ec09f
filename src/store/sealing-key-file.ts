/** Where the sealing key comes from: the environment, a file that is named, else a file of the data folder made at the first start. */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Db } from "./db.ts";
import { type SealingKey, sealingKey } from "./sealed.ts";

/**
 * `TIDEGATE_SEALING_KEY` (32 bytes, base64), or `TIDEGATE_SEALING_KEY_FILE`, or `DIR/keys/sealing.key` (0600). Every
 * replica on one store needs the same key.
 */
export function loadSealingKey(dataDir: string, env: Readonly<Record<string, string | undefined>>): SealingKey {
  const given = env["TIDEGATE_SEALING_KEY"];
  if (given !== undefined) return parse(given, "TIDEGATE_SEALING_KEY");
  const named = env["TIDEGATE_SEALING_KEY_FILE"];
  if (named !== undefined) return parse(readFileSync(named, "utf8"), named);
  const path = join(dataDir, "keys", "sealing.key");
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    chmodSync(dirname(path), 0o700);
    // Exclusive: of two processes that start at once, one makes the key and the other reads it.
    try {
      writeFileSync(path, `${randomBytes(32).toString("base64")}\n`, { mode: 0o600, flag: "wx", flush: true });
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
  }
  return parse(readFileSync(path, "utf8"), path);
}

function parse(text: string, where: string): SealingKey {
  const bytes = Buffer.from(text.trim(), "base64");
  if (bytes.length !== 32)
    throw new Error(
      `${where} does not hold a sealing key: 32 bytes in base64 are expected ("openssl rand -base64 32" makes one).`,
    );
  return sealingKey(bytes);
}

/** Refuses to start with a key that cannot open what the store holds: better said now than at the first revocation. */
export async function checkSealingKey(db: Db, key: SealingKey): Promise<void> {
  const other = await db
    .selectFrom("sealed_secrets")
    .select("key_id")
    .where("key_id", "<>", key.id)
    .limit(1)
    .executeTakeFirst();
  if (other !== undefined)
    throw new Error(
      `The store holds secrets sealed with key ${other.key_id}, but the sealing key in use is ${key.id}. Start with the key that was used before (DIR/keys/sealing.key, TIDEGATE_SEALING_KEY or TIDEGATE_SEALING_KEY_FILE).`,
    );
}
