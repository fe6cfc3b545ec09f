/**
 * `npm run chaos`: histories of Tidegate in virtual time, with everything that can go wrong, checked from outside.
 *
 *   npm run chaos -- --minutes 5           as many seeds as fit, from a seed that the clock gives
 *   npm run chaos -- --seed 7 --histories 1000
 *   npm run chaos -- --seed 7 --steps 30   one history, twice; its end, or what is wrong with it
 *   npm run chaos -- --seed 7 --trace      and everything that happened in it
 *   npm run chaos -- --mutations           plants the bugs of test/chaos/mutations, one at a time; all must be caught
 */
import { parseArgs } from "node:util";
import { runMutations } from "../mutations/run-mutations.ts";
import { type Plan, planOf } from "./plan.ts";
import { type Outcome, runHistory } from "./run-history.ts";
import { STEPS } from "./setting.ts";
import { shrink } from "./shrink.ts";

/** Of a failing history, so many lines before the end. */
const LAST_LINES = 60;

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    steps: { type: "string", default: String(STEPS) },
    minutes: { type: "string" },
    histories: { type: "string" },
    trace: { type: "boolean", default: false },
    mutations: { type: "boolean", default: false },
    /** With --mutations: only this one. */
    only: { type: "string" },
    /** Only what is wrong, not the smallest history for it. */
    brief: { type: "boolean", default: false },
  },
});

function whole(text: string, what: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 0) return number;
  console.error(`--${what} is a whole number`);
  process.exit(2);
}

/** The failing history as small as it gets, and how to see it again. */
async function report(plan: Plan, outcome: Outcome, steps: number): Promise<void> {
  console.log(`\nSeed ${plan.seed} (${plan.kind}): ${outcome.wrong.length} wrong\n  ${outcome.wrong.join("\n  ")}`);
  if (values.brief) return;
  const small = await shrink(plan);
  const again = await runHistory(small, { keepLines: true });
  console.log(`\nThe smallest history that is still wrong, with ${small.shiftsMs.length} replicas:`);
  for (const { atMs, number, what, moment } of small.events) {
    const when = moment === null ? `at ${atMs} ms` : `${moment.ms} ms from ${moment.after} no. ${moment.nth}`;
    console.log(`  ${when}, ${number}: ${JSON.stringify(what)}`);
  }
  console.log(`\nIts last events:\n  ${again.lines.slice(-LAST_LINES).join("\n  ")}`);
  console.log(`\nAgain: npm run chaos -- --seed ${plan.seed} --steps ${steps}`);
}

async function one(seed: number, steps: number): Promise<boolean> {
  const plan = planOf(seed, steps);
  const [first, second] = [await runHistory(plan, { keepLines: values.trace }), await runHistory(plan)];
  if (values.trace) console.log(first.lines.join("\n"));
  if (first.digest !== second.digest) {
    console.log(`Seed ${seed} did not replay: ${first.digest} and ${second.digest}`);
    return false;
  }
  if (first.wrong.length > 0) await report(plan, first, steps);
  else
    console.log(
      `Seed ${seed} (${plan.kind}): ${plan.events.length} events, ${first.grants} grants, nothing is wrong; replayed exactly (${first.digest.slice(0, 16)})`,
    );
  return first.wrong.length === 0;
}

async function many(from: number, steps: number, until: (done: number) => boolean): Promise<boolean> {
  const [begun, cpu] = [performance.now(), process.cpuUsage()];
  let [done, grants] = [0, 0];
  while (!until(done)) {
    const plan = planOf(from + done, steps);
    const outcome = await runHistory(plan);
    done += 1;
    grants += outcome.grants;
    if (outcome.wrong.length === 0) continue;
    await report(plan, outcome, steps);
    return false;
  }
  const minutes = (performance.now() - begun) / 60_000;
  const { user, system } = process.cpuUsage(cpu);
  const cpuMinutes = (user + system) / 60_000_000;
  const perMinute = (of: number): number => Math.round(done / of);
  console.log(
    `${done} histories from seed ${from}, ${grants} grants, nothing is wrong (${perMinute(minutes)} histories a minute, ${perMinute(cpuMinutes)} a minute of one core)`,
  );
  return true;
}

const steps = whole(values.steps, "steps");
const seed = values.seed === undefined ? Date.now() % 1_000_000_000 : whole(values.seed, "seed");
let good: boolean;
if (values.mutations) good = runMutations(values.only ?? null);
else if (values.minutes !== undefined) {
  const endMs = performance.now() + Number(values.minutes) * 60_000;
  good = await many(seed, steps, () => performance.now() >= endMs);
} else if (values.histories !== undefined) {
  const wanted = whole(values.histories, "histories");
  good = await many(seed, steps, (done) => done >= wanted);
} else good = await one(seed, steps);
process.exitCode = good ? 0 : 1;
