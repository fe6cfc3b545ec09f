/** SCRAM-SHA-256 (RFC 5802, RFC 7677): what PostgreSQL keeps of a password, and how a client proves that it knows it. */
import { createHash, createHmac, pbkdf2, pbkdf2Sync, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import type { Secret } from "./secret.ts";

/** What PostgreSQL itself uses (`scram_iterations`). */
const ITERATIONS = 4096;
/** A server that asks for more wants to keep us busy. */
const ITERATIONS_MAX = 100_000;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

/**
 * The SCRAM-SHA-256 verifier of a password, as PostgreSQL keeps it. It is computed here so that no password is ever part of
 * a statement: what a target writes to its log can then prove a password, never give one.
 */
export function scramVerifier(password: Secret, salt: Uint8Array = randomBytes(SALT_BYTES)): string {
  const derived = keysFrom(pbkdf2Sync(prepared(password), salt, ITERATIONS, KEY_BYTES, "sha256"));
  const challenge = { salt: Buffer.from(salt), iterations: ITERATIONS };
  known.remember(nameOf(password, challenge), derived);
  const { storedKey, serverKey } = derived;
  return `SCRAM-SHA-256$${ITERATIONS}:${challenge.salt.toString("base64")}$${storedKey.toString("base64")}:${serverKey.toString("base64")}`;
}

/** What a client answers, and what the server must answer to that: it too proves that it knows the password. */
export type ScramAnswer = { readonly response: string; readonly serverSignature: string };

/** The answer to a server's first message, when ours was `n,,n=*,r=<clientNonce>`. Throws when the message is not as it must be. */
export async function answerScram(password: Secret, clientNonce: string, serverFirst: string): Promise<ScramAnswer> {
  const { nonce, ...challenge } = challengeOf(serverFirst, clientNonce);
  const name = nameOf(password, challenge);
  const { clientKey, storedKey, serverKey } = known.find(name) ?? (await derive(password, challenge));
  const withoutProof = `c=biws,r=${nonce}`;
  const exchanged = `n=*,r=${clientNonce},${serverFirst},${withoutProof}`;
  const signature = hmac(storedKey, exchanged);
  const proof = clientKey.map((byte, i) => byte ^ (signature[i] ?? 0));
  return {
    response: `${withoutProof},p=${Buffer.from(proof).toString("base64")}`,
    serverSignature: hmac(serverKey, exchanged).toString("base64"),
  };
}

type Challenge = { readonly salt: Buffer; readonly iterations: number };

function challengeOf(serverFirst: string, clientNonce: string): Challenge & { readonly nonce: string } {
  const found = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9][0-9]{0,8})(?:,.*)?$/.exec(serverFirst);
  const [, nonce = "", salt = "", iterations = ""] = found ?? [];
  if (found === null) throw new Error("SCRAM: the server's first message is not understood");
  // A nonce of its own besides ours: else an answer that somebody recorded would do.
  if (!nonce.startsWith(clientNonce) || nonce.length === clientNonce.length)
    throw new Error("SCRAM: the server's nonce does not go on from ours");
  if (Number(iterations) > ITERATIONS_MAX)
    throw new Error(`SCRAM: the server asks for ${iterations} iterations; at most ${ITERATIONS_MAX} are done`);
  return { nonce, salt: Buffer.from(salt, "base64"), iterations: Number(iterations) };
}

type Keys = { readonly clientKey: Buffer; readonly storedKey: Buffer; readonly serverKey: Buffer };

function keysFrom(salted: Buffer): Keys {
  const clientKey = hmac(salted, "Client Key");
  return {
    clientKey,
    storedKey: createHash("sha256").update(clientKey).digest(),
    serverKey: hmac(salted, "Server Key"),
  };
}

const deriving = promisify(pbkdf2);

async function derive(password: Secret, challenge: Challenge): Promise<Keys> {
  const { salt, iterations } = challenge;
  const keys = keysFrom(await deriving(prepared(password), salt, iterations, KEY_BYTES, "sha256"));
  known.remember(nameOf(password, challenge), keys);
  return keys;
}

/**
 * Keys that were derived lately: four thousand hashes are most of what a sign-in costs us, and one admin login signs in again
 * and again. They prove the password and are no more secret than it, which this process holds as well (RFC 5802, section 5.1).
 */
const known = {
  keys: new Map<string, Keys>(),
  max: 64,
  find(name: string): Keys | null {
    const keys = this.keys.get(name);
    if (keys === undefined) return null;
    this.keys.delete(name);
    this.keys.set(name, keys);
    return keys;
  },
  remember(name: string, keys: Keys): void {
    this.keys.set(name, keys);
    const [oldest] = this.keys.keys();
    if (this.keys.size > this.max && oldest !== undefined) this.keys.delete(oldest);
  },
};

const nameOf = (password: Secret, { salt, iterations }: Challenge): string =>
  createHash("sha256")
    .update(`${iterations}:${salt.toString("base64")}:${prepared(password)}`)
    .digest("base64");

/** SASLprep (RFC 4013) as the driver `pg` does it; nothing changes for ASCII. */
const prepared = (password: Secret): string =>
  password
    .reveal()
    .replace(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, " ")
    .replace(/\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/g, "")
    .normalize("NFKC");

const hmac = (key: Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();
