import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Circumstances } from "./circumstances.ts";
import { denies, evaluate, policyFor } from "./evaluate.ts";
import { approve, deny, type Given, given, HOUR, policy, resources } from "./evaluate-fixture.ts";
import type { Rule } from "./policy.ts";

const CONDITIONS = [
  "true",
  "false",
  '"payments" in user.groups',
  'user.groups[1] == "sre"',
  "oncall.tier in [1, 2]",
  'request.ticket.matches("^INC-[0-9]+$")',
  'resource.labels.team == "payments" && entitlement.risk != "high"',
  '1 / oncall.tier > 0 || user.type == "contractor"',
  'now.getHours("Europe/Berlin") >= 8',
  'request.duration <= duration("2h")',
  "user.groups.all(g, g.size() > 2)",
  'oncall.tier in [1, 2] && user.groups[1] == "sre" && request.ticket.matches("^INC-[0-9]+$")',
  'user.groups[1] == "sre" && "payments" in user.groups',
];

const anyRule: fc.Arbitrary<Rule> = fc.oneof(
  fc.constantFrom(...CONDITIONS).map((condition) => deny("?", condition)),
  fc
    .record({
      when: fc.option(fc.constantFrom(...CONDITIONS)),
      steps: fc.boolean(),
      maxDurationMs: fc.option(fc.constantFrom(HOUR, 4 * HOUR)),
      ticketRequired: fc.boolean(),
      reasonMinLength: fc.option(fc.nat(20)),
    })
    .map(({ when, steps, ...limits }) =>
      approve("?", when, { ...limits, approve: steps ? [{ by: ["owners"], count: 1 }] : "automatically" }),
    ),
);
const anyPolicy = fc
  .array(anyRule, { maxLength: 6 })
  .map((rules) => rules.map((rule, index) => ({ ...rule, name: `r${index}` })));
const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.constantFrom("", "INC-1", "sre", "payments", "contractor"),
);
const anyNumber = fc.oneof(
  fc.nat(10 * HOUR),
  fc.double(),
  fc.constantFrom(0, -1, HOUR, Number.NaN, Number.POSITIVE_INFINITY),
);
const anyCircumstances = fc
  .record({
    user: fc.record({
      type: anyText,
      groups: fc.array(anyText, { maxLength: 4 }),
      email: fc.option(anyText),
      handle: anyText,
    }),
    request: fc.record({ durationMs: anyNumber, reason: anyText, ticket: anyText, startMs: fc.option(anyNumber) }),
    tier: fc.oneof(fc.nat(4), anyNumber),
    nowMs: fc.oneof(fc.constant(1.8e12), anyNumber),
  })
  .map((over) => given(over));

describe("policy, whatever the rules and the circumstances", () => {
  test("it answers, and says something for each rule that it looked at", () => {
    fc.assert(
      fc.property(anyPolicy, anyCircumstances, (rules, circumstances) => {
        const decision = evaluate(policy(...rules), circumstances);
        assert.ok(decision.trace.every((line) => line.why !== ""));
        assert.equal(new Set(decision.trace.map((line) => line.rule)).size, decision.trace.length);
        if (decision.outcome === "denied" && decision.rule === null) assert.equal(decision.trace.length, rules.length);
        assert.equal(decision.steps.length > 0, decision.outcome === "needs-approval");
      }),
    );
  });

  test("a deny that matches or fails wins over everything, and denies() agrees", () => {
    fc.assert(
      fc.property(
        anyPolicy,
        anyCircumstances,
        fc.constantFrom("true", "1 / 0 > 0"),
        fc.nat(),
        (rules, circumstances, condition, at) => {
          const rest = policy(...rules);
          assert.equal(
            denies(rest, circumstances) !== null,
            evaluate(rest, circumstances).trace.some((l) => l.result === "denies") ||
              errorInDeny(rules, rest, circumstances),
          );
          const stricter = rules.toSpliced(at % (rules.length + 1), 0, deny("stop", condition));
          assert.equal(evaluate(policy(...stricter), circumstances).outcome, "denied");
        },
      ),
    );
  });

  test("removing a rule that did not apply does not change the outcome", () => {
    fc.assert(
      fc.property(anyPolicy, anyCircumstances, (rules, circumstances) => {
        const decision = evaluate(policy(...rules), circumstances);
        for (const line of decision.trace.filter((seen) => seen.result === "does-not-apply")) {
          const fewer = evaluate(policy(...rules.filter((rule) => rule.name !== line.rule)), circumstances);
          assert.equal(fewer.outcome, decision.outcome);
          assert.equal(fewer.rule, decision.rule);
        }
      }),
    );
  });

  test("adding a rule at the end never takes away what an earlier rule gave, unless it denies", () => {
    fc.assert(
      fc.property(anyPolicy, anyCircumstances, (rules, circumstances) => {
        const decision = evaluate(policy(...rules), circumstances);
        if (decision.outcome === "denied") return;
        assert.deepEqual(evaluate(policy(...rules, approve("last", null)), circumstances), decision);
      }),
    );
  });

  test("what is said of a rule hangs neither on the rules around it nor on what was asked before", () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(anyCircumstances, { minLength: 1, maxLength: 4 }), (rules, questions) => {
        const compiled = policy(...rules);
        for (const question of [...questions, ...questions])
          for (const line of evaluate(compiled, question).trace) {
            const alone = policy(...rules.filter(({ name }) => name === line.rule));
            assert.deepEqual(evaluate(alone, structuredClone(question)).trace, [line]);
          }
      }),
    );
  });

  test("the rules that may have a say about an entitlement decide about it as all of them do", () => {
    const anyQuestion = fc.record({
      user: fc.record({
        type: fc.constantFrom("employee", "contractor"),
        groups: fc.subarray(["payments", "sre", "it"]),
      }),
      tier: fc.nat(2),
      risk: fc.constantFrom("low", "high"),
      resource: fc.constantFrom(resources["orders-db"], resources.other),
    });
    fc.assert(
      fc.property(anyPolicy, anyQuestion, (rules, question) => {
        const [whole, circumstances] = [policy(...rules), given(question as Given)];
        const { trace, ...decided } = evaluate(whole, circumstances);
        const { trace: shorter, ...same } = evaluate(policyFor(whole, circumstances), circumstances);
        assert.deepEqual(same, decided);
        assert.deepEqual(
          shorter,
          trace.filter((line) => shorter.some(({ rule }) => rule === line.rule)),
        );
        assert.ok(
          trace.every(({ rule, result }) => result === "does-not-apply" || shorter.some((line) => line.rule === rule)),
        );
      }),
    );
  });

  test("the same question has the same answer", () => {
    fc.assert(
      fc.property(anyPolicy, anyCircumstances, (rules, circumstances) => {
        const compiled = policy(...rules);
        assert.deepEqual(evaluate(compiled, circumstances), evaluate(compiled, circumstances));
      }),
    );
  });
});

function errorInDeny(rules: Rule[], compiled: ReturnType<typeof policy>, circumstances: Circumstances): boolean {
  const denyNames = new Set(rules.filter((rule) => rule.kind === "deny").map((rule) => rule.name));
  return evaluate(compiled, circumstances).trace.some((line) => line.result === "error" && denyNames.has(line.rule));
}
