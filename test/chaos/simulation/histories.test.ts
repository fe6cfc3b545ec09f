/** Many histories, and that a history can be believed: it replays exactly, and what is wrong in it is found and made small. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { MUTATIONS } from "../mutations/mutations.ts";
import { runMutations } from "../mutations/run-mutations.ts";
import { planOf } from "./plan.ts";
import { runHistory } from "./run-history.ts";
import { STEPS } from "./setting.ts";
import { shrink } from "./shrink.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const LONG = process.env["TIDEGATE_LONG"] !== undefined;
/** The same ones each time in `npm test`; new ones each time in the long run. */
const [FROM, HISTORIES] = LONG ? [Date.now() % 1_000_000_000, 20_000] : [1, 150];

test("S03, S07, S08, S21, S22, S29, rows 1–3, 12, 13, 16, 17, 19, 22, 33, 35: random histories with everything that can fail break no invariant", async () => {
  let [grants, closed] = [0, 0];
  for (let seed = FROM; seed < FROM + HISTORIES; seed += 1) {
    const outcome = await runHistory(planOf(seed, STEPS));
    assert.deepEqual(outcome.wrong, [], `npm run chaos -- --seed ${seed} --steps ${STEPS}`);
    grants += outcome.grants;
    closed += outcome.closed;
  }
  // A simulation in which nothing happens would break nothing either.
  assert.ok(grants > 5 * HISTORIES && closed > 4 * HISTORIES, `${grants} grants, ${closed} closed`);
});

test("the same seed has the same history, to the last event", async () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const [first, second] = [await runHistory(planOf(seed, STEPS)), await runHistory(planOf(seed, STEPS))];
    assert.equal(first.digest, second.digest, `seed ${seed}`);
  }
  const [one, other] = [await runHistory(planOf(1, STEPS)), await runHistory(planOf(2, STEPS))];
  assert.notEqual(one.digest, other.digest);
});

test("a history that goes wrong is made small, and the small one goes wrong as well", async () => {
  // Nothing is known to be wrong with any: so a plan counts as wrong here as soon as bob asks for something.
  const plan = planOf(3, STEPS);
  const asked = (events: typeof plan.events): boolean =>
    events.some(({ what }) => what.do === "ask" && what.who === "bob");
  assert.ok(asked(plan.events));
  const small = await shrink(plan, async ({ events }) => asked(events));
  assert.equal(small.events.length, 1);
  assert.ok(asked(small.events));
});

test("every planted bug still has its place in the source, and there are enough of them", () => {
  assert.ok(MUTATIONS.length >= 15);
  for (const { name, edits } of MUTATIONS)
    for (const { file, from } of edits)
      assert.equal(readFileSync(join(ROOT, file), "utf8").split(from).length, 2, `${name}: ${file} has once: ${from}`);
});

test("S03: a grant that is closed on a word is found", () => assert.ok(runMutations("closed-on-a-word")));

test("every planted bug is found", { skip: !LONG && "in npm run test:long" }, () => assert.ok(runMutations()));
