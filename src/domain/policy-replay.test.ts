import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { toTimestamp } from "../base/clock.ts";
import type { PrincipalId } from "../base/ids.ts";
import { compilePolicy, evaluate } from "./evaluate.ts";
import { approve, deny } from "./evaluate-fixture.ts";
import { HOUR_MS, NOW_MS } from "./grant-fixture.ts";
import type { Rule } from "./policy.ts";
import { diffPolicies, type Ruleset } from "./policy-replay.ts";
import { factsToKeep, type RecordedRequest, recordedRequest } from "./recorded-request.ts";
import { entitlement, needing, principal, request, resource } from "./request-fixture.ts";

const rules = (...policies: Rule[]): Ruleset => ({
  resources: { dir: resource([entitlement("admins"), entitlement("readers", { maxDurationMs: HOUR_MS })]) },
  policies,
});

const recorded = (more: Partial<RecordedRequest> = {}): RecordedRequest => ({
  id: "rq_0123456789abcdef",
  at: toTimestamp(NOW_MS),
  user: {
    ...{ id: "pr_0123456789abcdef", kind: "user", handle: "alice", name: "Alice", email: null, type: "employee" },
    groups: ["payments"],
    manager: null,
  },
  asOf: "then",
  entitlement: "dir:admins",
  duration: "1h",
  extension: null,
  reason: "because",
  ticket: "",
  start: null,
  emergency: false,
  facts: { oncall: { tier: 0, source: "file", ageMs: 0 } },
  state: "approved",
  decision: { outcome: "automatic", rule: "all" },
  configVersion: 1,
  ...more,
});

const all = approve("all", null);
const payments = approve("payments", '"payments" in user.groups', { approve: [{ by: ["owners"], count: 1 }] });

describe("what two sets of rules decide otherwise", () => {
  const changed = (before: Rule[], after: Rule[], more: Partial<RecordedRequest> = {}) =>
    diffPolicies(rules(...before), rules(...after), [recorded(more)]).changes.map((change) => [
      `${change.old.outcome} by ${change.old.rule}`,
      `${change.new.outcome} by ${change.new.rule}`,
    ]);

  test("another outcome, another rule, other people who approve", () => {
    assert.deepEqual(changed([all], [payments]), [["automatic by all", "needs-approval by payments"]]);
    assert.deepEqual(changed([all], [{ ...all, name: "everybody" }]), [["automatic by all", "automatic by everybody"]]);
    const fresh = { ...all, authentication: { request: { maxAgeMs: HOUR_MS } } };
    assert.deepEqual(changed([fresh], [all]), [["automatic by all", "automatic by all"]]);
    const two = { ...payments, approve: [{ by: ["owners" as const], count: 2 }] };
    assert.deepEqual(changed([payments], [two]), [["needs-approval by payments", "needs-approval by payments"]]);
    assert.deepEqual(changed([deny("no", "true"), all], [all]), [["denied by no", "automatic by all"]]);
  });

  test("not a rule that would not have decided, nor other words for the same refusal", () => {
    assert.deepEqual(changed([all], [all, payments]), []);
    assert.deepEqual(changed([approve("a", "false")], [approve("b", "false")]), []);
  });

  test("the person, the ticket, the clock and who was on call are those of the record", () => {
    const night = approve("night", "now.getHours() < 12");
    const onCall = approve("on-call", "oncall.tier == 1 && request.ticket == 'INC-1'");
    assert.deepEqual(changed([all], [night], { at: "2026-01-31T11:59:00.000Z" }).length, 1);
    assert.deepEqual(changed([night], [night, all], { at: "2026-01-31T12:01:00.000Z" }).length, 1);
    const facts = { oncall: { tier: 1, source: "file", ageMs: 0 } };
    assert.deepEqual(changed([all], [onCall], { facts, ticket: "INC-1" })[0]?.[1], "automatic by on-call");
    assert.deepEqual(changed([all], [onCall], { facts, ticket: "" })[0]?.[1], "denied by null");
    assert.deepEqual(changed([all], [onCall], { facts: {}, ticket: "INC-1" })[0]?.[1], "denied by null");
  });

  test("what limits count is counted among the requests by their times, without what people denied or gave up", () => {
    const twice = approve("twice", null, { limit: { per: "user", count: 2, withinMs: 24 * HOUR_MS } });
    const days = [4, 3, 2, 1].map((hour) => recorded({ id: `rq_${hour}`, at: toTimestamp(NOW_MS + hour * HOUR_MS) }));
    const over = (requests: RecordedRequest[]) =>
      diffPolicies(rules(twice, payments), rules(payments), requests)
        .changes.map(({ request }) => request.id)
        .sort();
    assert.deepEqual(over(days), ["rq_1", "rq_2"]);
    assert.deepEqual(over(days.toReversed()), ["rq_1", "rq_2"]);
    const [last, third, second, first] = days as [RecordedRequest, RecordedRequest, RecordedRequest, RecordedRequest];
    assert.deepEqual(over([last, third, second, { ...first, state: "cancelled" }]), ["rq_1", "rq_2", "rq_3"]);
    const later = { ...last, at: toTimestamp(NOW_MS + 40 * HOUR_MS) };
    assert.deepEqual(over([later, third, second, first]), ["rq_1", "rq_2", "rq_4"]);
  });

  test("another way in which the time of a grant starts", () => {
    const onUse = { ...all, activation: "on-use" as const };
    assert.equal(changed([all], [onUse]).length, 1);
  });

  test("what is not offered any more, or not for so long, is refused before a rule is asked", () => {
    const gone = diffPolicies(rules(all), { ...rules(all), resources: {} }, [recorded()]);
    assert.equal(gone.changes[0]?.new.why, "there is no dir:admins");
    const long = diffPolicies(rules(all), rules(all), [recorded({ entitlement: "dir:readers", duration: "2h" })]);
    assert.deepEqual(long.changes, []);
    assert.equal(long.unlikeThen, 1);
    for (const ref of ["constructor:admins", "dir:constructor", "dir", ""])
      assert.deepEqual(changed([all], [payments], { entitlement: ref }), [], ref);
  });

  test("the sums say how many went where, and add up to the changes", () => {
    const requests = [recorded(), recorded({ decision: { outcome: "denied", rule: null }, asOf: "now" })];
    const { counts, unlikeThen, asOfNow } = diffPolicies(rules(all), rules(payments), requests);
    assert.deepEqual(counts, [{ from: "automatic", to: "needs-approval", count: 2 }]);
    assert.deepEqual([unlikeThen, asOfNow], [1, 1]);
  });
});

describe("the record of a request", () => {
  const alice = principal("alice", { groups: ["payments"], type: "employee" });
  const asked = (
    facts = factsToKeep({ oncall: { tier: 1, source: "file", ageMs: 0 } }, alice, { durationMs: HOUR_MS }),
  ) => request(alice.id, needing(), { facts });

  test("holds the person as policy saw them, whatever became of them", () => {
    const left = { ...alice, groups: [], type: "contractor", active: false };
    const record = recordedRequest(asked(), left, null);
    assert.deepEqual([record.user.groups, record.user.type, record.asOf], [["payments"], "employee", "then"]);
    assert.deepEqual(record.facts, { oncall: { tier: 1, source: "file", ageMs: 0 } });
  });

  test("of an earlier version holds the person of now, and says so", () => {
    const record = recordedRequest(asked({ oncall: { tier: 1, source: "file", ageMs: 0 } }), alice, null);
    assert.deepEqual([record.user.groups, record.asOf], [["payments"], "now"]);
  });
});

const CONDITIONS = [
  "true",
  '"payments" in user.groups',
  'user.type == "contractor"',
  "oncall.tier in [1, 2]",
  'request.ticket.matches("^INC-")',
  'entitlement.name == "readers"',
  'request.duration <= duration("2h")',
  "int(request.ticket) > 3",
  'user.email.endsWith("@example.com")',
];
const anyRule = fc.tuple(fc.constantFrom(...CONDITIONS), fc.nat(2), fc.nat(5)).map(([condition, kind, name]): Rule => {
  if (kind === 0) return deny(`r${name}`, condition);
  return approve(`r${name}`, condition, kind === 1 ? {} : { approve: [{ by: ["group:g"], count: name + 1 }] });
});
const anyRecorded = fc
  .record({
    groups: fc.subarray(["payments", "sre"]),
    type: fc.constantFrom("", "contractor"),
    email: fc.constantFrom(null, "a@example.com"),
    entitlement: fc.constantFrom("dir:admins", "dir:readers", "dir:gone", "odd"),
    duration: fc.constantFrom("10m", "1h", "3h", "not one"),
    ticket: fc.constantFrom("", "INC-1", "7"),
    tier: fc.nat(3),
    start: fc.constantFrom(null, "2026-02-01T00:00:00.000Z", "nonsense"),
    facts: fc.constantFrom("kept", "none"),
  })
  .map(({ groups, type, email, tier, facts, ...rest }) =>
    recorded({
      ...rest,
      user: { ...recorded().user, groups, type, email },
      facts: facts === "none" ? {} : { oncall: { tier, source: "file", ageMs: 0 } },
    }),
  );
const anyRules = fc.array(anyRule, { maxLength: 5 }).map((some) => rules(...some));

test("a policy differs from itself in nothing, whatever was recorded", () => {
  fc.assert(
    fc.property(anyRules, fc.array(anyRecorded, { maxLength: 10 }), (one, requests) => {
      const { changes, counts } = diffPolicies(one, structuredClone(one), requests);
      assert.deepEqual([changes, counts], [[], []]);
    }),
  );
});

test("each side says what policy says to these circumstances, and what differs is told both ways round", () => {
  fc.assert(
    fc.property(anyRules, anyRules, anyRecorded, (one, other, request) => {
      const there = diffPolicies(one, other, [request]).changes[0];
      const back = diffPolicies(other, one, [request]).changes[0];
      assert.deepEqual([there?.old, there?.new], [back?.new, back?.old]);
      const name = request.entitlement.slice(4);
      const offered = one.resources["dir"]?.entitlements[name];
      const hours = { "10m": 1 / 6, "1h": 1, "3h": 3 }[request.duration];
      if (there === undefined || offered === undefined || hours === undefined) return;
      if (hours * HOUR_MS > offered.maxDurationMs) return;
      const decision = evaluate(compilePolicy(one), {
        user: { ...request.user, id: request.user.id as PrincipalId, manager: "" },
        resource: one.resources["dir"] as NonNullable<Ruleset["resources"][string]>,
        entitlement: offered,
        request: {
          ...{ durationMs: hours * HOUR_MS, reason: request.reason, ticket: request.ticket, emergency: false },
          startMs: request.start === null || request.start === "nonsense" ? null : Date.parse(request.start),
        },
        oncall: (request.facts["oncall"] as { tier: number } | undefined) ?? { tier: 0, unknown: "it was not kept" },
        nowMs: NOW_MS,
      });
      assert.deepEqual([there.old.outcome, there.old.rule], [decision.outcome, decision.rule]);
    }),
    { numRuns: 300 },
  );
});
