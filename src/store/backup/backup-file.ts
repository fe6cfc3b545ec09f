/**
 * The form of a backup: JSON lines. First the header, then one line for each row, last the seal with the number of rows and
 * a checksum over every byte before it. Rows are written and read as PostgreSQL's own JSON and never parsed here, so that
 * no number and no time loses a digit.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { AppliedMigration } from "../migrate.ts";

export const BACKUP_VERSION = 2;

export type BackupSequence = { readonly name: string; readonly lastValue: string; readonly isCalled: boolean };

export type BackupHeader = {
  readonly tidegateBackup: number;
  readonly installation: string;
  readonly takenAt: string;
  readonly schema: readonly AppliedMigration[];
  /** How far the audit log was, and the root of its tree there, base64. */
  readonly audit: { readonly position: number; readonly root: string };
  readonly tables: readonly string[];
  readonly sequences: readonly BackupSequence[];
  /** The key files, by name, where they were asked for; else null. */
  readonly keys: Readonly<Record<string, string>> | null;
};

export type BackupSeal = { readonly rows: number; readonly sha256: string };

/** A backup that cannot be used, with what is wrong and what to do. */
export class BadBackup extends Error {
  override readonly name = "BadBackup";
}

const ROW = /^\{"t":"([a-z_][a-z0-9_]*)","r":(\{.*\})\}$/s;
export const rowLine = (table: string, row: string): string => `{"t":"${table}","r":${row}}`;

export type BackupRow = { readonly table: string; readonly row: string };

/** Reads the whole file once and says what it holds. Throws `BadBackup` when a byte is missing or other than it was written. */
export async function checkBackup(path: string): Promise<{ header: BackupHeader; rows: number }> {
  const hash = createHash("sha256");
  let header: BackupHeader | null = null;
  let seal: BackupSeal | null = null;
  let rows = 0;
  for await (const line of lines(path)) {
    if (seal !== null) throw new BadBackup(`${path} goes on after its end: it is not as it was written.`);
    if (header === null) header = parseHeader(line, path);
    else if (ROW.test(line)) rows += 1;
    else seal = parseSeal(line, path);
    if (seal === null) add(hash, line);
  }
  if (header === null) throw new BadBackup(`${path} is empty.`);
  if (seal === null) throw new BadBackup(`${path} ends before its end: the backup was cut off. Use another one.`);
  if (seal.rows !== rows || seal.sha256 !== hash.digest("hex"))
    throw new BadBackup(`${path} is not as it was written: its checksum does not fit. Use another one.`);
  return { header, rows };
}

/** The rows in the order of the file, for one that was checked. */
export async function* readRows(path: string): AsyncGenerator<BackupRow> {
  for await (const line of lines(path)) {
    const found = ROW.exec(line);
    if (found?.[1] !== undefined && found[2] !== undefined) yield { table: found[1], row: found[2] };
  }
}

export const add = (hash: Hash, line: string): void => void hash.update(`${line}\n`);

/** Lines end with a line feed and with nothing else: node:readline would also break them at U+2028, which JSON may hold. */
async function* lines(path: string): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of createReadStream(path, "utf8") as AsyncIterable<string>) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}

function parseHeader(line: string, path: string): BackupHeader {
  const value = parse(line) as Partial<BackupHeader> | null;
  if (value?.tidegateBackup === undefined) throw new BadBackup(`${path} is not a backup of Tidegate.`);
  if (value.tidegateBackup !== BACKUP_VERSION)
    throw new BadBackup(
      `${path} is a backup of form ${value.tidegateBackup}, and this version of Tidegate reads form ${BACKUP_VERSION}. Restore it with the version that made it.`,
    );
  return value as BackupHeader;
}

function parseSeal(line: string, path: string): BackupSeal {
  const value = parse(line) as { seal?: BackupSeal } | null;
  if (value?.seal === undefined)
    throw new BadBackup(`${path} holds a line that no backup has: it was cut off or changed.`);
  return value.seal;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
