/** From the end of a grant to the committed receipt, against the same SQL by a bare script on as many connections. */
import { type BenchWorld, type Commits, type Models, openCommits } from "./bench-world.ts";
import { makeEndingGrants, makeStands } from "./ending-grants.ts";
import { type Line, median, nowMs, quantile, ratioLine, sleepUntil } from "./numbers.ts";
import { processorTime, processorTimeEach } from "./processor-time.ts";
import { replay, type Stand } from "./replay.ts";

/** "It has ended" and the receipt: less cannot be committed by anybody who keeps a ledger. */
const COMMITS = 2;
/** As many grants as the reconciler works on at once on one target. */
export const WORKERS = 8;

const SINGLE = { perRound: 12, spacingMs: 700, duration: "10s" };
const MANY = [200, 1_000];
const DONE_WITHIN_MS = 300_000;
const LOOK_EVERY_MS = 500;
/** A thousand take more than a minute with their floor: no more rounds of them than this. */
const MANY_ROUNDS_MAX = 2;

type Lags = { readonly ours: readonly number[]; readonly floor: readonly number[] };

export async function revocationLag(world: BenchWorld, models: Models, rounds: number): Promise<Line[]> {
  const single: Lags[] = [];
  const many = new Map<number, Lags[]>();
  const commits = await openCommits(world, WORKERS);
  try {
    for (let round = 0; round < rounds; round += 1) single.push(await oneByOne(world, models, commits));
    for (const count of MANY) {
      const seen: Lags[] = [];
      many.set(count, seen);
      for (let round = 0; round < Math.min(rounds, MANY_ROUNDS_MAX); round += 1)
        seen.push(await sameSecond(world, models, commits, count));
    }
  } finally {
    await commits.close();
  }
  return [
    line("1 grant, p99", single, 2),
    beyond("1 grant, p99 beyond the floor", single),
    ...[...many].map(([count, seen]) => line(`${count.toLocaleString("en")} in the same second, p99`, seen, 1.5)),
  ];
}

const samplesOf = (seen: readonly Lags[]): number => seen.reduce((sum, { ours }) => sum + ours.length, 0);
const p99 = (lags: readonly number[]): number => quantile(lags, 0.99);

const line = (measure: string, seen: readonly Lags[], atMost: number): Line =>
  ratioLine(
    { name: "revocation-lag", measure, unit: "ms", target: { atMost }, samples: samplesOf(seen) },
    seen.map(({ ours, floor }) => ({ ours: p99(ours), floor: p99(floor) })),
  );

function beyond(measure: string, seen: readonly Lags[]): Line {
  const value = median(seen.map(({ ours, floor }) => p99(ours) - p99(floor)));
  const named = { name: "revocation-lag", measure, unit: "ms" as const, samples: samplesOf(seen) };
  return { ...named, ours: value, floor: null, value, target: { atMost: 100 } };
}

/** Grants that end one after the other, and between them the floor. */
async function oneByOne(world: BenchWorld, models: Models, commits: Commits): Promise<Lags> {
  const connection = world.connection();
  const stands = await makeStands(world, models, SINGLE.perRound);
  const ids: string[] = [];
  let next = nowMs();
  for (let i = 0; i < SINGLE.perRound; i += 1) {
    await sleepUntil(next);
    next += SINGLE.spacingMs;
    ids.push(await world.request(connection, SINGLE.duration));
  }
  connection.close();
  const floor: number[] = [];
  for (const [i, end] of (await endsOf(world, ids)).entries()) {
    await sleepUntil(end + SINGLE.spacingMs / 2);
    const startedMs = nowMs();
    await revokeStand(world, models, stands[i] as Stand, commits, 0);
    floor.push(nowMs() - startedMs);
  }
  return { ours: await lagsOf(world, ids), floor };
}

/** Many that end within one second, in both cases evenly spread over it. The floor goes first, with nothing else to do. */
async function sameSecond(world: BenchWorld, models: Models, commits: Commits, count: number): Promise<Lags> {
  const stands = await makeStands(world, models, count);
  const offsets = stands.map((_, n) => (n * 1_000) / count);
  const before = await processorTime(world);
  const floor = await revokeStands(world, models, stands, offsets, commits);
  const between = await processorTime(world);
  console.log(`  ${count} in the same second: floor's ${processorTimeEach(before, between, count)}`);
  // The logins are made before the grants: those come into the store with time to spare.
  const aheadSeconds = 4 + count / 40;
  const ids = await makeEndingGrants(world, models, {
    count,
    withLogins: count,
    endsAt: `to_timestamp(${nowMs() / 1_000 + aheadSeconds} + (i - 1)::float8 / ${count})`,
  });
  const [first] = await endsOf(world, ids.slice(0, 1));
  if (first === undefined || nowMs() > first) throw new Error("the grants ended before they were all there");
  await sleepUntil(first - 50);
  const start = await processorTime(world);
  const ours = await lagsOf(world, ids);
  const end = await processorTime(world);
  console.log(`  ${count} in the same second: our ${processorTimeEach(start, end, count)}, second probes included`);
  return { ours, floor };
}

/** The floor's grants end at these offsets; as many workers as ours take whatever has ended. */
export async function revokeStands(
  world: BenchWorld,
  models: Models,
  stands: readonly Stand[],
  offsets: readonly number[],
  commits: Commits,
): Promise<number[]> {
  const startMs = nowMs() + 100;
  const lags: number[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: WORKERS }, async (_, worker) => {
      for (let i = next++; i < stands.length; i = next++) {
        const dueMs = startMs + (offsets[i] ?? 0);
        await sleepUntil(dueMs);
        await revokeStand(world, models, stands[i] as Stand, commits, worker);
        lags.push(nowMs() - dueMs);
      }
    }),
  );
  return lags;
}

/** One revocation by the bare script. */
export async function revokeStand(
  world: BenchWorld,
  models: Models,
  stand: Stand,
  commits: Commits,
  worker: number,
): Promise<void> {
  await commits.commit(worker, 1);
  await replay(models.revocation, stand, world.adminUrl);
  await commits.commit(worker, COMMITS - 1);
}

async function endsOf(world: BenchWorld, ids: readonly string[]): Promise<number[]> {
  const rows = await world.inStore<{ ends: number }>(
    "select extract(epoch from expires_at)::float8 * 1000 as ends from grants where id = any($1) order by expires_at",
    [ids],
  );
  return rows.map(({ ends }) => ends);
}

/** Waits until all are closed and nothing of them is due any more; answers how long after its end each receipt was committed. */
async function lagsOf(world: BenchWorld, ids: readonly string[]): Promise<number[]> {
  // Seldom: each time is a sign-in at the store, and the floor has nobody who asks.
  const lastMs = nowMs() + DONE_WITHIN_MS;
  const waiting = "select 1 from grants where id = any($1) and due_at is not null limit 1";
  while ((await world.inStore(waiting, [ids])).length > 0) {
    if (nowMs() > lastMs) throw new Error(`the grants were not revoked and confirmed in ${DONE_WITHIN_MS} ms`);
    await sleepUntil(nowMs() + LOOK_EVERY_MS);
  }
  const rows = await world.inStore<{ lag: number }>(
    `select extract(epoch from pg_xact_commit_timestamp(e.xmin) - g.expires_at)::float8 * 1000 as lag
       from grants g join bench_written e on e.entry_id = g.receipt_entry_id
      where g.id = any($1) and g.state = 'revoked' and g.ending ->> 'cause' = 'expired'`,
    [ids],
  );
  if (rows.length !== ids.length)
    throw new Error(`${ids.length - rows.length} of ${ids.length} grants did not end as they should`);
  return rows.map(({ lag }) => lag);
}
