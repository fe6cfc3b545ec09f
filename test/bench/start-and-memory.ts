/** How long a start takes beyond the database's own, and what the server holds when it has nothing to do. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../../src/store/embedded/embedded-postgres.ts";
import { type BenchWorld, startServer } from "./bench-world.ts";
import { type Line, median, nowMs, sleepUntil } from "./numbers.ts";

/** Long enough for every job to have run once. */
const IDLE_MS = 6_000;

export async function start(world: BenchWorld, rounds: number): Promise<Line[]> {
  const data = join(world.dir, "start");
  // The first start makes the store; the measured ones find it.
  await (await startServer(world, data, {})).stop();
  const beyond: number[] = [];
  const all: number[] = [];
  for (let round = 0; round < rounds + 2; round += 1) {
    const server = await startServer(world, data, {});
    await server.stop();
    const startedMs = performance.now();
    const own = await startEmbeddedPostgres({ dir: join(data, "store") });
    const ownMs = performance.now() - startedMs;
    await own.stop();
    all.push(server.readyMs);
    beyond.push(server.readyMs - ownMs);
  }
  const value = median(beyond);
  return [
    {
      name: "start",
      measure: `to ready, existing store (${median(all).toFixed(0)} ms in all)`,
      unit: "ms",
      ours: value,
      floor: null,
      value,
      target: { atMost: 1_500 },
      samples: beyond.length,
    },
  ];
}

/** The resident set, of a server that was just started on a store with what the other benchmarks left. */
export async function memory(world: BenchWorld, rounds: number): Promise<Line[]> {
  await world.server?.stop();
  const seen: number[] = [];
  for (let round = 0; round < Math.min(rounds, 3); round += 1) {
    const server = await world.serve();
    await sleepUntil(nowMs() + IDLE_MS);
    seen.push(Number(execFileSync("ps", ["-o", "rss=", "-p", String(server.pid)]).toString()) / 1_024);
    if (round + 1 < Math.min(rounds, 3)) await server.stop();
  }
  const value = median(seen);
  const target = { atMost: 160 };
  return [
    {
      name: "memory",
      measure: "idle, external store",
      unit: "MB",
      ours: value,
      floor: null,
      value,
      target,
      samples: seen.length,
    },
  ];
}
