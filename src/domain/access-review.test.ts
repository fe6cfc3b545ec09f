import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { automaticRules, whoNeedsNobody } from "./access-review.ts";
import { compilePolicy, evaluate } from "./evaluate.ts";
import { approve, deny } from "./evaluate-fixture.ts";
import { HOUR_MS, NOW_MS } from "./grant-fixture.ts";
import type { Rule } from "./policy.ts";
import { entitlement, principal, resource } from "./request-fixture.ts";

const read = entitlement("read", { risk: "low" });
const fix = entitlement("fix", { risk: "high" });
const peek = entitlement("peek", { risk: "medium" });
const dir = resource([read, fix, peek]);
const resources = { dir };
const alice = principal("alice", { groups: ["payments"] });
const alone = (person = alice, ...policies: Rule[]) =>
  whoNeedsNobody({ resources, policies })(person).map(({ rule, conditions }) => [rule, ...conditions]);

test("what the person is decides what is told; what depends on the moment is named", () => {
  const payments = approve("p", '"payments" in user.groups && oncall.tier > 0');
  assert.deepEqual(alone(alice, payments), [["p", "oncall.tier > 0"]]);
  assert.deepEqual(alone(principal("bob"), payments), []);
});

test("a deny rule that is certain of the person leaves nothing; one that depends on the moment leaves it open", () => {
  const all = approve("all", null);
  assert.deepEqual(alone(alice, all, deny("no", '"payments" in user.groups')), []);
  assert.deepEqual(alone(alice, all, deny("no", 'user.name == "alice" && oncall.tier > 0')), [["all"]]);
});

test("a rule before it that certainly sends the person to others ends it; one that may step aside does not", () => {
  const all = approve("all", null);
  const steps = { approve: [{ by: ["owners" as const], count: 1 }] };
  assert.deepEqual(alone(alice, approve("first", '"payments" in user.groups', steps), all), []);
  for (const aside of [
    { maxDurationMs: HOUR_MS },
    { ticketRequired: true },
    { reasonMinLength: 3 },
    { limit: { per: "user" as const, count: 1, withinMs: HOUR_MS } },
    { approve: [{ by: ["owners" as const], count: 1, if: "oncall.tier == 0" }] },
  ])
    assert.deepEqual(alone(alice, approve("first", null, { ...steps, ...aside }), all), [["all"]]);
});

test("emergencies are asked of the rules for emergencies, all else of the others", () => {
  const emergency = { reviewBy: ["group:security" as const], withinMs: HOUR_MS };
  const glass = approve("glass", null, { emergency });
  const steps = approve("steps", null, { approve: [{ by: ["owners"], count: 1 }] });
  assert.deepEqual(alone(alice, steps, glass), [["glass"]]);
  const off = { resources: { dir: { ...dir, emergency: "off" as const } }, policies: [steps, glass] };
  assert.deepEqual(whoNeedsNobody(off)(alice), [], "where they are switched off there are none");
});

test("rules that approve automatically are told for what is not of low risk, with what they ask for", () => {
  const policies = [
    approve("a", 'entitlement.name != "fix"'),
    approve("b", null, { maxDurationMs: HOUR_MS }),
    approve("c", null, { approve: [{ by: ["owners"], count: 1 }] }),
  ];
  assert.deepEqual(
    automaticRules({ resources, policies }).map(({ rule, entitlement: ref, conditions, demands, unbounded }) => [
      rule,
      ref,
      conditions,
      demands,
      unbounded,
    ]),
    [
      ["a", "dir:peek", [], [], true],
      ["b", "dir:fix", [], ["for at most 1h"], false],
      ["b", "dir:peek", [], ["for at most 1h"], false],
    ],
  );
});

const CONDITIONS = [
  null,
  '"payments" in user.groups',
  'user.type == "contractor"',
  'user.name == "alice" || oncall.tier == 1',
  "oncall.tier in [1, 2] && !(user.type == 'contractor')",
  'entitlement.name == "fix"',
  'request.duration <= duration("2h")',
  "int(request.ticket) > 3",
  "int(user.type) > 3",
  "now.getHours() < 12",
];
const bounds = fc.record(
  {
    maxDurationMs: fc.constantFrom(null, HOUR_MS),
    ticketRequired: fc.boolean(),
    approve: fc.constantFrom(
      "automatically" as const,
      "automatically" as const,
      [{ by: ["owners" as const], count: 1 }],
      [{ by: ["owners" as const], count: 1, if: "oncall.tier == 0" }],
    ),
    limit: fc.constant({ per: "user" as const, count: 1, withinMs: HOUR_MS }),
    emergency: fc.constant({ reviewBy: ["owners" as const], withinMs: HOUR_MS }),
  },
  { requiredKeys: [] },
);
const anyRules = fc
  .array(fc.tuple(fc.constantFrom(...CONDITIONS), bounds, fc.nat(5)), { minLength: 1, maxLength: 5 })
  .map((all) =>
    all.map(
      ([condition, more, kind], i): Rule =>
        kind === 0 ? deny(`r${i}`, condition ?? "false") : approve(`r${i}`, condition, more),
    ),
  );

test("whoever really gets high risk without anybody is told, by that rule", () => {
  const asked = fc.record({
    groups: fc.subarray(["payments", "sre"]),
    type: fc.constantFrom("", "contractor", "7"),
    handle: fc.constantFrom("alice", "bob"),
    tier: fc.nat(2),
    ticket: fc.constantFrom("", "7", "INC-1"),
    durationMs: fc.constantFrom(HOUR_MS, 4 * HOUR_MS),
    emergency: fc.boolean(),
    nowMs: fc.constantFrom(NOW_MS, NOW_MS + 13 * HOUR_MS),
    used: fc.nat(1),
  });
  let seen = 0;
  fc.assert(
    fc.property(anyRules, asked, (policies, { groups, type, handle, tier, used, nowMs, ...request }) => {
      const user = { ...principal(handle), groups, type };
      const { outcome, rule } = evaluate(
        compilePolicy({ resources, policies }),
        {
          user,
          resource: dir,
          entitlement: fix,
          request: { ...request, reason: "because", startMs: null },
          oncall: { tier },
          nowMs,
        },
        () => used,
      );
      if (outcome !== "automatic") return;
      seen += 1;
      const told = whoNeedsNobody({ resources, policies })(user);
      assert.ok(
        told.some((one) => one.rule === rule && one.entitlement === "dir:fix"),
        `${rule} of ${JSON.stringify(policies)}`,
      );
    }),
    { numRuns: 1_500 },
  );
  assert.ok(seen > 100, `only ${seen} were automatic`);
});
