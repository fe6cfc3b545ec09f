/** Runs the `tests:` of a configuration against its policy. */
import { canonicalJson, type Json } from "../base/canonical.ts";
import { parseTimestamp } from "../base/clock.ts";
import type { PrincipalId } from "../base/ids.ts";
import type { Circumstances } from "../domain/circumstances.ts";
import type { Configuration } from "../domain/configuration.ts";
import { compilePolicy, evaluate } from "../domain/evaluate.ts";
import { unknownTicket } from "../domain/facts.ts";
import type { Decision, Outcome, PolicyTest, TraceLine } from "../domain/policy.ts";

export type PolicyTestResult = {
  readonly name: string;
  readonly ok: boolean;
  readonly expected: PolicyTest["expect"];
  readonly got: PolicyTest["expect"];
  readonly trace: readonly TraceLine[];
};

/** One result for each test, in the order of the file. A test that names no rule is content with any. */
export function runPolicyTests(configuration: Configuration, nowMs: number): PolicyTestResult[] {
  const policy = compilePolicy(configuration);
  return configuration.tests.map((test) => {
    const used = test.given.used ?? 0;
    const decision = evaluate(policy, circumstancesOf(configuration, test, nowMs), () => used);
    const { outcome, rule, trace } = decision;
    const steps = decision.steps.map(({ count, by }) => `${count} of ${by.join(", ")}`);
    const demanded = test.expect.authentication && { authentication: decision.authentication ?? {} };
    return {
      name: test.name,
      ok: isAs(test.expect, outcome, rule, steps) && demandsAs(test.expect, decision),
      expected: test.expect,
      got: { decision: outcome, rule, ...(test.expect.steps === undefined ? {} : { steps }), ...demanded },
      trace,
    };
  });
}

/** Whoever expects nothing of it is content with any. */
const demandsAs = ({ authentication: wanted }: PolicyTest["expect"], { authentication = {} }: Decision): boolean =>
  wanted === undefined || canonicalJson(wanted as Json) === canonicalJson(authentication as Json);

function isAs(
  expected: PolicyTest["expect"],
  outcome: Outcome,
  rule: string | null,
  steps: readonly string[],
): boolean {
  const wanted = expected.steps ?? steps;
  return (
    outcome === expected.decision &&
    (expected.rule === null || expected.rule === rule) &&
    wanted.toSorted().join("\n") === steps.toSorted().join("\n")
  );
}

function circumstancesOf(configuration: Configuration, { given }: PolicyTest, nowMs: number): Circumstances {
  const resource = Object.values(configuration.resources).find((one) => given.entitlement.startsWith(`${one.name}:`));
  const entitlement = Object.values(resource?.entitlements ?? {}).find((one) => one.ref === given.entitlement);
  if (resource === undefined || entitlement === undefined)
    throw new Error(`the test names ${given.entitlement}, which the loader refuses`);
  const { name, type, groups, email, manager } = given.user;
  return {
    // A test knows no id: conditions that name one cannot be tested, and should not be written.
    user: {
      id: "" as PrincipalId,
      kind: "user",
      handle: name,
      name,
      type,
      groups,
      email,
      ...(manager === undefined ? {} : { manager }),
    },
    resource,
    entitlement,
    request: {
      durationMs: given.durationMs,
      reason: given.reason,
      ticket: given.ticket,
      emergency: given.emergency ?? false,
      startMs: null,
      ...(given.extension === undefined ? {} : { extension: given.extension }),
    },
    oncall: { tier: given.oncallTier, ...(given.oncallUnknown === true ? { unknown: "the test says so" } : {}) },
    ticket: given.ticketFact ?? unknownTicket(given.ticket, "the test says nothing about it"),
    history: given.history ?? { open: 0, openHere: 0, recent: 0, recentHere: 0, unreviewed: 0 },
    nowMs: given.now === null ? nowMs : (parseTimestamp(given.now) ?? nowMs),
  };
}
