import assert from "node:assert/strict";
import { test } from "node:test";
import { isRefusal } from "../base/problem.ts";
import { type Decided, review, type Subject } from "./decide-request.ts";
import { entitlementRef } from "./entitlement.ts";
import { activeGrant, HOUR_MS, NOW_MS } from "./grant-fixture.ts";
import type { Decision, Step } from "./policy.ts";
import { reevaluate } from "./reevaluate-request.ts";
import type { AccessRequest, Review } from "./request.ts";
import { needing, principal, request, subject } from "./request-fixture.ts";

const [alice, bob, carol] = [
  principal("alice"),
  principal("bob", { groups: ["owners"] }),
  principal("carol", { groups: ["owners", "security"] }),
];
const TWO: Step = { by: ["owners"], count: 2 };
const ONE: Step = { by: ["owners"], count: 1 };
const PEOPLE = [alice, bob, carol];

/** Two owners are needed and bob has approved. */
function half(): { asked: AccessRequest; reviews: Review[] } {
  const answer = review(
    request(alice.id, needing(TWO)),
    [],
    bob,
    { verdict: "approve", comment: "", durationMs: null, instead: null },
    subject(PEOPLE),
    NOW_MS,
  );
  assert.ok(!isRefusal(answer));
  return { asked: answer.request, reviews: [...(answer.changes.reviews ?? [])] };
}

function again(asked: AccessRequest, reviews: readonly Review[], decision: Decision, it: Subject): Decided | null {
  const answer = reevaluate(asked, reviews, decision, 2, it, NOW_MS);
  assert.ok(!isRefusal(answer));
  return answer;
}

test("the same rules and people decide the same: nothing is written", () => {
  const { asked, reviews } = half();
  assert.equal(again(asked, reviews, needing(TWO), subject(PEOPLE)), null);
  // Read back from the store, the keys of a step may stand in another order.
  assert.equal(again(asked, reviews, needing({ count: 2, by: ["owners"] }), subject(PEOPLE)), null);
});

test("approvals count on under new steps, and may be enough now", () => {
  const { asked, reviews } = half();
  assert.equal(again(asked, reviews, needing(ONE), subject(PEOPLE))?.request.state, "approved");
  const more = again(asked, reviews, needing({ by: ["group:security"], count: 1 }), subject(PEOPLE));
  assert.equal(more?.request.state, "pending");
  assert.deepEqual(
    more?.changes.entries?.map(({ kind }) => kind),
    ["request.reevaluated"],
  );
  assert.equal(more?.request.configVersion, 2);
});

test("what the new rules demand of who asks or approves and was not shown counts for nothing", () => {
  const fresh = { atMs: NOW_MS - 60_000, acr: null, amr: [] };
  const demand = { maxAgeMs: 900_000 };
  const { asked, reviews } = half();
  const demanding: Decision = { ...needing(ONE), authentication: { review: demand } };
  const unshown = again(asked, reviews, demanding, subject(PEOPLE));
  assert.equal(unshown?.request.state, "pending");
  assert.deepEqual(
    unshown?.changes.reviews?.map(({ voidedMs }) => voidedMs),
    [NOW_MS],
  );
  const shown = reviews.map((one) => ({ ...one, authentication: fresh }));
  assert.equal(again(asked, shown, demanding, subject(PEOPLE))?.request.state, "approved");

  const at: Decision = {
    outcome: "automatic",
    rule: "rule",
    steps: [],
    trace: [],
    authentication: { request: demand },
  };
  const denied = again(asked, reviews, at, subject(PEOPLE));
  assert.equal(denied?.request.state, "denied");
  assert.match(denied?.request.endedBecause ?? "", /demands a sign-in no older than 15m of whoever asks: ask again/);
  const proven = { ...asked, facts: { ...asked.facts, authentication: fresh } };
  assert.equal(again(proven, reviews, at, subject(PEOPLE))?.request.state, "approved");
});

test("a changed scope voids every approval", () => {
  const { asked, reviews } = half();
  const it = subject(PEOPLE);
  const changed = { ...it, entitlement: { ...it.entitlement, scopeHash: "another" } };
  const answer = again(asked, reviews, needing(ONE), changed);
  assert.equal(answer?.request.state, "pending");
  assert.equal(answer?.request.scopeHash, "another");
  assert.deepEqual(
    answer?.changes.reviews?.map(({ voidedMs }) => voidedMs),
    [NOW_MS],
  );
});

test("a narrower offer that is no more goes back to what was asked for", () => {
  const { asked, reviews } = half();
  const narrowed = {
    ...asked,
    narrowedTo: { entitlement: entitlementRef("dir", "readers"), scopeHash: "hash of before" },
  };
  const answer = again(narrowed, reviews, needing(TWO), subject(PEOPLE));
  assert.equal(answer?.request.narrowedTo, null);
  assert.equal(answer?.changes.reviews?.length, 1);
});

test("what the new policy denies is denied, what it approves by itself is granted", () => {
  const { asked, reviews } = half();
  assert.equal(
    again(asked, reviews, { outcome: "denied", rule: null, steps: [], trace: [] }, subject(PEOPLE))?.request.state,
    "denied",
  );
  const granted = again(asked, reviews, { outcome: "automatic", rule: "r", steps: [], trace: [] }, subject(PEOPLE));
  assert.equal(granted?.request.state, "approved");
  assert.equal(granted?.changes.grants?.length, 1);
});

test("S12 the same rules, but nobody is left who can approve: the requester is told at once", () => {
  const { asked, reviews } = half();
  const answer = again(asked, reviews, needing(TWO), subject([alice, bob, { ...carol, groups: [] }]));
  assert.equal(answer?.request.state, "denied");
  assert.match(answer?.request.endedBecause ?? "", /not enough people can approve/);
});

test("the same rules, but who has approved may now fill the place that was open: it is granted", () => {
  const steps = [ONE, { by: ["group:security"], count: 1 }] as const;
  const first = request(alice.id, needing(...steps));
  const approvals = [bob, { ...carol, groups: ["owners"] }].flatMap((one) => {
    const answer = review(
      first,
      [],
      one,
      { verdict: "approve", comment: "", durationMs: null, instead: null },
      subject([alice, one]),
      NOW_MS,
    );
    return isRefusal(answer) ? [] : [...(answer.changes.reviews ?? [])];
  });
  assert.equal(approvals.length, 2);
  assert.equal(again(first, approvals, needing(...steps), subject(PEOPLE))?.request.state, "approved");
});

test("10: an extension of a grant whose scope is not today's is not asked of anybody any more", () => {
  const grant = { ...activeGrant(), principalId: alice.id, scopeHash: "hash of admins" };
  const it = subject(PEOPLE, { extended: grant });
  const asked = request(alice.id, needing(ONE), { extendsGrantId: grant.id, durationMs: HOUR_MS });
  const changed = { ...it, entitlement: { ...it.entitlement, scopeHash: "another" } };
  assert.equal(again(asked, [], needing(ONE), changed)?.request.state, "denied");
});

test("without steps nothing is approved, whatever was approved before", () => {
  const { asked } = half();
  assert.notEqual(again(asked, [], needing(), subject(PEOPLE))?.request.state, "approved");
});
