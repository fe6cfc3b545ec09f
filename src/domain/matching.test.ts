import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canComplete, fillPlaces, type Hand, inPerson, type StepPlaces } from "./matching.ts";

const PEOPLE = ["ann", "ben", "cy", "dee", "eve", "fay"];

const steps = fc.array(
  fc.record({ eligible: fc.subarray(PEOPLE).map((people) => new Set(people)), count: fc.integer({ min: 0, max: 3 }) }),
  { maxLength: 4 },
);
const people = fc.shuffledSubarray(PEOPLE);

/** Each by their own right, and by those of some others. */
const hands = people.chain((some) =>
  fc.tuple(
    ...some.map((by) =>
      fc.record({
        by: fc.constant(by),
        rights: fc.subarray(PEOPLE, { maxLength: 3 }).map((others) => [by, ...others]),
      }),
    ),
  ),
);

/** The most places that can be filled, by trying everything: each person takes any place by any right, or none. */
function bruteForce(wanted: readonly StepPlaces<string>[], approvers: readonly Hand<string>[]): number {
  const [first, ...rest] = approvers;
  if (first === undefined) return 0;
  let best = bruteForce(wanted, rest);
  for (const right of new Set(first.rights))
    for (const [i, step] of wanted.entries()) {
      if (step.count === 0 || !step.eligible.has(right)) continue;
      const left = wanted.map((it, j) => (j === i ? { ...it, count: it.count - 1 } : it));
      const others = rest.map(({ by, rights }) => ({ by, rights: [...rights].filter((one) => one !== right) }));
      best = Math.max(best, 1 + bruteForce(left, others));
    }
  return best;
}

const total = (have: readonly number[]): number => have.reduce((sum, n) => sum + n, 0);

test("as many places are filled as can be: the same number as by trying everything", () => {
  fc.assert(
    fc.property(steps, hands, (wanted, approvers) => {
      const { have, complete } = fillPlaces(wanted, approvers);
      const best = bruteForce(wanted, approvers);
      assert.equal(total(have), best);
      assert.equal(complete, best === wanted.reduce((sum, step) => sum + step.count, 0));
      for (const [i, step] of wanted.entries()) assert.ok((have[i] ?? 0) <= step.count);
    }),
    { numRuns: 500 },
  );
});

test("the order of approvals and approving twice never change whether it is complete", () => {
  fc.assert(
    fc.property(
      steps,
      hands.chain((some) => fc.tuple(fc.constant(some), fc.shuffledSubarray(some, { minLength: some.length }))),
      (wanted, [one, other]) => {
        assert.equal(fillPlaces(wanted, one).complete, fillPlaces(wanted, [...other, ...one]).complete);
        assert.equal(total(fillPlaces(wanted, one).have), total(fillPlaces(wanted, [...other, ...one]).have));
      },
    ),
    { numRuns: 500 },
  );
});

test("one more approval never takes a place away", () => {
  fc.assert(
    fc.property(steps, hands, hands, (wanted, approvers, more) => {
      const [before, after] = [fillPlaces(wanted, approvers), fillPlaces(wanted, [...approvers, ...more])];
      assert.ok(total(after.have) >= total(before.have));
      assert.ok(after.complete || !before.complete);
    }),
  );
});

test("S11 one from security and one from the DBAs: who is in both fills one place, and a second person is needed", () => {
  const both = [
    { eligible: new Set(["ann", "ben"]), count: 1 },
    { eligible: new Set(["ann", "cy"]), count: 1 },
  ];
  assert.deepEqual(fillPlaces(both, inPerson(["ann"])), { have: [1, 0], complete: false });
  assert.deepEqual(fillPlaces(both, inPerson(["ann", "ann"])), { have: [1, 0], complete: false });
  assert.equal(fillPlaces(both, inPerson(["ann", "ben"])).complete, true);
  assert.equal(fillPlaces(both, inPerson(["ann", "cy"])).complete, true);
  assert.equal(fillPlaces(both, inPerson(["ben", "cy"])).complete, true);
  assert.ok(!canComplete(both, ["ann"]));
});
