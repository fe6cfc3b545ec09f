/**
 * Signed notes and their keys as C2SP has them (c2sp.org/signed-note): a text, an empty line, and a line for each signature
 * with the name of the signer and the first four bytes of a hash over name and key. Of its algorithms only Ed25519.
 */
import { sign, verify } from "node:crypto";
import { sha256 } from "../../base/hash.ts";
import { publicBytes, publicKeyOf, type SigningKey } from "./signing-key.ts";

const ED25519 = 1;
const HASH_BYTES = 4;

/** A public key with the name of who signs with it, written as `NAME+HASH+KEY`: what an auditor is told once. */
export type Verifier = { readonly name: string; readonly hash: string; readonly key: Buffer; readonly text: string };

function verifier(name: string, key: Buffer): Verifier {
  const typed = Buffer.concat([Buffer.of(ED25519), key]);
  const hash = Buffer.from(sha256(Buffer.concat([Buffer.from(`${name}\n`), typed])))
    .subarray(0, HASH_BYTES)
    .toString("hex");
  return { name, hash, key, text: `${name}+${hash}+${typed.toString("base64")}` };
}

export const verifierOf = (name: string, key: Pick<SigningKey, "publicKey">): Verifier =>
  verifier(name, publicBytes(key.publicKey));

/** Null for what is no key, names an algorithm other than Ed25519, or carries the hash of another key. */
export function parseVerifier(text: string): Verifier | null {
  const [, name, base64] = /^([^+\s]+)\+[0-9a-f]{8}\+([A-Za-z0-9+/]+=*)$/.exec(text) ?? [];
  const typed = Buffer.from(base64 ?? "", "base64");
  if (name === undefined || typed[0] !== ED25519 || typed.length !== 33) return null;
  const found = verifier(name, typed.subarray(1));
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
