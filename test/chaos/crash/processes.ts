/** All processes of a PostgreSQL server at once: to stop it (SIGSTOP) as a machine that hangs, and let it go on. */
import { readdirSync, readFileSync } from "node:fs";
import { ask } from "../../support/served.ts";

/** False where it can be done; else why a test that needs it is skipped. */
export const cannotStopServers = process.platform === "linux" ? false : "needs /proc";

const POSTMASTER = "select split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int as pid";

async function postmasterOf(superuserUrl: string): Promise<number> {
  const [row] = await ask<{ pid: number }>(superuserUrl, POSTMASTER);
  if (row === undefined) throw new Error("no postmaster");
  return row.pid;
}

const childrenOf = (parent: number): number[] =>
  readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && parentOf(pid) === parent)
    .map(Number);

function parentOf(pid: string): number {
  try {
    return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1]);
  } catch {
    // It has ended meanwhile.
    return Number.NaN;
  }
}

/** Stops the server where it stands; its sockets stay open and say nothing. Answers how to let it go on, which may be repeated. */
export async function stopServer(superuserUrl: string): Promise<() => void> {
  const postmaster = await postmasterOf(superuserUrl);
  signal(postmaster, "SIGSTOP");
  // Only now: a stopped postmaster starts no more of them, and none is missed.
  const children = childrenOf(postmaster);
  for (const pid of children) signal(pid, "SIGSTOP");
  return () => {
    for (const pid of [postmaster, ...children]) signal(pid, "SIGCONT");
  };
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // A process of the server that has ended meanwhile.
  }
}
