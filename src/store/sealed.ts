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

/**
 * The keys of this process. New secrets are sealed with the current one; all of them open what they sealed. The ring may
 * change while the process runs.
 */
export class KeyRing {
  #keys: readonly [SealingKey, ...SealingKey[]];

  /** The first key is the current one. */
  constructor(keys: readonly SealingKey[]) {
    this.#keys = atLeastOne(keys);
  }

  get current(): SealingKey {
    return this.#keys[0];
  }

  /** The current key first. */
  get ids(): string[] {
    return this.#keys.map(({ id }) => id);
  }

  find(id: string): SealingKey | null {
    return this.#keys.find((key) => key.id === id) ?? null;
  }

  /** From now on these; whoever holds the ring sees them at once. */
  replace(keys: readonly SealingKey[]): void {
    this.#keys = atLeastOne(keys);
  }
}

function atLeastOne(keys: readonly SealingKey[]): readonly [SealingKey, ...SealingKey[]] {
  const [current, ...others] = keys;
  if (current === undefined) throw new Error("There is no sealing key.");
  return [current, ...others];
}

/** A secret that is there and cannot be opened here: its key is not in this process's ring, or the row is damaged. */
export class CannotUnseal extends Error {
  override readonly name = "CannotUnseal";
  readonly keyId: string;

  constructor(message: string, keyId: string) {
    super(message);
    this.keyId = keyId;
  }
}

const IV_BYTES = 12;
const TAG_BYTES = 16;

export function encrypt(key: Buffer, plain: Buffer, bound: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(bound));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]);
}

export function decrypt(key: Buffer, sealed: Buffer, bound: string): Buffer {
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(bound)).setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
}

/** Seals bytes that are kept outside the store. `bound` says what they are: they open as that, and as nothing else. */
export function sealBytes(ring: KeyRing, plain: Buffer, bound: string): { keyId: string; sealed: Buffer } {
  const { id, key } = ring.current;
  return { keyId: id, sealed: encrypt(key.reveal(), plain, `${bound} ${id}`) };
}

/** Throws `CannotUnseal` when the key is not in this ring, or what is there was changed. */
export function openBytes(ring: KeyRing, keyId: string, sealed: Buffer, bound: string): Buffer {
  const key = ring.find(keyId);
  if (key === null) throw new CannotUnseal(`it is sealed with key ${keyId}, which this process does not have`, keyId);
  try {
    return decrypt(key.key.reveal(), sealed, `${bound} ${keyId}`);
  } catch {
    throw new CannotUnseal(`it does not open with key ${keyId}: it was changed`, keyId);
  }
}

/** Seals a secret into the store and answers its id. */
export async function seal(
  tx: Tx,
  ring: KeyRing,
  purpose: SealPurpose,
  secret: Secret,
  nowMs: number,
): Promise<SecretId> {
  const id = secretId.make();
  const key = ring.current;
  const own = randomBytes(32);
  await tx
    .insertInto("sealed_secrets")
    .values({
      id,
      purpose,
      key_id: key.id,
      wrapped_key: encrypt(key.key.reveal(), own, boundToKey(id, key.id)),
      ciphertext: encrypt(own, Buffer.from(secret.reveal()), `${id} ${purpose}`),
      created_at: toTimestamp(nowMs),
    })
    .execute();
  return id;
}

/**
 * Opens a sealed secret. Null when there is none by this id any more, or when its key was abandoned as lost and is not in
 * the ring. Throws `CannotUnseal` when its key may yet turn up, as during a rotation, and when the row is damaged.
 */
export async function unseal(db: Db | Tx, ring: KeyRing, purpose: SealPurpose, id: SecretId): Promise<Secret | null> {
  const row = await db
    .selectFrom("sealed_secrets")
    .selectAll()
    .where("id", "=", id)
    .where("purpose", "=", purpose)
    .executeTakeFirst();
  if (row === undefined) return null;
  const key = ring.find(row.key_id);
  if (key === null) {
    if (await isAbandoned(db, row.key_id)) return null;
    throw new CannotUnseal(
      `secret ${id} is sealed with key ${row.key_id}, which this process does not have (it has ${ring.ids.join(", ")}): give it that key, or run "tidegate keys abandon ${row.key_id}" if it is lost`,
      row.key_id,
    );
  }
  try {
    const own = decrypt(key.key.reveal(), row.wrapped_key, boundToKey(id, row.key_id));
    return new Secret(decrypt(own, row.ciphertext, `${id} ${purpose}`).toString());
  } catch {
    throw new CannotUnseal(`secret ${id} does not open with key ${row.key_id}: the row is damaged`, row.key_id);
  }
}

async function isAbandoned(db: Db | Tx, keyId: string): Promise<boolean> {
  const row = await db.selectFrom("abandoned_keys").select("key_id").where("key_id", "=", keyId).executeTakeFirst();
  return row !== undefined;
}

/** A row of sealed secrets that was read already; null where it does not open here. */
export function openRow(
  ring: KeyRing,
  row: { id: string; purpose: string; key_id: string; wrapped_key: Buffer; ciphertext: Buffer },
): Secret | null {
  const key = ring.find(row.key_id);
  if (key === null) return null;
  try {
    const own = decrypt(key.key.reveal(), row.wrapped_key, boundToKey(row.id, row.key_id));
    return new Secret(decrypt(own, row.ciphertext, `${row.id} ${row.purpose}`).toString());
  } catch {
    return null;
  }
}

const boundToKey = (id: string, keyId: string): string => `${id} ${keyId}`;

export type Wrapped = { readonly id: string; readonly keyId: string; readonly wrappedKey: Buffer };

/** The same data key under the current key: the secret itself is not touched. Null when it cannot be opened. */
export function rewrap(ring: KeyRing, { id, keyId, wrappedKey }: Wrapped): Wrapped | null {
  const key = ring.find(keyId);
  if (key === null) return null;
  try {
    const own = decrypt(key.key.reveal(), wrappedKey, boundToKey(id, keyId));
    const { current } = ring;
    return { id, keyId: current.id, wrappedKey: encrypt(current.key.reveal(), own, boundToKey(id, current.id)) };
  } catch {
    return null;
  }
}

/** A sealed secret that has served is gone for good. */
export async function discard(tx: Tx, id: SecretId): Promise<void> {
  await tx.deleteFrom("sealed_secrets").where("id", "=", id).execute();
}
