/** How long a start takes beyond the database's own, and what the server holds when it has nothing to do. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../../src/store/embedded/embedded-postgres.ts";
import { type BenchWorld, startServer } from "./bench-world.ts";
import { type Line, median, nowMs, sleepUntil } from "./numbers.ts";

/** Long enough for every job to have run once. */
const IDLE_MS = 6_000;

/** The target is the package's; a checkout has the compiler's work to do besides. */
const RUN_AS = ["package", "checkout"] as const;
type RunAs = (typeof RUN_AS)[number];

export async function start(world: BenchWorld, rounds: number): Promise<Line[]> {
  const data = join(world.dir, "start");
  // The first start makes the store; the measured ones find it.
  await (await startServer(world, world.programs.package, data, {})).stop();
  const beyond: Record<RunAs, number[]> = { package: [], checkout: [] };
  const all: Record<RunAs, number[]> = { package: [], checkout: [] };
  for (let round = 0; round < rounds + 2; round += 1) {
    for (const as of RUN_AS) {
      const server = await startServer(world, world.programs[as], data, {});
      await server.stop();
      const startedMs = performance.now();
      const own = await startEmbeddedPostgres({ dir: join(data, "store") });
      const ownMs = performance.now() - startedMs;
      await own.stop();
      all[as].push(server.readyMs);
      beyond[as].push(server.readyMs - ownMs);
    }
  }
  return RUN_AS.map((as) => {
    const measure = `${as}: to ready, existing store (${median(all[as]).toFixed(0)} ms in all)`;
    return plainLine({ name: "start", measure, unit: "ms" }, as, beyond[as], 1_500);
  });
}

/** The resident set, of a server that was just started on a store with what the other benchmarks left. */
export async function memory(world: BenchWorld, rounds: number): Promise<Line[]> {
  await world.server?.stop();
  const seen: Record<RunAs, number[]> = { package: [], checkout: [] };
  for (let round = 0; round < Math.min(rounds, 3); round += 1) {
    for (const as of RUN_AS) {
      const server = await world.serve(world.programs[as]);
      await sleepUntil(nowMs() + IDLE_MS);
      seen[as].push(Number(execFileSync("ps", ["-o", "rss=", "-p", String(server.pid)]).toString()) / 1_024);
      await server.stop();
    }
  }
  // What is measured next finds it running, as this did.
  await world.serve();
  return RUN_AS.map((as) =>
    plainLine({ name: "memory", measure: `${as}: idle, external store`, unit: "MB" }, as, seen[as], 160),
  );
}

/** A line without a floor: its median is what is told. */
function plainLine(
  named: Pick<Line, "name" | "measure" | "unit">,
  as: RunAs,
  samples: readonly number[],
  atMost: number,
): Line {
  const value = median(samples);
  const target = as === "package" ? { atMost } : null;
  return { ...named, ours: value, floor: null, value, target, samples: samples.length };
}
