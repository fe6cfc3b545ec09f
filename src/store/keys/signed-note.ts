/**
 * Signed notes and their keys as C2SP has them (c2sp.org/signed-note): a text, an empty line, and a line for each signature
 * with the name of the signer and the first four bytes of a hash over name and key. Of its algorithms only Ed25519.
 */
import { sign, verify } from "node:crypto";
import { sha256 } from "../../base/hash.ts";
import { publicBytes, publicKeyOf, type SigningKey } from "./signing-key.ts";

const ED25519 = 1;
/** Of who signs that a checkpoint goes on from those before it (c2sp.org/tlog-cosignature). */
const COSIGNATURE = 4;
const TIME_BYTES = 8;
const HASH_BYTES = 4;

/** A public key with the name of who signs with it, written as `NAME+HASH+KEY`: what an auditor is told once. */
export type Verifier = { readonly name: string; readonly hash: string; readonly key: Buffer; readonly text: string };

function verifier(name: string, key: Buffer, type = ED25519): Verifier {
  const typed = Buffer.concat([Buffer.of(type), key]);
  const hash = Buffer.from(sha256(Buffer.concat([Buffer.from(`${name}\n`), typed])))
    .subarray(0, HASH_BYTES)
    .toString("hex");
  return { name, hash, key, text: `${name}+${hash}+${typed.toString("base64")}` };
}

export const verifierOf = (name: string, key: Pick<SigningKey, "publicKey">): Verifier =>
  verifier(name, publicBytes(key.publicKey));

/** Null for what is no key, names an algorithm other than Ed25519, or carries the hash of another key. */
export const parseVerifier = (text: string): Verifier | null => parseTyped(text, ED25519);
/** The same of the key of a witness. */
export const parseWitness = (text: string): Verifier | null => parseTyped(text, COSIGNATURE);

function parseTyped(text: string, type: number): Verifier | null {
  const [, name, base64] = /^([^+\s]+)\+[0-9a-f]{8}\+([A-Za-z0-9+/]+=*)$/.exec(text) ?? [];
  const typed = Buffer.from(base64 ?? "", "base64");
  if (name === undefined || typed[0] !== type || typed.length !== 33) return null;
  const found = verifier(name, typed.subarray(1), type);
  return found.text === text ? found : null;
}

/** The note: the text, which ends with a line feed, and one signature. */
export function signNote(text: string, name: string, key: SigningKey): string {
  const { hash } = verifierOf(name, key);
  const signature = Buffer.concat([Buffer.from(hash, "hex"), sign(null, Buffer.from(text), key.privateKey)]);
  return `${text}\n— ${name} ${signature.toString("base64")}\n`;
}

/** The text of the note and the first of these keys that signed it; null when none of them did. */
export function openNote(
  note: string,
  verifiers: readonly Verifier[],
): { readonly text: string; readonly by: Verifier } | null {
  const end = note.lastIndexOf("\n\n") + 1;
  const text = note.slice(0, end);
  for (const line of note.slice(end + 1).split("\n")) {
    const [, name, base64 = ""] = /^— (\S+) (\S+)$/.exec(line) ?? [];
    const bytes = Buffer.from(base64, "base64");
    const by = verifiers.find((it) => it.name === name && it.hash === bytes.subarray(0, HASH_BYTES).toString("hex"));
    if (by === undefined || bytes.toString("base64") !== base64) continue;
    if (verify(null, Buffer.from(text), publicKeyOf(by.key), bytes.subarray(HASH_BYTES))) return { text, by };
  }
  return null;
}

/** Among these lines the one with which the witness signed the checkpoint in this note; null where none is. */
export function cosignatureBy(witness: Verifier, note: string, lines: string): string | null {
  const text = note.slice(0, note.lastIndexOf("\n\n") + 1);
  const signed = (line: string): boolean => {
    const [, name, base64 = ""] = /^— (\S+) (\S+)$/.exec(line) ?? [];
    const bytes = Buffer.from(base64, "base64");
    const [hash, rest] = [bytes.subarray(0, HASH_BYTES).toString("hex"), bytes.subarray(HASH_BYTES)];
    if (name !== witness.name || hash !== witness.hash || bytes.toString("base64") !== base64) return false;
    if (rest.length !== TIME_BYTES + 64) return false;
    const message = Buffer.from(`cosignature/v1\ntime ${rest.readBigUInt64BE()}\n${text}`);
    return verify(null, message, publicKeyOf(witness.key), rest.subarray(TIME_BYTES));
  };
  return lines.split("\n").find(signed) ?? null;
}
