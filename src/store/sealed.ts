/**
 * Secrets at rest. Each is encrypted under a key of its own (AES-256-GCM), and that key under the sealing key, which
 * lives outside the database: a lost disk or a copied backup is not a lost secret. The id and purpose are bound in, so
 * that a row moved to another place no longer opens.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { toTimestamp } from "../base/clock.ts";
import { sha256Hex } from "../base/hash.ts";
import { type SecretId, secretId } from "../base/ids.ts";
import { Secret } from "../base/secret.ts";
import type { Db, Tx } from "./db.ts";

export type SealPurpose = "credential" | "connection";

/** The sealing key with the id by which rows name it. */
export type SealingKey = { readonly id: string; readonly key: Secret<Buffer> };

/** A key from 32 bytes; its id is a fingerprint, so that the same key has the same id everywhere. */
export function sealingKey(bytes: Buffer): SealingKey {
  if (bytes.length !== 32) throw new Error(`A sealing key is 32 bytes; this one has ${bytes.length}.`);
  return {
    id: sha256Hex(Buffer.concat([Buffer.from("tidegate sealing key\n"), bytes])).slice(0, 16),
    key: new Secret(bytes),
  };
}

const IV_BYTES = 12;
const TAG_BYTES = 16;

function encrypt(key: Buffer, plain: Buffer, bound: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(bound));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]);
}

function decrypt(key: Buffer, sealed: Buffer, bound: string): Buffer {
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(bound)).setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
}

/** Seals a secret into the store and answers its id. */
export async function seal(
  tx: Tx,
  key: SealingKey,
  purpose: SealPurpose,
  secret: Secret,
  nowMs: number,
): Promise<SecretId> {
  const id = secretId.make();
  const own = randomBytes(32);
  await tx
    .insertInto("sealed_secrets")
    .values({
      id,
      purpose,
      key_id: key.id,
      wrapped_key: encrypt(key.key.reveal(), own, `${id} ${key.id}`),
      ciphertext: encrypt(own, Buffer.from(secret.reveal()), `${id} ${purpose}`),
      created_at: toTimestamp(nowMs),
    })
    .execute();
  return id;
}

/** Opens a sealed secret; null when there is none by this id (any more). Throws when the key is not the one it was sealed with. */
export async function unseal(db: Db | Tx, key: SealingKey, purpose: SealPurpose, id: SecretId): Promise<Secret | null> {
  const row = await db
    .selectFrom("sealed_secrets")
    .selectAll()
    .where("id", "=", id)
    .where("purpose", "=", purpose)
    .executeTakeFirst();
  if (row === undefined) return null;
  if (row.key_id !== key.id)
    throw new Error(
      `Secret ${id} was sealed with key ${row.key_id}; the sealing key in use is ${key.id}. Start with the earlier key.`,
    );
  const own = decrypt(key.key.reveal(), row.wrapped_key, `${id} ${row.key_id}`);
  return new Secret(decrypt(own, row.ciphertext, `${id} ${purpose}`).toString());
}

/** A sealed secret that has served is gone for good. */
export async function discard(tx: Tx, id: SecretId): Promise<void> {
  await tx.deleteFrom("sealed_secrets").where("id", "=", id).execute();
}
