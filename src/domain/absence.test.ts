import assert from "node:assert/strict";
import { test } from "node:test";
import { isRefusal } from "../base/problem.ts";
import { comeBack, goAway, maySetAway } from "./absence.ts";
import { countApprovals, missingApprovers, placesFor } from "./approvers.ts";
import { review, type Subject } from "./decide-request.ts";
import { HOUR_MS, NOW_MS } from "./grant-fixture.ts";
import { lookAgain } from "./look-again.ts";
import type { Step } from "./policy.ts";
import type { Absence, Principal } from "./principal.ts";
import type { AccessRequest, Review } from "./request.ts";
import { whoMayApprove } from "./request-approvers.ts";
import { entitlement, needing, principal, request, resource, subject } from "./request-fixture.ts";

const DAY_MS = 24 * HOUR_MS;
const [alice, bob, carol, dave, frank] = [
  principal("alice", { groups: ["eng"] }),
  principal("bob", { groups: ["owners"] }),
  principal("carol", { groups: ["owners"] }),
  principal("dave"),
  principal("frank"),
];
const away = (who: Principal, delegate: Principal | null, setBy: Principal = who): Principal => ({
  ...who,
  away: { untilMs: NOW_MS + DAY_MS, delegateId: delegate?.id ?? null, setBy: setBy.id },
});
const ONE: Step = { by: ["owners"], count: 1 };
const TWO: Step = { by: ["owners"], count: 2 };
const asked = (step: Step, more: Partial<AccessRequest> = {}) => request(alice.id, needing(step), more);
const handles = (people: readonly Principal[], ids: Iterable<string>): string[] =>
  [...ids].map((id) => people.find((one) => one.id === id)?.handle ?? id).sort();
const mayApprove = (people: readonly Principal[], at = asked(ONE)): string[] =>
  handles(people, whoMayApprove(at, [], subject(people)));

function approve(at: AccessRequest, reviews: readonly Review[], by: Principal, it: Subject) {
  return review(at, reviews, by, { verdict: "approve", comment: "", durationMs: null, instead: null }, it, NOW_MS);
}
function approved(at: AccessRequest, by: readonly Principal[], it: Subject): { state: string; reviews: Review[] } {
  let [now, reviews]: [AccessRequest, Review[]] = [at, []];
  for (const one of by) {
    const answer = approve(now, reviews, one, it);
    assert.ok(!isRefusal(answer), isRefusal(answer) ? answer.detail : "");
    reviews = [...reviews, ...(answer.changes.reviews ?? [])];
    now = answer.request;
  }
  return { state: now.state, reviews };
}

test("while somebody is away their delegate decides wherever they are meant, and so may they", () => {
  for (const step of [ONE, { by: ["user:bob"], count: 1 }, { by: ["group:owners"], count: 1 }] as const) {
    const people = [alice, away(bob, frank), frank];
    assert.deepEqual(mayApprove(people, asked(step)), ["bob", "frank"]);
    const { state, reviews } = approved(asked(step), [frank], subject(people));
    assert.equal(state, "approved");
    assert.deepEqual(reviews[0]?.standsFor, [bob.id]);
  }
  assert.deepEqual(mayApprove([alice, bob, frank]), ["bob"]);
});

test("a delegate decides nothing about their own request, and nothing by a delegation of who asks", () => {
  // Frank asks, and would stand for bob.
  const own = request(frank.id, needing(ONE));
  assert.deepEqual(mayApprove([alice, away(bob, frank), frank], own), ["bob"]);
  // Alice is an owner, goes away and asks: who stands for her decides nothing for her.
  const owner = { ...alice, groups: ["owners"] };
  assert.deepEqual(mayApprove([away(owner, frank), bob, frank]), ["bob"]);
  // Alice, an admin, says that bob is away and names her friend.
  assert.deepEqual(mayApprove([alice, away(bob, frank, alice), frank]), ["bob"]);
  const answer = approve(asked(ONE), [], frank, subject([alice, away(bob, frank, alice), frank]));
  assert.equal(isRefusal(answer) && answer.refused, "not-an-approver");
});

test("nobody stands in for a delegate, and no machine or leaver is one", () => {
  assert.deepEqual(mayApprove([alice, away(bob, frank), away(frank, dave), dave]), ["bob", "frank"]);
  assert.deepEqual(mayApprove([alice, away(bob, frank), { ...frank, kind: "service" }]), ["bob"]);
  assert.deepEqual(mayApprove([alice, away(bob, frank)]), ["bob"]);
});

test("S11 a delegate fills one place, however many they stand for and whoever they are", () => {
  const people = [alice, away(bob, frank), away(carol, frank), frank, dave];
  assert.equal(approved(asked(TWO), [frank], subject(people)).state, "pending");
  const owner = { ...frank, groups: ["owners"] };
  assert.equal(approved(asked(TWO), [owner], subject([alice, away(bob, owner), owner, carol])).state, "pending");
});

test("what somebody may decide is used once: by themselves, or by who stands for them", () => {
  const people = [alice, away(bob, frank), frank, carol];
  assert.equal(approved(asked(TWO), [frank, bob], subject(people)).state, "pending", "both were bob's place");
  assert.equal(approved(asked(TWO), [frank, carol], subject(people)).state, "approved");
  const bobs = approved(asked(TWO), [bob], subject(people)).reviews;
  const answer = approve(asked(TWO), bobs, frank, subject(people));
  assert.equal(isRefusal(answer) && answer.refused, "not-an-approver", "bob has decided himself");
  // First frank stood for bob, then dave does.
  const franks = approved(asked(TWO), [frank], subject(people)).reviews;
  const daves = approved(asked(TWO), [dave], subject([alice, away(bob, dave), dave, carol])).reviews;
  const { have } = countApprovals(
    [TWO],
    subject(people).resource,
    alice.id,
    [alice, bob, frank, dave, carol],
    [...franks, ...daves],
  );
  assert.deepEqual(have, [1]);
});

test("what a delegate approved counts on when the other is back, and no more when either has left", () => {
  const { reviews } = approved(asked(TWO), [frank], subject([alice, away(bob, frank), frank, carol]));
  const have = (people: readonly Principal[]) =>
    countApprovals([TWO], subject([]).resource, alice.id, people, reviews).have;
  assert.deepEqual(have([alice, bob, frank, carol]), [1], "bob is back");
  assert.deepEqual(have([alice, { ...bob, groups: [] }, frank, carol]), [0], "bob is no owner any more");
  assert.deepEqual(have([alice, frank, carol]), [0], "bob left");
  assert.deepEqual(have([alice, bob, carol]), [0], "frank left");
});

test("S12 who is away is not counted on, who stands in for them is, and so is who has approved", () => {
  const missing = (step: Step, people: readonly Principal[], reviews: readonly Review[] = []) =>
    missingApprovers([step], subject(people).resource, alice.id, people, reviews);
  assert.match(missing(ONE, [alice, away(bob, null)]) ?? "", /1 of owners \(group:owners\) \(0 can; bob away\)/);
  assert.equal(missing(ONE, [alice, away(bob, frank), frank]), null);
  assert.notEqual(missing(ONE, [alice, away(bob, frank), away(frank, null)]), null);
  assert.notEqual(missing(TWO, [alice, away(bob, frank), frank]), null);
  const { reviews } = approved(asked(TWO), [bob], subject([alice, bob, carol]));
  assert.equal(missing(TWO, [alice, away(bob, null), carol], reviews), null);
  assert.notEqual(missing(TWO, [alice, away(bob, frank), frank], reviews), null, "frank and bob are one place");
});

test("S12 who has approved is not counted on for whom they came to stand afterwards: nobody approves twice", () => {
  const steps: Step[] = [
    { by: ["user:carol"], count: 1 },
    { by: ["owners"], count: 1 },
  ];
  const it = (people: readonly Principal[]) =>
    subject(people, { resource: resource([entitlement("admins")], { owners: ["user:bob", "user:dave"] }) });
  const at = request(alice.id, { ...needing(ONE), steps });
  const { reviews } = approved(at, [dave, bob], it([alice, bob, carol, dave]));
  const missing = (people: readonly Principal[]) =>
    missingApprovers(steps, it(people).resource, alice.id, people, reviews);
  assert.equal(missing([alice, bob, carol, dave]), null);
  assert.notEqual(missing([alice, bob, away(carol, bob), dave]), null, "bob has approved as an owner");
  assert.equal(missing([alice, bob, away(carol, frank), dave, frank]), null);
});

test("S12 a right that was used by one delegate is not counted on for the next, and is free where they need it not", () => {
  const { reviews } = approved(asked(TWO), [frank], subject([alice, away(bob, frank), frank, carol]));
  const missing = (people: readonly Principal[]) =>
    missingApprovers([TWO], subject(people).resource, alice.id, people, reviews);
  assert.notEqual(missing([alice, away(bob, dave), frank, dave]), null, "bob's place is frank's");
  assert.equal(missing([alice, away(bob, dave), frank, dave, carol]), null);
  // Frank became an owner himself: his own right is enough for him.
  const owner = { ...frank, groups: ["owners"] };
  assert.equal(missing([alice, away(bob, dave), owner, dave]), null);
  const both = approved(asked(TWO), [dave], subject([alice, away(bob, dave), dave, carol])).reviews;
  const { complete } = countApprovals(
    [TWO],
    subject([]).resource,
    alice.id,
    [alice, bob, owner, dave],
    [...reviews, ...both],
  );
  assert.ok(complete);
});

test("S12 the last who could approve goes away: it falls back, or is denied and the requester is told", () => {
  const it = subject([alice, away(bob, null), dave]);
  const denied = lookAgain(asked(ONE), [], it, NOW_MS);
  assert.equal(denied?.request.state, "denied");
  assert.deepEqual(
    denied?.changes.entries?.flatMap(({ tells = [] }) => tells.map(({ kind }) => kind)),
    ["request.no-approvers"],
  );
  const fellBack = lookAgain(asked({ ...ONE, fallback: ["user:dave"] }), [], it, NOW_MS);
  assert.deepEqual(fellBack?.request.decision.steps[0]?.by, ["owners", "user:dave"]);
  assert.equal(lookAgain(asked(ONE), [], subject([alice, away(bob, frank), frank]), NOW_MS), null);
});

test("places are the same for whoever is away without a delegate: they may still decide", () => {
  const people = [alice, away(bob, null), carol];
  const [place] = placesFor([ONE], subject(people).resource, alice.id, people);
  assert.deepEqual(handles(people, place?.eligible ?? []), ["bob", "carol"]);
});

test("away is bounded in time, in the future, for people, and by somebody else who is here", () => {
  const go = (untilMs: number, delegate: Principal | null, whom = bob) =>
    goAway(whom, null, { untilMs, delegate }, whom.id, NOW_MS);
  const codeOf = (answer: ReturnType<typeof go>) => (answer !== null && isRefusal(answer) ? answer.refused : "done");
  assert.equal(codeOf(go(NOW_MS + 90 * DAY_MS, frank)), "done");
  assert.equal(codeOf(go(NOW_MS + 90 * DAY_MS + 1, frank)), "invalid-input");
  assert.equal(codeOf(go(NOW_MS, frank)), "invalid-input");
  assert.equal(codeOf(go(NOW_MS + DAY_MS, bob)), "invalid-input");
  assert.equal(codeOf(go(NOW_MS + DAY_MS, { ...frank, kind: "service" })), "invalid-input");
  assert.equal(codeOf(go(NOW_MS + DAY_MS, { ...frank, active: false })), "invalid-input");
  assert.equal(codeOf(go(NOW_MS + DAY_MS, null, { ...bob, kind: "service" })), "invalid-input");
});

test("who is concerned is told, and nobody of what they said themselves", () => {
  const before: Absence = { untilMs: NOW_MS + HOUR_MS, delegateId: dave.id, setBy: bob.id };
  const tell = (by: Principal) => {
    const decided = goAway(bob, before, { untilMs: NOW_MS + DAY_MS, delegate: frank }, by.id, NOW_MS);
    assert.ok(decided !== null && !isRefusal(decided));
    return decided.entry.tells?.flatMap(({ to }) => to);
  };
  assert.deepEqual(tell(bob), [frank.id, dave.id]);
  assert.deepEqual(tell(carol), [frank.id, dave.id, bob.id]);
  assert.deepEqual(
    comeBack(bob.id, before, bob.id).tells?.flatMap(({ to }) => to),
    [dave.id],
  );
  assert.equal(
    goAway(bob, before, { untilMs: before.untilMs, delegate: dave }, bob.id, NOW_MS),
    null,
    "as it is already",
  );
});

test("oneself, or an admin for others", () => {
  assert.ok(maySetAway(bob, bob.id));
  assert.ok(!maySetAway(bob, carol.id));
  assert.ok(!maySetAway({ ...bob, roles: ["operator"] }, carol.id));
  assert.ok(maySetAway({ ...bob, roles: ["admin"] }, carol.id));
});
