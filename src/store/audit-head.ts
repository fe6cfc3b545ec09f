/**
 * Signed heads of the audit log, kept in a file outside the database. A head says how far the log was at a moment and what
 * its chain hash was there: whoever later edits, drops or cuts an entry before it, or puts back an older database, no
 * longer agrees with it.
 */
import { sign, verify } from "node:crypto";
import { mkdir, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { canonicalJson } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import type { InstallationId } from "../base/ids.ts";
import { chainStart } from "./audit.ts";
import { type Db, databaseNowMs, type Tx } from "./db.ts";
import { readIfThere, syncFolder, writePrivateFile } from "./embedded/server-folder.ts";
import { publicBytes, publicKeyOf, type SigningKey, signingKeyId } from "./keys/signing-key.ts";

/** What is signed. */
export type HeadStatement = {
  readonly v: 1;
  readonly installation: string;
  /** How many entries the log had; 0 for none. */
  readonly position: number;
  /** The chain hash at that position, hex. */
  readonly chainHash: string;
  /** Database time, RFC 3339. */
  readonly at: string;
};

/** As it lies in the file. */
export type SignedHead = HeadStatement & {
  readonly keyId: string;
  /** 32 bytes, base64url: so that the head can be checked by itself. Whether this is the right key is for the reader to know. */
  readonly publicKey: string;
  /** Ed25519, base64url. */
  readonly signature: string;
};

const CONTEXT = "tidegate audit head v1\n";
const signedBytes = ({ v, installation, position, chainHash, at }: HeadStatement): Buffer =>
  Buffer.from(CONTEXT + canonicalJson({ v, installation, position, chainHash, at }));

export const headFile = (dataDir: string): string => join(dataDir, "heads", "head.json");

export function signHead(statement: HeadStatement, key: SigningKey): SignedHead {
  return {
    ...statement,
    keyId: key.id,
    publicKey: publicBytes(key.publicKey).toString("base64url"),
    signature: sign(null, signedBytes(statement), key.privateKey).toString("base64url"),
  };
}

/** The head in this text. Throws saying what is wrong: no head, a signature that does not fit, a key id that is another key's. */
export function parseHead(text: string, where: string): SignedHead {
  const head = readHead(text);
  if (head === null) throw new Error(`${where} does not hold a head of an audit log.`);
  const publicKey = publicKeyOf(Buffer.from(head.publicKey, "base64url"));
  if (signingKeyId(publicKey) !== head.keyId)
    throw new Error(`${where} names the key ${head.keyId} and holds another.`);
  if (!verify(null, signedBytes(head), publicKey, Buffer.from(head.signature, "base64url")))
    throw new Error(`The signature in ${where} does not fit what it says: the file was changed.`);
  return head;
}

function readHead(text: string): SignedHead | null {
  try {
    const value = JSON.parse(text) as Partial<Record<keyof SignedHead, unknown>>;
    const texts = [value.installation, value.chainHash, value.at, value.keyId, value.publicKey, value.signature];
    const whole = Number.isSafeInteger(value.position) && (value.position as number) >= 0;
    return value.v === 1 && whole && texts.every((it) => typeof it === "string") ? (value as SignedHead) : null;
  } catch {
    return null;
  }
}

/** The kept head; null where none was written yet. */
export async function readKeptHead(dataDir: string): Promise<SignedHead | null> {
  const path = headFile(dataDir);
  const text = await readIfThere(path);
  return text === null ? null : parseHead(text, path);
}

/** Replaces the kept head, durably: after a power cut there is the old one or the new one. */
export async function keepHead(dataDir: string, head: SignedHead): Promise<void> {
  const path = headFile(dataDir);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writePrivateFile(path, `${JSON.stringify(head, null, 2)}\n`);
}

/** Since the kept head was signed, by this machine's time; null where there is none. */
export async function headAgeMs(dataDir: string, nowMs: number): Promise<number | null> {
  try {
    const { mtimeMs } = await stat(headFile(dataDir));
    return Math.max(0, nowMs - mtimeMs);
  } catch {
    return null;
  }
}

/** Puts the kept head aside under a name of its own, for who looks into it later. Answers that name; null where none was. */
export async function putHeadAside(dataDir: string, nowMs: number): Promise<string | null> {
  const path = headFile(dataDir);
  if ((await readIfThere(path)) === null) return null;
  const aside = join(dirname(path), `head-before-${toTimestamp(nowMs).replaceAll(/[:.]/g, "-")}.json`);
  await rename(path, aside);
  await syncFolder(dirname(path));
  return aside;
}

/** How far the log is now. */
export async function headNow(db: Db | Tx, installation: InstallationId): Promise<HeadStatement> {
  const at = toTimestamp(await databaseNowMs(db));
  const last = await db
    .selectFrom("audit_positions")
    .select(["seq", "chain_hash"])
    .orderBy("seq", "desc")
    .limit(1)
    .executeTakeFirst();
  return { v: 1, installation, position: last?.seq ?? 0, chainHash: last?.chain_hash ?? chainStart, at };
}

/** Why the log in the store does not go on from this head; null when it does. */
export async function disagreement(
  db: Db | Tx,
  installation: InstallationId,
  kept: HeadStatement,
): Promise<string | null> {
  if (kept.installation !== installation)
    return `it is of the installation ${kept.installation}, and this store is of ${installation}`;
  if (kept.position === 0) return null;
  const row = await db
    .selectFrom("audit_positions")
    .select("chain_hash")
    .where("seq", "=", kept.position)
    .executeTakeFirst();
  if (row === undefined) {
    const { position } = await headNow(db, installation);
    return `it was signed at position ${kept.position} (${kept.at}), and the log in the store ends at ${position}`;
  }
  return row.chain_hash === kept.chainHash ? null : `the log in the store is another at position ${kept.position}`;
}
