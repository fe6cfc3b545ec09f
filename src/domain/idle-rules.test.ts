import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Configuration } from "./configuration.ts";
import type { Entitlement, EntitlementRef } from "./entitlement.ts";
import { compilePolicy, evaluate } from "./evaluate.ts";
import { approve, given, HOUR } from "./evaluate-fixture.ts";
import { idleRules } from "./idle-rules.ts";
import type { ApproveRule, Rule } from "./policy.ts";

const entitlement = (resource: string, name: string, risk: Entitlement["risk"]): Entitlement => ({
  ref: `${resource}:${name}` as EntitlementRef,
  resource,
  name,
  title: name,
  risk,
  maxDurationMs: 4 * HOUR,
  scope: {},
  scopeHash: "",
  narrower: [],
  describe: [],
});
const resource = (name: string, team: string, entitlements: Entitlement[]): Configuration["resources"][string] => ({
  name,
  connector: "memory",
  title: name,
  labels: { team },
  owners: [],
  connection: {},
  entitlements: Object.fromEntries(entitlements.map((one) => [one.name, one])),
});
const resources = {
  "orders-db": resource("orders-db", "payments", [
    entitlement("orders-db", "read", "medium"),
    entitlement("orders-db", "fix", "high"),
  ]),
  wiki: resource("wiki", "docs", [entitlement("wiki", "read", "low")]),
};

const deny = (condition: string): Rule => ({ kind: "deny", name: "deny", condition });
const idle = (...policies: Rule[]) =>
  idleRules({ resources, policies }).map(({ index, what, hint }) => `${index}: ${what} (${hint})`);
const PAYMENTS = '"payments" in user.groups';

describe("rules that never decide", () => {
  test("a condition that is false for all there is, with the nearest value that there is", () => {
    assert.deepEqual(idle(approve("a", `resource.labels.team == "paymnts" && ${PAYMENTS}`)), [
      '0: a never applies: resource.labels.team == "paymnts" fits nothing that can be asked for (did you mean payments?)',
    ]);
    assert.deepEqual(idle(approve("a", `${PAYMENTS} && entitlement.ref == "orders-db:raed"`)), [
      '0: a never applies: entitlement.ref == "orders-db:raed" fits nothing that can be asked for (did you mean orders-db:read?)',
    ]);
    assert.deepEqual(idle(approve("a", 'resource.labels["team"] == "docs" && entitlement.risk == "high"')), [
      "0: a never applies: no entitlement fits its whole condition (look at what it names)",
    ]);
    assert.deepEqual(idle(deny('resource.name.startsWith("x")')), [
      '0: deny never denies anything: resource.name.startsWith("x") fits nothing that can be asked for (look at what it names)',
    ]);
  });

  test("a condition that is false whatever there is", () => {
    assert.deepEqual(idle(approve("a", `${PAYMENTS} && 1 == 2`)), [
      "0: a never applies: 1 == 2 is never true (mend the condition, or remove the rule)",
    ]);
    assert.deepEqual(idle(approve("a", `!(true || ${PAYMENTS})`)).length, 1);
  });

  test("a deny rule that is always true, and rules whose all is denied", () => {
    assert.match(idle(deny("true"))[0] ?? "", /^0: deny denies every request/);
    assert.match(idle(deny(`${PAYMENTS} || true`))[0] ?? "", /^0: deny denies every request/);
    assert.deepEqual(
      idle(approve("a", `${PAYMENTS} && entitlement.risk == "high"`), deny('entitlement.risk == "high"')),
      ["0: a never decides: deny denies all that it fits (change one of them)"],
    );
    assert.deepEqual(idle(deny(PAYMENTS), approve("a", PAYMENTS)), [], "who may ask is not known here");
  });

  test("an earlier rule that always applies where a later one would, and asks for no more", () => {
    const later = approve("later", `${PAYMENTS} && entitlement.risk == "high"`, { ticketRequired: true });
    const reached = (earlier: ApproveRule) => idle(earlier, later).length === 0;
    for (const when of [
      null,
      "true",
      PAYMENTS,
      `${PAYMENTS}&&(true)`,
      'entitlement.risk=="high"',
      'resource.name != "x"',
    ])
      assert.ok(!reached(approve("e", when)), String(when));
    assert.ok(!reached(approve("e", null, { ticketRequired: true, maxDurationMs: 4 * HOUR })));
    assert.ok(reached(approve("e", null, { maxDurationMs: HOUR })));
    assert.ok(reached(approve("e", null, { reasonMinLength: 5 })));
    assert.ok(reached(approve("e", `${PAYMENTS} && oncall.tier == 1`)));
    assert.ok(reached(approve("e", 'resource.labels.team == "docs"')));
    assert.ok(reached(approve("e", `${PAYMENTS} || oncall.tier == 1`)), "sound, and not clever");
    assert.equal(idle(approve("all", null), approve("b", null), approve("c", PAYMENTS)).length, 2);
    assert.match(
      idle(
        approve("one", 'resource.name == "wiki"'),
        approve("two", 'resource.name == "orders-db"'),
        approve("c", null),
      )[0] ?? "",
      /c is never reached: one and two before it|c is never reached: two and one before it/,
    );
  });

  test("what may decide is not warned about", () => {
    assert.deepEqual(
      idle(
        deny('user.type == "contractor" && resource.labels.team == "payments"'),
        approve("a", 'oncall.tier in [1, 2] && entitlement.risk != "high"', { maxDurationMs: 99 * HOUR }),
        approve("b", `${PAYMENTS} && resource.labels.team == "payments"`),
      ),
      [],
    );
    assert.deepEqual(idleRules({ resources: {}, policies: [approve("a", "false")] }), []);
  });

  test("no rule that is called idle ever decides, whatever the rules are and whoever asks", () => {
    const atom = fc.constantFrom(
      PAYMENTS,
      'user.type == "contractor"',
      'resource.labels.team == "payments"',
      'resource.labels.team == "none"',
      'entitlement.risk == "high"',
      'entitlement.name in ["read", "x"]',
      "oncall.tier > 0",
      "int(request.ticket) == 1",
      "int(resource.labels.team) == 1",
      "true",
      "false",
    );
    const condition = fc.oneof(
      atom,
      fc.tuple(atom, fc.constantFrom("&&", "||"), atom).map((parts) => parts.join(" ")),
      fc.tuple(atom, atom, atom).map(([a, b, c]) => `${a} && !(${b} || ${c})`),
    );
    const rule = fc.oneof(
      fc.record({
        when: fc.option(condition),
        maxDurationMs: fc.constantFrom(null, HOUR, 9 * HOUR),
        ticketRequired: fc.boolean(),
        reasonMinLength: fc.constantFrom(null, 3),
      }),
      condition,
    );
    const asked = fc.record({
      groups: fc.constantFrom(["payments"], []),
      type: fc.constantFrom("contractor", "employee"),
      ticket: fc.constantFrom("", "1", "INC-1"),
      reason: fc.constantFrom("", "because"),
      tier: fc.constantFrom(0, 1),
      durationMs: fc.constantFrom(HOUR, 4 * HOUR),
      which: fc.nat(2),
    });
    let seen = 0;
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 5 }),
        fc.array(asked, { minLength: 5, maxLength: 20 }),
        (written, all) => {
          const policies = written.map(
            (one, index): Rule =>
              typeof one === "string"
                ? { kind: "deny", name: `r${index}`, condition: one }
                : approve(`r${index}`, one.when, one),
          );
          const found = idleRules({ resources, policies });
          const never = new Set(
            found.filter((one) => !one.what.includes("denies every")).map((one) => `r${one.index}`),
          );
          const everything = found.some((one) => one.what.includes("denies every"));
          seen += found.length;
          const policy = compilePolicy({ resources, policies });
          const offered = Object.values(resources).flatMap((one) =>
            Object.values(one.entitlements).map((inner) => ({ resource: one, entitlement: inner })),
          );
          for (const { groups, type, ticket, reason, tier, durationMs, which } of all) {
            const base = given();
            const { rule: decided, outcome } = evaluate(policy, {
              ...base,
              user: { ...base.user, groups, type },
              ...(offered[which] ?? offered[0] ?? base),
              request: { ...base.request, ticket, reason, durationMs },
              oncall: { tier },
            });
            // A deny rule that fails denies too; it is only called idle where it can do neither.
            assert.ok(decided === null || !never.has(decided), JSON.stringify({ policies, decided }));
            if (everything) assert.equal(outcome, "denied");
          }
        },
      ),
      { numRuns: 1_000 },
    );
    assert.ok(seen > 100);
  });
});
