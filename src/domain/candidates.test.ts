/** Random organisations: whoever is left out as nobody who could be meant was nobody who could be meant. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { reviewId } from "../base/ids.ts";
import { approversAmong, countApprovals, describeStep, missingApprovers } from "./approvers.ts";
import { candidatesAmong, OPERATORS, peopleIn, soughtByRules, soughtFor } from "./candidates.ts";
import { approve } from "./evaluate-fixture.ts";
import type { Decision, Source, Step } from "./policy.ts";
import { type Principal, ROLES } from "./principal.ts";
import { bindingApprovals, type Review } from "./request.ts";
import { inPlaceOf, whoIsMissing, whoMayApprove, withFallback } from "./request-approvers.ts";
import { entitlement, principal, request, resource, subject } from "./request-fixture.ts";
import { askApprovers, tellNoApprovers, whoOperate } from "./tell.ts";
import { tellEmergency, tellOverdue } from "./tell-emergency.ts";

const RUNS = process.env["TIDEGATE_LONG"] === undefined ? 1_000 : 50_000;
const HANDLES = [
  "alice",
  "bob",
  "carol",
  "dave",
  "erin",
  "frank",
  "gina",
  "hal",
  "ivy",
  "jo",
  "kim",
  "lou",
  "mo",
  "nat",
];
const GROUPS = ["sre", "leads", "security"];
const PEOPLE = HANDLES.map((handle) => principal(handle));
const nth = fc.nat(PEOPLE.length - 1);
const idOf = (at: number) => PEOPLE[at % PEOPLE.length]?.id ?? ("" as Principal["id"]);

const people = fc
  .tuple(
    ...PEOPLE.map((known, at) =>
      fc.record({
        known: fc.constant(known),
        groups: fc.subarray(GROUPS, { maxLength: 1 }),
        roles: fc.subarray([...ROLES], { maxLength: 1 }),
        active: fc.boolean(),
        kind: fc.constantFrom("user" as const, "user" as const, "service" as const),
        away: fc.option(fc.record({ to: fc.option(nth), by: nth }), { freq: 2 }),
        at: fc.constant(at),
      }),
    ),
  )
  .map((all) =>
    all.map(({ known, away, at, ...more }): Principal => {
      const { to, by } = away ?? { to: null, by: 0 };
      const delegateId = to === null || to === at ? null : idOf(to);
      return { ...known, ...more, ...(away === null ? {} : { away: { untilMs: 1, delegateId, setBy: idOf(by) } }) };
    }),
  );
const source = fc.constantFrom<Source>(
  ...GROUPS.map((group): Source => `group:${group}`),
  ...HANDLES.map((handle): Source => `user:${handle}`),
  "owners",
);
const sources = fc.uniqueArray(source, { maxLength: 2 });
const step: fc.Arbitrary<Step> = fc
  .record({
    by: sources,
    count: fc.integer({ min: 1, max: 3 }),
    later: fc.option(sources),
    fallback: fc.option(sources),
  })
  .map(({ by, count, later, fallback }) => ({
    ...{ by, count },
    ...(later === null ? {} : { escalate: { afterMs: 1, to: later } }),
    ...(fallback === null ? {} : { fallback }),
  }));
const decision = fc
  .record({
    steps: fc.array(step, { maxLength: 3 }),
    emergency: fc.option(fc.record({ reviewBy: sources, skipped: sources, withinMs: fc.constant(1) })),
  })
  .map(({ steps, emergency }): Decision => {
    const outcome = steps.length === 0 ? "automatic" : "needs-approval";
    return { ...{ outcome, rule: "rule", trace: [], steps }, ...(emergency === null ? {} : { emergency }) };
  });
const organisation = fc.record({
  people,
  decision,
  owners: fc.uniqueArray(
    source.filter((one) => one !== "owners"),
    { maxLength: 2 },
  ),
  reviews: fc.array(fc.record({ by: nth, standsFor: fc.uniqueArray(nth, { maxLength: 2 }) }), { maxLength: 3 }),
  reviewer: nth,
});

/** Everything that is asked about people while a request is decided, reviewed, looked at again and told of. */
function answers(everybody: readonly Principal[], asked: Asked): unknown {
  const { reviews, reviewer, of, offered } = asked;
  const scene = subject(everybody, { resource: offered });
  const fallen = withFallback(of, scene, reviews, 5);
  const all = [of, fallen].map((one) => ({
    missing: whoIsMissing(one, scene, reviews),
    may: [...whoMayApprove(one, reviews, scene)].sort(),
    asks: askApprovers(one, reviews, scene).to.toSorted(),
    have: countApprovals(
      one.decision.steps,
      offered,
      one.requesterId,
      scene.principals,
      bindingApprovals(one, reviews),
    ),
    nobody: one.decision.steps.length === 0 ? null : tellNoApprovers(one, scene.principals, "nobody").to.toSorted(),
  }));
  const told = of.decision.emergency === undefined ? [] : [...tellEmergency(of, [], scene), tellOverdue(of, scene)];
  const inPlace = inPlaceOf(reviewer, of, reviews, scene).map(({ id }) => id);
  return {
    ...{ steps: fallen.decision.steps, all, inPlace: inPlace.toSorted() },
    told: told.map(({ kind, to }) => ({ kind, to: to.toSorted() })),
    needs: fallen.decision.steps.map((one) => describeStep(one, offered)),
  };
}

type Asked = ReturnType<typeof askedIn>;
function askedIn({ decision: decided, owners, reviews: given, reviewer }: Generated) {
  const emergencyReview = decided.emergency === undefined ? null : { dueMs: 1, remindMs: 1, done: null };
  const of = request(idOf(0), decided, { emergencyReview });
  const reviews = given.map(
    ({ by, standsFor }): Review => ({
      ...{ id: reviewId.make(), requestId: of.id, reviewerId: idOf(by), verdict: "approve", comment: "" },
      ...{ durationMs: null, entitlement: of.entitlement, scopeHash: of.scopeHash, createdMs: 0, voidedMs: null },
      standsFor: standsFor.map(idOf),
    }),
  );
  return { of, reviews, reviewer: idOf(reviewer), offered: resource([entitlement("admins")], { owners }) };
}
type Generated = typeof organisation extends fc.Arbitrary<infer T> ? T : never;

test("who cannot be meant changes nothing in who may approve, who is missing and who is told", () => {
  let leftOut = 0;
  fc.assert(
    fc.property(organisation, (one) => {
      const asked = askedIn(one);
      const { offered, of, reviews, reviewer } = asked;
      const everybody = one.people.filter(({ active }) => active);
      const some = candidatesAmong(one.people, soughtFor(offered, [of.decision], [reviewer, ...peopleIn(reviews)]));
      leftOut += everybody.length - some.length;
      assert.deepEqual(answers(some, asked), answers(everybody, asked));
      assert.deepEqual(whoOperate(candidatesAmong(one.people, OPERATORS)), whoOperate(everybody));
    }),
    { numRuns: RUNS },
  );
  assert.ok(leftOut > RUNS / 2, `only ${leftOut} were left out: the rule compared everybody with everybody`);
});

test("who cannot be meant by a rule changes nothing in whether anybody could approve", () => {
  fc.assert(
    fc.property(
      organisation,
      fc.constantFrom("", ...HANDLES),
      ({ people: all, decision: { steps }, owners }, manager) => {
        const rule = approve("rule", null, { approve: [...steps, { by: ["manager"], count: 1 }] });
        const offered = resource([entitlement("admins")], { owners });
        const decided: Step[] = [...steps, { by: manager === "" ? [] : [`user:${manager}`], count: 1 }];
        const some = candidatesAmong(all, soughtByRules([rule], offered, { ...PEOPLE[0], manager } as Principal));
        const everybody = all.filter(({ active }) => active);
        const missing = (among: readonly Principal[]) =>
          missingApprovers(decided, offered, idOf(0), approversAmong(among)(decided, offered));
        assert.equal(missing(some), missing(everybody));
      },
    ),
    { numRuns: RUNS },
  );
});
