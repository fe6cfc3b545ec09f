/**
 * Heads as they were signed before the log was a Merkle tree: over a chain of hashes. After the upgrade the last of them is
 * held against the entries, once; then the first checkpoint takes its place. Nothing writes them any more.
 */
import { verify } from "node:crypto";
import { canonicalJson } from "../base/canonical.ts";
import { sha256Hex } from "../base/hash.ts";
import type { Db, Tx } from "./db.ts";
import { publicKeyOf, signingKeyId } from "./keys/signing-key.ts";

export type ChainHead = {
  readonly installation: string;
  readonly size: number;
  /** Database time, RFC 3339. */
  readonly at: string;
  readonly chainHash: string;
};

type Signed = Record<"installation" | "chainHash" | "at" | "keyId" | "publicKey" | "signature", string> & {
  readonly v: number;
  readonly position: number;
};

/** The head in this text. Throws saying what is wrong: no head, a signature that does not fit, a key id that is another key's. */
export function parseChainHead(text: string, where: string): ChainHead {
  const head = read(text);
  if (head === null) throw new Error(`${where} does not hold a head of an audit log.`);
  const { installation, position, chainHash, at } = head;
  const key = publicKeyOf(Buffer.from(head.publicKey, "base64url"));
  if (signingKeyId(key) !== head.keyId) throw new Error(`${where} names the key ${head.keyId} and holds another.`);
  const signed = `tidegate audit head v1\n${canonicalJson({ v: 1, installation, position, chainHash, at })}`;
  if (!verify(null, Buffer.from(signed), key, Buffer.from(head.signature, "base64url")))
    throw new Error(`The signature in ${where} does not fit what it says: the file was changed.`);
  return { installation, size: position, at, chainHash };
}

function read(text: string): Signed | null {
  try {
    const value = JSON.parse(text) as Partial<Signed>;
    const { installation, chainHash, at, keyId, publicKey, signature, position } = value;
    const texts = [installation, chainHash, at, keyId, publicKey, signature].every((it) => typeof it === "string");
    return value.v === 1 && texts && Number.isSafeInteger(position) && (position ?? -1) >= 0 ? (value as Signed) : null;
  } catch {
    return null;
  }
}

const ROWS = 1_000;

/** The chain hash over the first entries, computed anew from what they say; null where an entry is missing. */
export async function chainHashAt(db: Db | Tx, size: number): Promise<string | null> {
  let [position, hash] = [0, sha256Hex("tidegate audit chain v1")];
  while (position < size) {
    const rows = await db
      .selectFrom("audit_positions as p")
      .innerJoin("audit_entries as e", "e.id", "p.entry_id")
      .select(["p.seq", "e.leaf"])
      .where("p.seq", ">", position)
      .where("p.seq", "<=", Math.min(size, position + ROWS))
      .orderBy("p.seq")
      .execute();
    if (rows.length === 0) return null;
    for (const { seq, leaf } of rows) {
      position += 1;
      if (seq !== position) return null;
      hash = sha256Hex(`${hash}\n${seq}\n${sha256Hex(leaf)}`);
    }
  }
  return hash;
}
