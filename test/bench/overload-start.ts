/** A start with fifty thousand grants overdue: how soon the API is there, how it answers meanwhile, and how fast they go. */
import { type BenchWorld, type Commits, type Models, openCommits } from "./bench-world.ts";
import { dropLogins, forgetGrants, makeEndingGrants, makeStands } from "./ending-grants.ts";
import { type Line, median, nowMs, quantile, ratioLine, sleepUntil, timed } from "./numbers.ts";
import { processorTime, processorTimeEach } from "./processor-time.ts";
import { revokeStand, WORKERS } from "./revocation-lag.ts";

const OVERDUE = 50_000;
/** As many as may be worked off while it is measured have a login on the target; the others are only in the way. */
const WITH_LOGINS = 1_200;
const SETTLE_MS = 3_000;
const MEASURE_MS = 8_000;
const ASK_EVERY_MS = 50;
const ROUNDS_MAX = 2;

type Round = { readonly readyMs: number; readonly answersMs: number[]; readonly ours: number; readonly floor: number };

export async function overloadStart(world: BenchWorld, models: Models, rounds: number): Promise<Line[]> {
  const commits = await openCommits(world, WORKERS);
  const seen: Round[] = [];
  for (let round = 0; round < Math.min(rounds, ROUNDS_MAX); round += 1)
    seen.push(await oneStart(world, models, commits));
  await commits.close();
  const samples = seen.length;
  const ready = median(seen.map(({ readyMs }) => readyMs));
  const answers = median(seen.map(({ answersMs }) => quantile(answersMs, 0.99)));
  const plain = { name: "overload-start", unit: "ms" as const, floor: null };
  return [
    { ...plain, measure: "to ready, 50,000 overdue", ours: ready, value: ready, target: { atMost: 2_000 }, samples },
    {
      ...plain,
      measure: "GET /v1/grants meanwhile, p99",
      ours: answers,
      value: answers,
      target: { atMost: 500 },
      samples: seen.reduce((sum, { answersMs }) => sum + answersMs.length, 0),
    },
    ratioLine(
      { name: "overload-start", measure: "revoked a second", unit: "/s", target: { atLeast: 0.7 }, samples },
      seen,
    ),
  ];
}

async function oneStart(world: BenchWorld, models: Models, commits: Commits): Promise<Round> {
  const floor = await floorRate(world, models, commits);
  await dropLogins(world, models);
  await world.server?.stop();
  const ids = await makeEndingGrants(world, models, {
    count: OVERDUE,
    withLogins: WITH_LOGINS,
    endsAt: "clock_timestamp() - interval '2 hours' + i * interval '1 millisecond'",
  });
  const { readyMs } = await world.serve();
  const connection = world.connection();
  const answersMs: number[] = [];
  await sleepUntil(nowMs() + SETTLE_MS);
  const [before, startMs, used] = [await closed(world), nowMs(), await processorTime(world)];
  while (nowMs() < startMs + MEASURE_MS) {
    answersMs.push(await timed(() => connection.call("GET", "/v1/grants", world.token("erin"))));
    await sleepUntil(nowMs() + ASK_EVERY_MS);
  }
  const [after, endMs] = [await closed(world), nowMs()];
  console.log(`  our ${processorTimeEach(used, await processorTime(world), after - before)}`);
  connection.close();
  await world.server?.stop();
  if (after >= WITH_LOGINS) throw new Error("more were worked off than had a login: that is less work than is meant");
  await forgetGrants(world, ids);
  await dropLogins(world, models);
  await world.serve();
  return { readyMs, answersMs, floor, ours: (after - before) / ((endMs - startMs) / 1_000) };
}

/** The bare script, as many workers, one revocation after the other. */
async function floorRate(world: BenchWorld, models: Models, commits: Commits): Promise<number> {
  const stands = await makeStands(world, models, WITH_LOGINS);
  const [startMs, used] = [nowMs(), await processorTime(world)];
  let next = 0;
  await Promise.all(
    Array.from({ length: WORKERS }, async (_, worker) => {
      while (nowMs() < startMs + MEASURE_MS) {
        const stand = stands[next++];
        if (stand === undefined) return;
        await revokeStand(world, models, stand, commits, worker);
      }
    }),
  );
  const done = Math.min(next, stands.length);
  console.log(`  floor's ${processorTimeEach(used, await processorTime(world), done)}`);
  return done / ((nowMs() - startMs) / 1_000);
}

async function closed(world: BenchWorld): Promise<number> {
  const [row] = await world.inStore<{ n: number }>(
    "select count(*)::int as n from grants where state = 'revoked' and revoked_at > expires_at + interval '1 hour'",
  );
  return row?.n ?? 0;
}
