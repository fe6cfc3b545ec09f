/** Where the time goes: what the server, its store and the target have used of the processors. Unlike a clock it does not mind other work on the machine. */
import { readdirSync, readFileSync } from "node:fs";
import { ask } from "../support/served.ts";
import type { BenchWorld } from "./bench-world.ts";

/** `sysconf(_SC_CLK_TCK)`, the same on every Linux. */
const TICKS_PER_SECOND = 100;

type Stat = { readonly parent: number; readonly own: number; readonly ended: number };

function statOf(pid: number | string): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in brackets may hold blanks; the fields after it do not.
    const fields = text
      .slice(text.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    const [parent = 0, user = 0, system = 0, userEnded = 0, systemEnded = 0] = [1, 11, 12, 13, 14].map(
      (i) => fields[i],
    );
    return { parent, own: user + system, ended: userEnded + systemEnded };
  } catch {
    return null;
  }
}

/** A process with its children, those that have ended too. */
function ticksOf(pid: number): number {
  const own = statOf(pid);
  if (own === null) return 0;
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => statOf(name) ?? [])
    .filter(({ parent }) => parent === pid);
  return own.own + own.ended + children.reduce((sum, child) => sum + child.own, 0);
}

/** The server's first process, of which all others are children. */
async function postmasterOf(superuserUrl: string): Promise<number> {
  const [row] = await ask<{ pid: number }>(
    superuserUrl,
    "select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int as pid",
  );
  return row?.pid ?? 0;
}

export type ProcessorTime = {
  readonly server: number;
  readonly store: number;
  readonly target: number;
  readonly bench: number;
};

/** Milliseconds since the start of each; zeros where they cannot be known. */
export async function processorTime(world: BenchWorld): Promise<ProcessorTime> {
  const [store, target] = [await postmasterOf(world.store.superuserUrl), await postmasterOf(world.target.superuserUrl)];
  const ms = (ticks: number): number => (ticks * 1_000) / TICKS_PER_SECOND;
  return {
    server: ms(statOf(world.server?.pid ?? 0)?.own ?? 0),
    store: ms(ticksOf(store)),
    target: ms(ticksOf(target)),
    bench: process.cpuUsage().user / 1_000 + process.cpuUsage().system / 1_000,
  };
}

/** What was used between two moments, for each of so many, in words. */
export function processorTimeEach(before: ProcessorTime, after: ProcessorTime, count: number): string {
  const each = (of: keyof ProcessorTime): string => ((after[of] - before[of]) / count).toFixed(1);
  return `processor time each: server ${each("server")} ms, store ${each("store")} ms, target ${each("target")} ms, bench ${each("bench")} ms`;
}
