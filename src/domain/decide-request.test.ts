import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isRefusal, type ProblemCode, type Refusal } from "../base/problem.ts";
import { isEligible } from "./approvers.ts";
import { cancel, type Decided, expire, review, type Subject, submit, type Verdict } from "./decide-request.ts";
import type { Grant } from "./grant.ts";
import { activeGrant, HOUR_MS, NOW_MS } from "./grant-fixture.ts";
import type { Decision, Source, Step } from "./policy.ts";
import type { Principal } from "./principal.ts";
import { type AccessRequest, onOffer, type Review } from "./request.ts";
import { entitlement, needing, principal, request, resource, subject } from "./request-fixture.ts";

const APPROVE: Verdict = { verdict: "approve", comment: "", durationMs: null, instead: null };
const DENY: Verdict = { ...APPROVE, verdict: "deny" };

function refused(answer: Decided | Refusal, code: ProblemCode): Refusal {
  assert.ok(isRefusal(answer), `refused as ${code}`);
  assert.equal(answer.refused, code);
  return answer;
}

function decided(answer: Decided | Refusal | null): Decided {
  assert.ok(answer !== null && !isRefusal(answer), isRefusal(answer) ? answer.detail : "something was decided");
  return answer;
}

const grantsOf = (it: Decided): Grant[] => (it.changes.grants ?? []).map(({ grant }) => grant);

/** The reviews as they are after the change. */
function after(reviews: readonly Review[], { changes }: Decided): Review[] {
  const changed = new Map((changes.reviews ?? []).map((it) => [it.id, it]));
  const known = reviews.map((it) => changed.get(it.id) ?? it);
  return [...known, ...[...changed.values()].filter((it) => !reviews.some(({ id }) => id === it.id))];
}

const GROUPS = ["owners", "security", "dba"];
const source = fc.constantFrom<Source>("group:security", "group:dba", "owners", "user:p0", "user:p1");
const step: fc.Arbitrary<Step> = fc.record({
  by: fc.uniqueArray(source, { minLength: 1, maxLength: 2 }),
  count: fc.integer({ min: 1, max: 2 }),
});
const people = fc
  .array(fc.record({ groups: fc.subarray(GROUPS), active: fc.boolean(), service: fc.boolean() }), {
    minLength: 4,
    maxLength: 6,
  })
  .map((all) =>
    all.map(({ groups, active, service }, i) =>
      principal(`p${i}`, { groups, active: active || i < 3, kind: service && i > 3 ? "service" : "user" }),
    ),
  );
type Act = { by: number; verdict: Verdict };
const act: fc.Arbitrary<Act> = fc.record({
  by: fc.nat(5),
  verdict: fc.record({
    verdict: fc.constantFrom(
      "approve" as const,
      "approve" as const,
      "approve" as const,
      "approve" as const,
      "deny" as const,
    ),
    comment: fc.constant(""),
    durationMs: fc.option(fc.integer({ min: 60_000, max: 5 * HOUR_MS })),
    instead: fc.option(
      fc.constantFrom(
        entitlement("readers", { maxDurationMs: 2 * HOUR_MS }),
        entitlement("viewers"),
        entitlement("others"),
      ),
      { freq: 4 },
    ),
  }),
});

/** Whether distinct people of these can fill every place, by trying everything. */
function canFill(steps: readonly Step[], approvers: readonly Principal[], it: Subject, asker: Principal): boolean {
  const [first, ...rest] = steps;
  if (first === undefined) return true;
  if (first.count === 0) return canFill(rest, approvers, it, asker);
  return approvers.some(
    (one, i) =>
      isEligible(one, first, it.resource, asker.id) &&
      canFill([{ ...first, count: first.count - 1 }, ...rest], approvers.toSpliced(i, 1), it, asker),
  );
}

function checkGranted(
  now: AccessRequest,
  reviews: readonly Review[],
  it: Subject,
  everybody: readonly Principal[],
  asker: Principal,
  grant: Grant,
): void {
  const offer = onOffer(now);
  const binding = reviews.filter(
    (r) =>
      r.voidedMs === null &&
      r.verdict === "approve" &&
      r.entitlement === offer.entitlement &&
      r.scopeHash === offer.scopeHash,
  );
  const approvers = everybody.filter(
    (p) => p.active && p.id !== asker.id && binding.some((r) => r.reviewerId === p.id),
  );
  assert.ok(canFill(now.decision.steps, approvers, it, asker), "distinct eligible people agreed to exactly this");
  assert.deepEqual(
    [grant.entitlement, grant.scopeHash, grant.principalId, grant.state],
    [offer.entitlement, offer.scopeHash, asker.id, "scheduled"],
  );
  const shortest = Math.min(now.durationMs, ...binding.map((r) => r.durationMs ?? now.durationMs));
  assert.equal(
    grant.durationMs,
    Math.min(shortest, it.resource.entitlements[offer.entitlement.slice(4)]?.maxDurationMs ?? 0),
  );
  assert.equal(now.state, "approved");
  assert.ok(!reviews.some((r) => r.verdict === "deny"), "nobody had denied it");
}

test("10: no grant without distinct, eligible, binding approvals of exactly what is on offer, by others than the requester", () => {
  let granted = 0;
  fc.assert(
    fc.property(
      people,
      fc.array(step, { minLength: 1, maxLength: 3 }),
      fc.array(act, { maxLength: 14 }),
      (everybody, steps, acts) => {
        const asker = everybody[0] as Principal;
        const it = subject(everybody);
        let now = request(asker.id, needing(...steps));
        let reviews: Review[] = [];
        for (const { by, verdict } of acts) {
          const reviewer = everybody[by % everybody.length] as Principal;
          const answer = review(now, reviews, reviewer, verdict, it, NOW_MS);
          if (isRefusal(answer)) continue;
          assert.equal(now.state, "pending", "what is decided is not decided again");
          assert.notEqual(reviewer.id, asker.id);
          assert.ok(
            reviewer.active &&
              reviewer.kind === "user" &&
              steps.some((s) => isEligible(reviewer, s, it.resource, asker.id)),
          );
          [now, reviews] = [answer.request, after(reviews, answer)];
          const open = reviews.filter((r) => r.voidedMs === null).map((r) => r.reviewerId);
          assert.equal(new Set(open).size, open.length, "one open review of each person");
          assert.equal(grantsOf(answer).length, now.state === "approved" ? 1 : 0);
          for (const grant of grantsOf(answer)) {
            granted += 1;
            checkGranted(now, reviews, it, everybody, asker, grant);
          }
          if (verdict.verdict === "deny") assert.equal(now.state, "denied");
          assert.equal(answer.changes.entries?.filter(({ kind }) => kind === "review.recorded").length, 1);
          assert.equal(answer.changes.entries?.length, now.state === "pending" ? 1 : 2);
        }
      },
    ),
    { numRuns: 2_000 },
  );
  assert.ok(granted > 50, `only ${granted} were granted: this looks at nothing`);
});

const [alice, bob, carol, both] = [
  principal("alice", { groups: ["owners", "security", "dba"], roles: ["admin"] }),
  principal("bob", { groups: ["owners", "security"] }),
  principal("carol", { groups: ["owners", "dba"] }),
  principal("both", { groups: ["owners", "security", "dba"] }),
];
const EVERYBODY = [alice, bob, carol, both];
const ONE: Step = { by: ["owners"], count: 1 };

test("S10 the requester is refused by immutable id, whatever their handle, groups and roles are now", () => {
  const asked = request(alice.id, needing(ONE));
  for (const alias of [alice, { ...alice, handle: "ALICE" }, { ...alice, handle: "root", roles: ["admin" as const] }])
    for (const verdict of [APPROVE, DENY])
      refused(review(asked, [], alias, verdict, subject(EVERYBODY), NOW_MS), "self-review");
  // Somebody else who now has the requester's old handle is somebody else.
  const namesake = principal("alice", { groups: ["owners"] });
  assert.equal(decided(review(asked, [], namesake, APPROVE, subject([namesake]), NOW_MS)).request.state, "approved");
});

test("S11 one from security and one from the DBAs: who is in both fills one place only", () => {
  const asked = request(alice.id, needing({ by: ["group:security"], count: 1 }, { by: ["group:dba"], count: 1 }));
  const first = decided(review(asked, [], both, APPROVE, subject(EVERYBODY), NOW_MS));
  assert.equal(first.request.state, "pending");
  refused(review(first.request, after([], first), both, APPROVE, subject(EVERYBODY), NOW_MS), "already-reviewed");
  for (const second of [bob, carol])
    assert.equal(
      decided(review(first.request, after([], first), second, APPROVE, subject(EVERYBODY), NOW_MS)).request.state,
      "approved",
    );
});

test("S12 when nobody living can approve, the requester is told at once which step lacks whom", () => {
  const empty = needing(ONE, { by: ["group:deleted"], count: 1 });
  const denied = decided(submit(request(alice.id, empty), subject(EVERYBODY), NOW_MS));
  assert.equal(denied.request.state, "denied");
  assert.match(denied.request.endedBecause ?? "", /1 of group:deleted \(0 can\)/);
  assert.ok(!/owners/.test(denied.request.endedBecause ?? ""));
  const alone = decided(
    submit(
      request(alice.id, needing(ONE)),
      subject([alice, principal("robot", { kind: "service", groups: ["owners"] })]),
      NOW_MS,
    ),
  );
  assert.equal(alone.request.state, "denied");
});

test("S13 a request past its time is refused, by the time and not by whether somebody swept it", () => {
  const asked = request(alice.id, needing(ONE));
  assert.equal(
    decided(review(asked, [], bob, APPROVE, subject(EVERYBODY), asked.expiresMs - 1)).request.state,
    "approved",
  );
  refused(review(asked, [], bob, APPROVE, subject(EVERYBODY), asked.expiresMs), "request-expired");
  refused(
    review(expire(asked, asked.expiresMs).request, [], bob, APPROVE, subject(EVERYBODY), NOW_MS),
    "request-expired",
  );
});

test("what is decided is not decided again", () => {
  for (const state of ["approved", "denied", "cancelled"] as const) {
    const done = request(alice.id, needing(ONE), { state, decidedMs: NOW_MS });
    refused(review(done, [], bob, APPROVE, subject(EVERYBODY), NOW_MS), "request-decided");
    const again = cancel(done, alice.id, NOW_MS);
    assert.ok(isRefusal(again) && again.refused === "request-decided");
  }
});

test("a narrower offer voids what was approved before it, and is what the next approve", () => {
  const asked = request(alice.id, needing({ by: ["owners"], count: 2 }));
  const it = subject(EVERYBODY);
  const wide = decided(review(asked, [], bob, APPROVE, it, NOW_MS));
  const readers = it.resource.entitlements["readers"] ?? null;
  const narrowed = decided(review(wide.request, after([], wide), carol, { ...APPROVE, instead: readers }, it, NOW_MS));
  assert.equal(narrowed.request.state, "pending");
  assert.equal(after(after([], wide), narrowed).find((r) => r.reviewerId === bob.id)?.voidedMs, NOW_MS);
  const reviews = after(after([], wide), narrowed);
  const done = decided(review(narrowed.request, reviews, bob, { ...APPROVE, durationMs: HOUR_MS }, it, NOW_MS));
  const [grant] = grantsOf(done);
  assert.deepEqual(
    [grant?.entitlement, grant?.scopeHash, grant?.durationMs, grant?.scope],
    ["dir:readers", "hash of readers", HOUR_MS, { group: "readers" }],
  );
});

test("only an entitlement of the same resource that allows less can be offered instead", () => {
  const it = subject(EVERYBODY);
  const asked = request(alice.id, needing(ONE));
  const elsewhere = entitlement("readers", { resource: "other" });
  for (const instead of [entitlement("others"), it.entitlement, elsewhere])
    refused(review(asked, [], bob, { ...APPROVE, instead }, it, NOW_MS), "invalid-input");
  const extension = request(alice.id, needing(ONE), { extendsGrantId: activeGrant().id });
  const readers = it.resource.entitlements["readers"] ?? null;
  refused(review(extension, [], bob, { ...APPROVE, instead: readers }, it, NOW_MS), "invalid-input");
});

test("nobody approves more time than was asked for", () => {
  const asked = request(alice.id, needing(ONE));
  refused(
    review(asked, [], bob, { ...APPROVE, durationMs: asked.durationMs + 1 }, subject(EVERYBODY), NOW_MS),
    "invalid-duration",
  );
});

test("one deny ends it, whoever has approved before", () => {
  const asked = request(alice.id, needing({ by: ["owners"], count: 2 }));
  const first = decided(review(asked, [], bob, APPROVE, subject(EVERYBODY), NOW_MS));
  const denied = decided(review(first.request, after([], first), carol, DENY, subject(EVERYBODY), NOW_MS));
  assert.equal(denied.request.state, "denied");
  assert.deepEqual(grantsOf(denied), []);
});

test("an approval of another scope does not count", () => {
  const it = subject(EVERYBODY);
  const changed = { ...it, entitlement: { ...it.entitlement, scopeHash: "another" } };
  refused(review(request(alice.id, needing(ONE)), [], bob, APPROVE, changed, NOW_MS), "scope-changed");
});

test("a decision without steps is never complete", () => {
  const asked = request(alice.id, needing());
  refused(review(asked, [], bob, APPROVE, subject(EVERYBODY), NOW_MS), "not-an-approver");
});

test("policy decides what becomes of a new request; each outcome has its one entry", () => {
  const outcomes: [Decision, string, string[]][] = [
    [{ outcome: "automatic", rule: "r", steps: [], trace: [] }, "approved", ["request.approved", "grant.created"]],
    [{ outcome: "denied", rule: "r", steps: [], trace: [] }, "denied", ["request.denied"]],
    [needing(ONE), "pending", ["request.submitted"]],
  ];
  for (const [decision, state, kinds] of outcomes) {
    const it = decided(submit(request(alice.id, decision), subject(EVERYBODY), NOW_MS));
    assert.equal(it.request.state, state);
    assert.deepEqual(
      [...(it.changes.entries ?? []), ...(it.changes.grants ?? []).map(({ entry }) => entry)].map(({ kind }) => kind),
      kinds,
    );
    assert.equal(it.request.decidedMs === null, state === "pending");
  }
});

test("approval of an extension gives that grant more time, and no other grant", () => {
  const grant = { ...activeGrant(), scopeHash: "hash of admins", principalId: alice.id };
  const it = subject(EVERYBODY, { extended: grant });
  const asked = request(alice.id, needing(ONE), { extendsGrantId: grant.id, durationMs: HOUR_MS });
  const done = decided(review(asked, [], bob, { ...APPROVE, durationMs: HOUR_MS / 2 }, it, NOW_MS));
  const [longer] = grantsOf(done);
  assert.deepEqual(
    [longer?.id, longer?.expiresMs, done.request.grantId],
    [grant.id, grant.expiresMs + HOUR_MS / 2, grant.id],
  );
});

test("10: approving an extension under a changed scope never prolongs the scope of before", () => {
  const grant = { ...activeGrant(), scopeHash: "hash of before", principalId: alice.id };
  const asked = request(alice.id, needing(ONE), { extendsGrantId: grant.id, durationMs: HOUR_MS });
  refused(review(asked, [], bob, APPROVE, subject(EVERYBODY, { extended: grant }), NOW_MS), "scope-changed");
});

test("owners in a step are those of the resource, and `owners` among them means nobody more", () => {
  const it = subject(EVERYBODY, { resource: resource([entitlement("admins")], { owners: ["owners", "user:carol"] }) });
  assert.ok(isEligible(carol, ONE, it.resource, alice.id));
  assert.ok(!isEligible(bob, ONE, it.resource, alice.id));
});
