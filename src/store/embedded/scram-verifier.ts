import { createHash, createHmac, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";

/** PostgreSQL's own default. */
const ITERATIONS = 4096;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

/**
 * What PostgreSQL stores for a password, for use in CREATE ROLE … PASSWORD. The password itself then never reaches the
 * server, and so never its log. Shape: `SCRAM-SHA-256$iterations:salt$storedKey:serverKey` (RFC 5803).
 */
export async function scramVerifier(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  // SASLprep (RFC 4013) as the driver `pg` does it; nothing changes for ASCII.
  const prepared = password.normalize("NFKC");
  const salted = await promisify(pbkdf2)(prepared, salt, ITERATIONS, KEY_BYTES, "sha256");
  const key = (name: string): Buffer => createHmac("sha256", salted).update(name).digest();
  const storedKey = createHash("sha256").update(key("Client Key")).digest("base64");
  const serverKey = key("Server Key").toString("base64");
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}
