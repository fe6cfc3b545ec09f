import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Urgency } from "../domain/plan.ts";
import { type Due, places } from "./places.ts";

const anyDue = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { maxLength: 30 }).chain((names) =>
  fc.tuple(
    ...names.map((resource) =>
      fc.record({
        resource: fc.constant(resource),
        urgency: fc.constantFrom<Urgency>(0, 1, 2),
        inFlight: fc.nat(9),
        atMost: fc.nat(9),
      }),
    ),
  ),
);

const givenTo = (due: readonly Due[], spare: number, turn = 0): Map<string, number> =>
  new Map(places(due, spare, turn).map((it) => [it.resource, it.places]));

test("nobody gets more than it may have, and all together no more than is spare but for those that have none", () => {
  fc.assert(
    fc.property(anyDue, fc.integer({ min: -10, max: 70 }), fc.nat(100), (due, spare, turn) => {
      const given = givenTo(due, spare, turn);
      let beyond = 0;
      for (const { resource, inFlight, atMost } of due) {
        const got = given.get(resource) ?? 0;
        assert.ok(got === 0 || inFlight + got <= atMost, `${resource} got ${got}`);
        if (inFlight === 0 && atMost > 0) assert.ok(got > 0, `${resource} has nothing under way and got nothing`);
        if (inFlight === 0 && got > 0) beyond += 1;
      }
      const sum = [...given.values()].reduce((all, one) => all + one, 0);
      assert.ok(sum <= Math.max(0, spare) + beyond, `${sum} of ${spare}`);
    }),
  );
});

test("no two resources of the same urgency differ by more than one place, unless one may have no more", () => {
  fc.assert(
    fc.property(anyDue, fc.integer({ min: 0, max: 70 }), fc.nat(100), (due, spare, turn) => {
      const given = givenTo(due, spare, turn);
      const has = (it: Due): number => it.inFlight + (given.get(it.resource) ?? 0);
      for (const poor of due)
        for (const rich of due)
          if (poor.urgency === rich.urgency && (given.get(rich.resource) ?? 0) > 0 && has(poor) < poor.atMost)
            assert.ok(has(rich) - has(poor) <= 1, `${rich.resource} has ${has(rich)}, ${poor.resource} ${has(poor)}`);
    }),
  );
});

test("what gives access gets places only when what takes it away has all that it may have, but for one each", () => {
  const due = (resource: string, urgency: Urgency): Due => ({ resource, urgency, inFlight: 0, atMost: 8 });
  const given = givenTo([due("gives", 1), due("takes", 0), due("looks", 2)], 6);
  assert.deepEqual(Object.fromEntries(given), { takes: 6, gives: 1, looks: 1 });
  assert.deepEqual(Object.fromEntries(givenTo([due("gives", 1), due("takes", 0)], 11)), { takes: 8, gives: 3 });
});

test("the last places go round", () => {
  const due = ["a", "b", "c"].map((resource): Due => ({ resource, urgency: 0, inFlight: 1, atMost: 8 }));
  const lucky = [0, 1, 2].map((turn) => [...givenTo(due, 1, turn).keys()].join());
  assert.deepEqual(lucky.toSorted(), ["a", "b", "c"]);
});
