import { createHash, randomBytes } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { defined } from "../../base/assert.ts";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { identifyProcess, isAlive } from "./process-identity.ts";
import { makeFolder } from "./server-folder.ts";

export type FolderLock = {
  /** Gives the folder back. Also happens by itself when the process exits; harmless when repeated. */
  release(): void;
};

/**
 * Makes this process the only one that uses `dir`, which is created when it is missing. Throws an `EmbeddedPostgresError`
 * that names the process when another one (or this one, earlier) holds it. What a killed process left is replaced.
 */
export async function lockFolder(dir: string, fileName = "tidegate.pid"): Promise<FolderLock> {
  const folder = resolve(dir);
  await makeFolder(folder);
  const path = join(folder, fileName);
  const mine = describeHolder();
  const held = acquire(path, mine);
  if (held !== null) throw inUse(folder, path, held);

  const release = (): void => {
    process.off("exit", release);
    removeOwn(path, mine);
  };
  process.on("exit", release);
  return { release };
}

type Holder = { readonly pid: number; readonly start: string };

/** Pid, start, and a random line that makes every lock ever written different from every other. */
function describeHolder(): string {
  const self = defined(identifyProcess(process.pid), "this process");
  return `${self.pid}\n${self.start}\n${randomBytes(12).toString("hex")}\n`;
}

/**
 * Puts `mine` at `path`, or returns who holds it. Node has no flock(), so the file system's own exclusive step is used:
 * link() fails when the name is taken, and never shows a half-written file.
 *
 * A stale lock cannot simply be unlinked: two processes may both have read it, and the slower one would remove the lock
 * of the faster. So the right to replace one particular stale lock is itself a lock, named after its content; who holds
 * that one looks again and then renames over the stale lock. If a process dies in between, its lock of the second order
 * is stale and is replaced in the same way.
 */
function acquire(path: string, mine: string): Holder | null {
  for (;;) {
    if (linkNew(path, mine)) return null;
    const found = readIfThere(path);
    if (found === null) continue;
    const holder = parseHolder(found);
    if (holder !== null && isAlive(holder)) return holder;

    const replacement = `${path}.${createHash("sha256").update(found).digest("hex").slice(0, 16)}`;
    const rival = acquire(replacement, mine);
    if (rival !== null) return rival;
    try {
      if (readIfThere(path) !== found) continue;
      writeAside(path, mine, (aside) => renameSync(aside, path));
      return null;
    } finally {
      removeOwn(replacement, mine);
    }
  }
}

function linkNew(path: string, content: string): boolean {
  try {
    writeAside(path, content, (aside) => linkSync(aside, path));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function writeAside(path: string, content: string, use: (aside: string) => void): void {
  const aside = `${path}.${randomBytes(8).toString("hex")}.tmp`;
  try {
    writeFileSync(aside, content, { flag: "wx", mode: 0o644 });
    use(aside);
  } finally {
    rmSync(aside, { force: true });
  }
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Null for what no process of ours wrote completely, such as a file emptied by a power cut: it holds nothing. */
function parseHolder(content: string): Holder | null {
  const [pid = "", start = ""] = content.split("\n");
  return /^\d+$/.test(pid) && start !== "" ? { pid: Number(pid), start } : null;
}

function removeOwn(path: string, mine: string): void {
  // Nobody replaces the lock of a living process, so it cannot become another's between the two steps.
  if (readIfThere(path) === mine) rmSync(path, { force: true });
}

function inUse(folder: string, path: string, { pid }: Holder): EmbeddedPostgresError {
  const advice =
    pid === process.pid
      ? "That is this process: it opened the folder before."
      : `Stop that process first (kill ${pid}), or choose another folder with --data DIR.`;
  return new EmbeddedPostgresError(`The data folder ${folder} is in use by process ${pid} (${path}). ${advice}`);
}
