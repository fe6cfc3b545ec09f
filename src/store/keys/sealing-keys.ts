/**
 * Where the sealing keys come from: the environment, a file that is named, else a file of the data folder made at the
 * first start. One form everywhere: each key is 32 bytes in base64, the first is the current one, the others open what
 * they sealed. Between them are commas or line ends; a line that begins with # says nothing.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { writePrivateFile } from "../embedded/server-folder.ts";
import { KeyRing, type SealingKey, sealingKey } from "../sealed.ts";

export type KeyEnvironment = Readonly<Record<string, string | undefined>>;

/** Keys of the environment stay as the process was started with; a file is read again while it runs. */
export type KeySource =
  | { readonly kind: "environment"; readonly text: string }
  | { readonly kind: "file"; readonly path: string };

const KEYS_MAX = 20;

/** `TIDEGATE_SEALING_KEY`, or `TIDEGATE_SEALING_KEY_FILE`, or `DIR/keys/sealing.key` (0600). */
export function sealingKeySource(dataDir: string, env: KeyEnvironment): KeySource {
  const given = env["TIDEGATE_SEALING_KEY"];
  if (given !== undefined) return { kind: "environment", text: given };
  return { kind: "file", path: env["TIDEGATE_SEALING_KEY_FILE"] ?? join(dataDir, "keys", "sealing.key") };
}

/** The ring as it is now. Makes the first key where the data folder has none. */
export function loadKeyRing(dataDir: string, env: KeyEnvironment): KeyRing {
  const source = sealingKeySource(dataDir, env);
  if (source.kind === "file" && env["TIDEGATE_SEALING_KEY_FILE"] === undefined) makeFirstKey(source.path);
  return new KeyRing(readKeys(source));
}

/** A ring that opens nothing, for a look at a store whose key is lost: null where there is no key file yet. */
export function findKeyRing(dataDir: string, env: KeyEnvironment): KeyRing | null {
  const source = sealingKeySource(dataDir, env);
  if (source.kind === "file" && !existsSync(source.path)) return null;
  return new KeyRing(readKeys(source));
}

export function readKeys(source: KeySource): SealingKey[] {
  if (source.kind === "environment") return parseKeys(source.text, "TIDEGATE_SEALING_KEY");
  return parseKeys(readFileSync(source.path, "utf8"), source.path);
}

export function parseKeys(text: string, where: string): SealingKey[] {
  const written = text
    .split(/[\n,]/)
    .map((part) => part.trim())
    .filter((part) => part !== "" && !part.startsWith("#"));
  if (written.length === 0) throw new Error(`${where} holds no sealing key. ${EXPECTED}`);
  if (written.length > KEYS_MAX) throw new Error(`${where} holds ${written.length} sealing keys; ${KEYS_MAX} at most.`);
  const keys = written.map((part, i) => {
    const bytes = Buffer.from(part, "base64");
    if (bytes.length !== 32 || !/^[A-Za-z0-9+/_-]{43}=?$/.test(part))
      throw new Error(`${where} does not hold a sealing key at place ${i + 1}. ${EXPECTED}`);
    return sealingKey(bytes);
  });
  // The same key twice is the same key.
  return keys.filter((key, i) => keys.findIndex(({ id }) => id === key.id) === i);
}

const EXPECTED =
  'Each key is 32 bytes in base64 ("openssl rand -base64 32" makes one), with commas or line ends between them; the first is the current one.';

export const newSealingKey = (): SealingKey => sealingKey(randomBytes(32));

/** Whole or not at all, readable by its owner only: the one it had, when root changes the ring of a server that is not root. */
export async function writeKeys(path: string, keys: readonly SealingKey[]): Promise<void> {
  const lines = keys.map(({ key }) => key.reveal().toString("base64"));
  const { uid, gid } = statSync(path);
  const owner = process.getuid?.() === 0 && uid !== 0 ? { name: String(uid), uid, gid } : null;
  await writePrivateFile(path, `${lines.join("\n")}\n`, owner);
}

function makeFirstKey(path: string): void {
  if (existsSync(path)) return;
  makeKeyFolder(dirname(path));
  // Exclusive: of two processes that start at once, one makes the key and the other reads it.
  writeFirst(path, `${randomBytes(32).toString("base64")}\n`);
}

export function makeKeyFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
}

/** Writes the file unless somebody was quicker. */
export function writeFirst(path: string, text: string, mode = 0o600): void {
  try {
    writeFileSync(path, text, { mode, flag: "wx", flush: true });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}
