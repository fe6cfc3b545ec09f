/**
 * Heads of the audit log: how many entries it had at a moment, and the root of its tree then. Signed, a head is a checkpoint,
 * in the form of C2SP (c2sp.org/tlog-checkpoint). The last one is kept in a file outside the database: whoever later edits,
 * drops or cuts an entry before it, or puts back an older database, no longer agrees with it.
 */
import { mkdir, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseTimestamp, toTimestamp } from "../base/clock.ts";
import type { InstallationId } from "../base/ids.ts";
import { HASH_BYTES, type Hash, isConsistent } from "../base/merkle.ts";
import { BrokenTree, consistencyProof, rootAt } from "./audit-tree.ts";
import { type ChainHead, chainHashAt, parseChainHead } from "./chain-head.ts";
import { type Db, databaseNowMs, type Tx } from "./db.ts";
import { readIfThere, syncFolder, writePrivateFile } from "./embedded/server-folder.ts";
import { openNote, parseVerifier, signNote, type Verifier, verifierOf } from "./keys/signed-note.ts";
import type { SigningKey } from "./keys/signing-key.ts";

export type Head = {
  readonly installation: string;
  /** How many entries the log had; 0 for none. */
  readonly size: number;
  readonly root: Hash;
  /** Database time, RFC 3339. */
  readonly at: string;
};

/** A signed head. */
export type Checkpoint = Head & {
  /** The note as it was signed. */
  readonly note: string;
  readonly by: Verifier;
};

/** What may lie in the file: a checkpoint, or what was there before there were any. */
export type KeptHead = Checkpoint | ChainHead;

/** The name of the log of an installation: the origin of its checkpoints, and who signs them. */
export const originOf = (installation: string): string => `tidegate/${installation}`;

export const checkpointFile = (dataDir: string): string => join(dataDir, "heads", "checkpoint");
/** The public keys with which checkpoints here were signed, one in each line. */
const verifiersFile = (dataDir: string): string => join(dataDir, "heads", "keys");
const chainHeadFile = (dataDir: string): string => join(dataDir, "heads", "head.json");

const headText = (name: string, { size, root, at }: Head): string =>
  `${name}\n${size}\n${Buffer.from(root).toString("base64")}\n${at}\n`;

export function signHead(head: Head, key: SigningKey): Checkpoint {
  const origin = originOf(head.installation);
  return { ...head, note: signNote(headText(origin, head), origin, key), by: verifierOf(origin, key) };
}

const RECOVERED = "/recovered";

/** The same, told apart by its first line: somebody has looked into what does not agree with earlier heads, and the log goes on from here. */
export function signRecovery(head: Head, key: SigningKey): string {
  const origin = originOf(head.installation);
  return signNote(headText(origin + RECOVERED, head), origin, key);
}

/** The head in such a note, where a key signed it that signed checkpoints here; else null: the store that is doubted may say anything. */
export async function recoveredHead(note: string, dataDir: string): Promise<Head | null> {
  const verifiers = await keptVerifiers(dataDir);
  try {
    const { installation, ...head } = parseCheckpoint(note, verifiers, "the note of a recovery");
    return installation.endsWith(RECOVERED)
      ? { ...head, installation: installation.slice(0, -RECOVERED.length) }
      : null;
  } catch {
    return null;
  }
}

/** Signs with the key of the checkpoint; what it says is told apart from a checkpoint by its first line. */
export type ReceiptSigner = { readonly checkpoint: Checkpoint; readonly seal: (text: string) => string };

export const sealWith = (checkpoint: Checkpoint, key: SigningKey): ReceiptSigner => ({
  checkpoint,
  seal: (text) => signNote(text, originOf(checkpoint.installation), key),
});

/** The checkpoint in this note. Throws saying what is wrong: no checkpoint, or none of the keys signed it. */
export function parseCheckpoint(note: string, verifiers: readonly Verifier[], where: string): Checkpoint {
  const [, origin, size, base64 = "", at] = /^tidegate\/(\S+)\n(0|[1-9]\d{0,15})\n(\S+)\n(\S+)\n\n/.exec(note) ?? [];
  const root = Buffer.from(base64, "base64");
  if (origin === undefined || root.length !== HASH_BYTES || parseTimestamp(at ?? "") === null)
    throw new Error(`${where} does not hold a checkpoint of an audit log.`);
  const opened = openNote(note, verifiers);
  if (opened === null)
    throw new Error(`None of the keys beside ${where} signed what it says: the file was changed, or a key is missing.`);
  return { installation: origin, size: Number(size), root, at: String(at), note, by: opened.by };
}

/** The kept head; null where none was written yet. */
export async function readKeptHead(dataDir: string): Promise<KeptHead | null> {
  const path = checkpointFile(dataDir);
  const note = await readIfThere(path);
  if (note !== null) return parseCheckpoint(note, await keptVerifiers(dataDir), path);
  const before = await readIfThere(chainHeadFile(dataDir));
  return before === null ? null : parseChainHead(before, chainHeadFile(dataDir));
}

async function keptVerifiers(dataDir: string): Promise<Verifier[]> {
  const lines = ((await readIfThere(verifiersFile(dataDir))) ?? "").split("\n");
  return lines.flatMap((line) => parseVerifier(line) ?? []);
}

/** Replaces the kept head, durably: after a power cut there is the old one or the new one. */
export async function keepHead(dataDir: string, { note, by }: Checkpoint): Promise<void> {
  const path = checkpointFile(dataDir);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const known = await keptVerifiers(dataDir);
  if (!known.some(({ text }) => text === by.text))
    await writePrivateFile(verifiersFile(dataDir), [...known, by].map(({ text }) => `${text}\n`).join(""));
  await writePrivateFile(path, note);
  if ((await readIfThere(chainHeadFile(dataDir))) !== null)
    await rename(chainHeadFile(dataDir), join(dirname(path), "head-of-chain.json"));
}

/** Since the kept head was signed, by this machine's time; null where there is none. */
export async function headAgeMs(dataDir: string, nowMs: number): Promise<number | null> {
  try {
    const { mtimeMs } = await stat(checkpointFile(dataDir));
    return Math.max(0, nowMs - mtimeMs);
  } catch {
    return null;
  }
}

/** Puts the kept head aside under a name of its own, for who looks into it later. Answers that name; null where none was. */
export async function putHeadAside(dataDir: string, nowMs: number): Promise<string | null> {
  for (const path of [checkpointFile(dataDir), chainHeadFile(dataDir)]) {
    if ((await readIfThere(path)) === null) continue;
    const aside = join(dirname(path), `head-before-${toTimestamp(nowMs).replaceAll(/[:.]/g, "-")}`);
    await rename(path, aside);
    await syncFolder(dirname(path));
    return aside;
  }
  return null;
}

/** How far the log is now. */
export async function headNow(db: Db | Tx, installation: InstallationId): Promise<Head> {
  const at = toTimestamp(await databaseNowMs(db));
  const last = await db.selectFrom("audit_positions").select("seq").orderBy("seq", "desc").limit(1).executeTakeFirst();
  const size = last?.seq ?? 0;
  return { installation, size, root: await rootAt(db, size), at };
}

/** Why the log in the store does not go on from this head; null when that is proven. */
export async function disagreement(
  db: Db | Tx,
  installation: InstallationId,
  kept: Head | ChainHead,
  now?: Head,
): Promise<string | null> {
  if (kept.installation !== installation)
    return `it is of the installation ${kept.installation}, and this store is of ${installation}`;
  try {
    const head = now ?? (await headNow(db, installation));
    if (head.size < kept.size)
      return `it was signed at position ${kept.size} (${kept.at}), and the log in the store ends at ${head.size}`;
    return (await goesOn(db, kept, head)) ? null : `the log in the store is another at position ${kept.size}`;
  } catch (error) {
    if (error instanceof BrokenTree) return error.message;
    throw error;
  }
}

const goesOn = async (db: Db | Tx, kept: Head | ChainHead, now: Head): Promise<boolean> =>
  "chainHash" in kept
    ? (await chainHashAt(db, kept.size)) === kept.chainHash
    : isConsistent(kept, now, await consistencyProof(db, kept.size, now.size));
