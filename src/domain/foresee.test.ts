import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { evaluate, policyFor } from "./evaluate.ts";
import { approve, given, policy } from "./evaluate-fixture.ts";
import { foresee, NOTHING, needsOf, triesOf } from "./foresee.ts";
import type { Rule } from "./policy.ts";

const ALL = { emergencies: true, callsToDuty: true };

/** The rules that lead to access, each with what it takes. */
function ways(rules: readonly Rule[], beyond = ALL): string[] {
  const offered = given();
  const narrowed = policyFor(policy(...rules), offered);
  const decide = ({ ticket, reason, emergency, onCall }: typeof NOTHING) =>
    evaluate(narrowed, given({ request: { ticket, reason, emergency }, tier: onCall ? 1 : 0 }));
  return [...foresee(narrowed, triesOf(narrowed, beyond), decide)].map((way) =>
    [
      way.rule.name,
      ...needsOf(way),
      ...(way.bringing.emergency ? ["emergency"] : []),
      ...(way.bringing.onCall ? ["on call"] : []),
    ].join(", "),
  );
}

describe("the ways to an entitlement", () => {
  test("a rule shows with what it takes at the least, and each rule shows once", () => {
    const rules = [
      approve("ticket", null, { ticketRequired: true }),
      approve("incident", 'request.ticket.matches("^INC-[0-9]+$") && oncall.tier in [1, 2]'),
      approve("reason", null, { reasonMinLength: 12 }),
      approve("fire", null, {
        authentication: { request: { maxAgeMs: 900_000 } },
        emergency: { reviewBy: ["owners"], withinMs: 1 },
      }),
    ];
    assert.deepEqual(ways(rules.toSpliced(0, 1)), [
      "reason, a reason of at least 12 characters",
      "incident, a ticket such as INC-1, on call",
      "fire, a reason, a sign-in no older than 15m, emergency",
    ]);
    assert.deepEqual(ways(rules, { emergencies: false, callsToDuty: false }), [
      "reason, a reason of at least 12 characters",
      "ticket, a ticket",
    ]);
  });

  test("nothing is tried that no rule asks for", () => {
    const narrowed = policyFor(policy(approve("plain", null)), given());
    assert.deepEqual(triesOf(narrowed, ALL), [NOTHING]);
  });

  test("what is denied has no way", () => {
    assert.deepEqual(ways([{ kind: "deny", name: "never", condition: "true" }, approve("all", null)]), []);
  });
});
