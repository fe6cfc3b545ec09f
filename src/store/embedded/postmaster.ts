import { readFile, readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { identifyProcess, isAlive, type ProcessIdentity } from "./process-identity.ts";
import { type Account, runProgram } from "./run-program.ts";
import { readIfThere, writePrivateFile } from "./server-folder.ts";
import { waitUntil } from "./wait-until.ts";

/** A fast shutdown writes a checkpoint, which takes its time on a slow disk. */
const FAST_SHUTDOWN_TIMEOUT_MS = 60_000;
/** PostgreSQL itself kills what has not ended five seconds after SIGQUIT. */
const IMMEDIATE_SHUTDOWN_TIMEOUT_MS = 15_000;

/** What a running server says of itself in `postmaster.pid`. */
export type PidFile = {
  readonly pid: number;
  /** Null while the server is only starting and has not written that far. */
  readonly port: number | null;
  readonly ready: boolean;
};

/** Who has the number that `postmaster.pid` names. */
export type PidFileOwner =
  | { readonly kind: "nobody" }
  /** The server of this cluster. */
  | { readonly kind: "postmaster"; readonly identity: ProcessIdentity; readonly port: number | null }
  /** Certainly something else: the number was used again after a crash. */
  | { readonly kind: "stranger" }
  /** A server, but we may not see which cluster it serves. */
  | { readonly kind: "unclear" };

export async function readPidFile(cluster: string): Promise<PidFile | null> {
  const text = await readIfThere(pidFilePath(cluster));
  if (text === null) return null;
  const lines = text.split("\n").map((line) => line.trim());
  // A server in single-user mode writes its number as a negative one.
  const pid = Math.abs(Number(lines[0]));
  const port = Number(lines[3] ?? "");
  return { pid, port: port > 0 ? port : null, ready: lines[7] === "ready" };
}

export async function pidFileOwner(cluster: string): Promise<PidFileOwner> {
  const file = await readPidFile(cluster);
  const identity = file === null ? null : identifyProcess(file.pid);
  if (file === null || identity === null) return { kind: "nobody" };
  const serves =
    process.platform === "linux" ? await servesOnLinux(file.pid, cluster) : await servesByPs(file.pid, cluster);
  // It may have ended while we looked, and what we saw may be of its successor.
  if (!isAlive(identity)) return { kind: "nobody" };
  if (serves === null) return { kind: "unclear" };
  return serves ? { kind: "postmaster", identity, port: file.port } : { kind: "stranger" };
}

/**
 * PostgreSQL itself puts a stale `postmaster.pid` aside, unless its number now belongs to another process of the same
 * account: then it refuses to start until somebody removes the file. Removing it would also remove the note of the shared
 * memory by which PostgreSQL notices sessions that outlived a crashed server. So only the number is changed, to ours:
 * PostgreSQL knows that the process which starts it is no server.
 */
export async function disownPidFile(cluster: string, account: Account): Promise<void> {
  const text = await readIfThere(pidFilePath(cluster));
  if (text === null) return;
  await writePrivateFile(pidFilePath(cluster), text.replace(/^-?\d+/, String(process.pid)), account);
}

/** Ends the server: first so that clients are cut and all is written, then, if that hangs, so that it recovers next time. */
export async function stopPostmaster(
  identity: ProcessIdentity,
  fastTimeoutMs = FAST_SHUTDOWN_TIMEOUT_MS,
): Promise<void> {
  signal(identity, "SIGINT");
  // A server that somebody suspended would not see the signal.
  signal(identity, "SIGCONT");
  if (await isGone(identity, fastTimeoutMs)) return;
  signal(identity, "SIGQUIT");
  if (await isGone(identity, IMMEDIATE_SHUTDOWN_TIMEOUT_MS)) return;
  throw new EmbeddedPostgresError(
    `PostgreSQL (process ${identity.pid}) does not stop. Look at it, and stop it by hand.`,
  );
}

const pidFilePath = (cluster: string): string => join(cluster, "postmaster.pid");

async function isGone(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  return (await waitUntil(() => (isAlive(identity) ? null : true), timeoutMs)) === true;
}

function signal(identity: ProcessIdentity, name: NodeJS.Signals): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Whether the process is a server of this cluster; null when it may be one and we are not allowed to see. */
async function servesOnLinux(pid: number, cluster: string): Promise<boolean | null> {
  const command = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
  // Another account's links are closed to root in a container without CAP_SYS_PTRACE; the command line is open to all.
  const program = (await readLinkIfAllowed(`/proc/${pid}/exe`)) ?? command[0] ?? "";
  // The kernel marks the program so when an upgrade replaced it.
  if (basename(program.replace(/ \(deleted\)$/, "")) !== "postgres") return false;
  // A postmaster enters its cluster and stays there.
  const folder = await readLinkIfAllowed(`/proc/${pid}/cwd`);
  if (folder !== null) return folder === cluster;
  return command.includes(cluster) ? true : null;
}

async function readLinkIfAllowed(path: string): Promise<string | null> {
  return await readlink(path).catch(() => null);
}

async function servesByPs(pid: number, cluster: string): Promise<boolean | null> {
  const { ok, output } = await runProgram(null, "ps", ["-ww", "-o", "command=", "-p", String(pid)]);
  if (!ok || output === "") return null;
  if (!/(^|\/)postgres(:|\s|$)/.test(output)) return false;
  return output.includes(cluster) ? true : null;
}
