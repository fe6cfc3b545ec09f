import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";

/** Checked at every start; one older file is kept. */
const LOG_MAX_BYTES = 8 * 1024 * 1024;
const TAIL_MAX_BYTES = 64 * 1024;
const TAIL_LINES = 15;

/** What one start of the server writes. The descriptor is handed to PostgreSQL, which then needs no right to the file. */
export type ServerLog = {
  readonly path: string;
  readonly descriptor: number;
  /** Bytes written since it was opened. */
  size(): number;
  /** The last lines written since it was opened. */
  tail(): string;
  close(): void;
};

export async function openServerLog(path: string): Promise<ServerLog> {
  await rotate(path);
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  const descriptor = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
  const begin = fstatSync(descriptor).size;
  const size = (): number => fstatSync(descriptor).size - begin;
  return {
    path,
    descriptor,
    size,
    tail: () => {
      const length = Math.min(size(), TAIL_MAX_BYTES);
      const bytes = Buffer.alloc(length);
      const read = readSync(descriptor, bytes, 0, length, begin + size() - length);
      return bytes.toString("utf8", 0, read).trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
    },
    close: () => closeSync(descriptor),
  };
}

async function rotate(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found === null || found.size < LOG_MAX_BYTES) return;
  await rm(`${path}.1`, { force: true });
  await rename(path, `${path}.1`);
}
