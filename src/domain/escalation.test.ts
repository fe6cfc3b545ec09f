import assert from "node:assert/strict";
import { test } from "node:test";
import { isRefusal } from "../base/problem.ts";
import { describeStep } from "./approvers.ts";
import { type Decided, review, type Subject } from "./decide-request.ts";
import { asWritten, carryOver, escalate, nextEscalationMs } from "./escalation.ts";
import { HOUR_MS, NOW_MS } from "./grant-fixture.ts";
import { lookAgain } from "./look-again.ts";
import type { Step } from "./policy.ts";
import { reevaluate } from "./reevaluate-request.ts";
import type { AccessRequest, Review } from "./request.ts";
import { needing, principal, request, resource, subject } from "./request-fixture.ts";

const MINUTE_MS = 60_000;
const [alice, bob, carol, dave] = [
  principal("alice"),
  principal("bob", { groups: ["owners"] }),
  principal("carol", { groups: ["sre"] }),
  principal("dave", { groups: ["security"] }),
];
const PEOPLE = [alice, bob, carol, dave];
const AFTER_30M: Step = { by: ["owners"], count: 1, escalate: { afterMs: 30 * MINUTE_MS, to: ["group:sre"] } };
const asked = (...steps: Step[]): AccessRequest => request(alice.id, needing(...steps));
const LATER_MS = NOW_MS + 30 * MINUTE_MS;

function looked(
  at: AccessRequest,
  nowMs: number,
  it: Subject = subject(PEOPLE),
  reviews: Review[] = [],
): Decided | null {
  return lookAgain(at, reviews, it, nowMs);
}
const kindsOf = (decided: Decided | null) => (decided?.changes.entries ?? []).map(({ kind }) => kind);
const toldBy = (decided: Decided | null) =>
  (decided?.changes.entries ?? []).flatMap(({ tells = [] }) => tells.map(({ kind, to }) => [kind, to]));

test("a step that was open for so long may be filled by those it escalates to, and not a moment sooner", () => {
  const at = asked(AFTER_30M);
  assert.equal(nextEscalationMs(at), LATER_MS);
  assert.equal(looked(at, LATER_MS - 1), null);
  const decided = looked(at, LATER_MS);
  assert.deepEqual(decided?.request.decision.steps, [
    { ...AFTER_30M, by: ["owners", "group:sre"], added: [{ by: ["group:sre"], why: "escalated", atMs: LATER_MS }] },
  ]);
  assert.deepEqual(kindsOf(decided), ["request.escalated"]);
  assert.deepEqual(toldBy(decided), [
    ["request.needs-approval", [carol.id]],
    ["request.escalated", [alice.id]],
  ]);
});

test("it escalates once, and what it adds is never taken back", () => {
  const once = looked(asked(AFTER_30M), LATER_MS)?.request;
  assert.ok(once !== undefined);
  assert.equal(nextEscalationMs(once), null);
  assert.equal(looked(once, LATER_MS + HOUR_MS), null);
});

test("each step escalates by its own time", () => {
  const slow: Step = { by: ["group:security"], count: 1, escalate: { afterMs: HOUR_MS, to: ["group:sre"] } };
  const first = looked(asked(AFTER_30M, slow), LATER_MS)?.request;
  assert.ok(first !== undefined);
  assert.deepEqual(first.decision.steps[1], slow);
  assert.equal(nextEscalationMs(first), NOW_MS + HOUR_MS);
  assert.deepEqual(
    looked(first, NOW_MS + HOUR_MS)?.request.decision.steps.map(({ by }) => by),
    [
      ["owners", "group:sre"],
      ["group:security", "group:sre"],
    ],
  );
});

test("a step that escalates to those who might already is done with it, and bothers nobody", () => {
  const decided = looked(asked({ ...AFTER_30M, escalate: { afterMs: 1_000, to: ["owners"] } }), LATER_MS);
  assert.deepEqual(decided?.request.decision.steps[0]?.by, ["owners"]);
  assert.deepEqual(toldBy(decided), []);
  assert.equal(decided === null ? 0 : nextEscalationMs(decided.request), null);
});

test("what is decided escalates no more", () => {
  assert.equal(nextEscalationMs({ ...asked(AFTER_30M), state: "approved" }), null);
});

test("who approved already may fill the place that escalation opens to them: it is granted then", () => {
  const two: Step = { by: ["group:sre"], count: 2 };
  const [erin, frank] = [principal("erin", { groups: ["sre"] }), principal("frank", { groups: ["sre"] })];
  const it = subject([...PEOPLE, erin, frank]);
  const at = asked(AFTER_30M, two);
  const reviews: Review[] = [];
  for (const one of [carol, erin, frank]) {
    const answer = review(
      at,
      reviews,
      one,
      { verdict: "approve", comment: "", durationMs: null, instead: null },
      it,
      NOW_MS,
    );
    assert.ok(!isRefusal(answer) && answer.request.state === "pending");
    reviews.push(...(answer.changes.reviews ?? []));
  }
  const decided = looked(at, LATER_MS, it, reviews);
  assert.equal(decided?.request.state, "approved");
  assert.deepEqual(kindsOf(decided), ["request.escalated", "request.approved"]);
  assert.equal(decided?.changes.grants?.length, 1);
});

test("S12 who could approve leaves, and the step falls back on others: they are told, and the requester", () => {
  const step: Step = { by: ["group:owners"], count: 1, fallback: ["group:security"] };
  assert.equal(looked(asked(step), NOW_MS), null);
  const decided = looked(asked(step), LATER_MS, subject([alice, carol, dave]));
  assert.deepEqual(decided?.request.decision.steps[0]?.added, [
    { by: ["group:security"], why: "fallback", atMs: LATER_MS },
  ]);
  assert.deepEqual(toldBy(decided), [
    ["request.needs-approval", [dave.id]],
    ["request.escalated", [alice.id]],
  ]);
});

test("S12 nobody is left, and nobody will be: denied, and the requester is told", () => {
  const step: Step = { by: ["group:owners"], count: 1 };
  const decided = looked(asked(step), NOW_MS, subject([alice, carol, dave]));
  assert.equal(decided?.request.state, "denied");
  assert.deepEqual(toldBy(decided), [["request.no-approvers", [alice.id]]]);
  // Who may approve once it escalates is somebody who can: it waits for them.
  assert.equal(looked(asked(AFTER_30M), NOW_MS, subject([alice, carol])), null);
});

test("a step that the new rules ask for as well goes on: its time, and who was added", () => {
  const once = looked(asked(AFTER_30M), LATER_MS)?.request;
  assert.ok(once !== undefined);
  assert.equal(reevaluate(once, [], needing(AFTER_30M), 2, subject(PEOPLE), LATER_MS + 1), null);
  const other: Step = { ...AFTER_30M, by: ["group:security"] };
  const more = reevaluate(once, [], needing(AFTER_30M, other), 2, subject(PEOPLE), LATER_MS + 1);
  assert.ok(more !== null && !isRefusal(more));
  assert.deepEqual(more.request.decision.steps[0], once.decision.steps[0]);
  assert.deepEqual(more.request.decision.steps[1], { ...other, openedMs: LATER_MS + 1 });
  assert.equal(nextEscalationMs(more.request), LATER_MS + 1 + 30 * MINUTE_MS);
});

test("a step that is another one opens when the rules change", () => {
  const fewer: Step = { ...AFTER_30M, count: 2 };
  assert.deepEqual(carryOver([fewer], escalate([AFTER_30M], NOW_MS, LATER_MS), LATER_MS), [
    { ...fewer, openedMs: LATER_MS },
  ]);
});

test("two steps that ask for the same are two", () => {
  const [first, second] = escalate([AFTER_30M, { ...AFTER_30M, openedMs: LATER_MS }], NOW_MS, LATER_MS);
  assert.ok(first !== undefined && second !== undefined);
  assert.deepEqual(carryOver([AFTER_30M, AFTER_30M], [first, second], LATER_MS), [first, second]);
  assert.deepEqual(carryOver([AFTER_30M], [first, second], LATER_MS), [first]);
});

test("a step says in words who may, who came to it and who will", () => {
  const dir = resource([], { owners: ["group:leads"] });
  assert.equal(describeStep(AFTER_30M, dir), "1 of owners (group:leads), after 30m also group:sre");
  const [escalated] = escalate([AFTER_30M], 0, Date.UTC(2026, 10, 29, 10, 30));
  assert.ok(escalated !== undefined);
  assert.equal(describeStep(escalated, dir), "1 of owners (group:leads), since 2026-11-29 10:30 UTC also group:sre");
  assert.deepEqual(asWritten(escalated), ["owners"]);
});
