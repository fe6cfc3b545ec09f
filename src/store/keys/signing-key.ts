/**
 * The key that signs heads of the audit log (Ed25519). It lives outside the database, so that whoever can write there
 * cannot sign what they wrote. Given by the environment or a file, else made in the data folder at the first start.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { sha256Hex } from "../../base/hash.ts";
import { writePrivateFile } from "../embedded/server-folder.ts";
import { type KeyEnvironment, makeKeyFolder, writeFirst } from "./sealing-keys.ts";

export type SigningKey = { readonly id: string; readonly privateKey: KeyObject; readonly publicKey: KeyObject };

/** What stands before the 32 bytes of an Ed25519 key in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const KEY_BYTES = 32;

/** The 32 bytes of a public key. */
export const publicBytes = (key: KeyObject): Buffer =>
  key.export({ format: "der", type: "spki" }).subarray(SPKI_PREFIX.length);

/** From its 32 bytes; throws when they are none. */
export function publicKeyOf(bytes: Buffer): KeyObject {
  if (bytes.length !== KEY_BYTES) throw new Error(`A public key has ${KEY_BYTES} bytes; this one has ${bytes.length}.`);
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, bytes]), format: "der", type: "spki" });
}

/** A fingerprint of the public key: the same key has the same id everywhere, and nobody finds another key with it. */
export const signingKeyId = (publicKey: KeyObject): string =>
  sha256Hex(Buffer.concat([Buffer.from("tidegate signing key\n"), publicBytes(publicKey)])).slice(0, 32);

/** The first signs. The others signed before it, and are kept until the log has their word for the one that followed. */
export type SigningKeys = readonly [SigningKey, ...SigningKey[]];

/** `TIDEGATE_SIGNING_KEY`, or `TIDEGATE_SIGNING_KEY_FILE`, or `DIR/keys/signing.key` (0600; its public half lies beside it). */
export function loadSigningKeys(dataDir: string, env: KeyEnvironment): SigningKeys {
  const given = env["TIDEGATE_SIGNING_KEY"];
  if (given !== undefined) return signingKeysOf(given, "TIDEGATE_SIGNING_KEY");
  const path = env["TIDEGATE_SIGNING_KEY_FILE"] ?? ownFile(dataDir);
  if (path !== ownFile(dataDir)) return signingKeysOf(readFileSync(path, "utf8"), path);
  if (!existsSync(path)) {
    makeKeyFolder(dirname(path));
    writeFirst(path, newKeyPem());
  }
  const keys = signingKeysOf(readFileSync(path, "utf8"), path);
  writeFirst(join(dirname(path), "signing.pub"), publicPem(keys[0]), 0o644);
  return keys;
}

const ownFile = (dataDir: string): string => join(dataDir, "keys", "signing.key");
const newKeyPem = (): string =>
  generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString();
const publicPem = ({ publicKey }: SigningKey): string => publicKey.export({ format: "pem", type: "spki" }).toString();

/** Puts a new key before those of the file; the server signs with it once it was started again. Answers the new one and where it is. */
export async function addSigningKey(dataDir: string, env: KeyEnvironment): Promise<{ key: SigningKey; path: string }> {
  if (env["TIDEGATE_SIGNING_KEY"] !== undefined)
    throw new Error(
      "The signing key is given by TIDEGATE_SIGNING_KEY: put the new one first there, with the earlier one after a comma, and start the server again.",
    );
  loadSigningKeys(dataDir, env);
  const path = env["TIDEGATE_SIGNING_KEY_FILE"] ?? ownFile(dataDir);
  const [key] = signingKeysOf(newKeyPem(), path);
  const pem = key.privateKey.export({ format: "pem", type: "pkcs8" }).toString();
  await writePrivateFile(path, `${pem}${readFileSync(path, "utf8")}`);
  if (path === ownFile(dataDir)) await writePrivateFile(join(dirname(path), "signing.pub"), publicPem(key));
  return { key, path };
}

/** The id of the signing key, without making one: null where there is none yet. */
export function findSigningKeyId(dataDir: string, env: KeyEnvironment): string | null {
  const given = env["TIDEGATE_SIGNING_KEY"] ?? env["TIDEGATE_SIGNING_KEY_FILE"];
  if (given === undefined && !existsSync(join(dataDir, "keys", "signing.key"))) return null;
  return loadSigningKeys(dataDir, env)[0].id;
}

/** Each as PEM (PKCS #8), or as 32 bytes in base64; several with commas or line ends between them. */
export function signingKeysOf(text: string, where: string): SigningKeys {
  const pem = text.replaceAll("\\n", "\n").match(/-----BEGIN[^-]*-----[^-]*-----END[^-]*-----/g);
  const [first, ...others] = (pem ?? text.split(/[,\n]/).filter((one) => one.trim() !== "")).map((one) =>
    parseOne(one.trim(), where),
  );
  return [first ?? parseOne(text.trim(), where), ...others];
}

function parseOne(text: string, where: string): SigningKey {
  const privateKey = parsePrivate(text);
  if (privateKey?.asymmetricKeyType !== "ed25519")
    throw new Error(
      `${where} does not hold a signing key: an Ed25519 private key in PEM ("openssl genpkey -algorithm ed25519" makes one) or 32 bytes in base64 is expected.`,
    );
  const publicKey = createPublicKey(privateKey);
  return { id: signingKeyId(publicKey), privateKey, publicKey };
}

function parsePrivate(text: string): KeyObject | null {
  try {
    if (text.startsWith("-----")) return createPrivateKey(text);
    const bytes = Buffer.from(text, "base64");
    if (bytes.length !== KEY_BYTES) return null;
    return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, bytes]), format: "der", type: "pkcs8" });
  } catch {
    return null;
  }
}
