import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import type { Secret } from "./secret.ts";

/** What PostgreSQL itself uses (`scram_iterations`). */
const ITERATIONS = 4096;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

/**
 * The SCRAM-SHA-256 verifier of a password, as PostgreSQL keeps it (RFC 5802, RFC 7677):
 * `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`. It is computed here so that no password is ever part of
 * a statement: what a target writes to its log can then prove a password, never give one.
 */
export function scramVerifier(password: Secret, salt: Uint8Array = randomBytes(SALT_BYTES)): string {
  // SASLprep (RFC 4013) as the driver `pg` does it; nothing changes for ASCII.
  const text = password.reveal().normalize("NFKC");
  const salted = pbkdf2Sync(text, salt, ITERATIONS, KEY_BYTES, "sha256");
  const storedKey = createHash("sha256").update(hmac(salted, "Client Key")).digest("base64");
  const serverKey = hmac(salted, "Server Key").toString("base64");
  return `SCRAM-SHA-256$${ITERATIONS}:${Buffer.from(salt).toString("base64")}$${storedKey}:${serverKey}`;
}

const hmac = (key: Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();
