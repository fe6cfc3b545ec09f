/** All processes of a PostgreSQL server at once: to stop it (SIGSTOP) as a machine that hangs, and let it go on. */
import { readdirSync, readFileSync } from "node:fs";
import { ask } from "../../support/served.ts";

/** False where it can be done; else why a test that needs it is skipped. */
export const cannotStopServers = process.platform === "linux" ? false : "needs /proc";

const POSTMASTER = "select split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int as pid";

/** The postmaster and all that it has started, as they are now. */
async function processesOf(superuserUrl: string): Promise<number[]> {
  const [row] = await ask<{ pid: number }>(superuserUrl, POSTMASTER);
  if (row === undefined) throw new Error("no postmaster");
  const children = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && parentOf(pid) === row.pid);
  return [row.pid, ...children.map(Number)];
}

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
  const pids = await processesOf(superuserUrl);
  const signal = (name: NodeJS.Signals): void => {
    for (const pid of pids)
      try {
        process.kill(pid, name);
      } catch {
        // A process of the server that has ended meanwhile.
      }
  };
  signal("SIGSTOP");
  return () => signal("SIGCONT");
}
