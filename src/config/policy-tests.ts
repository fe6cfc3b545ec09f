/** Runs the `tests:` of a configuration against its policy. */
import { parseTimestamp } from "../base/clock.ts";
import type { PrincipalId } from "../base/ids.ts";
import type { Configuration } from "../domain/configuration.ts";
import { type Circumstances, compilePolicy, evaluate } from "../domain/evaluate.ts";
import { unknownTicket } from "../domain/facts.ts";
import type { PolicyTest, TraceLine } from "../domain/policy.ts";

export type PolicyTestResult = {
  readonly name: string;
  readonly ok: boolean;
  readonly expected: PolicyTest["expect"];
  readonly got: { readonly decision: PolicyTest["expect"]["decision"]; readonly rule: string | null };
  readonly trace: readonly TraceLine[];
};

/** One result for each test, in the order of the file. A test that names no rule is content with any. */
export function runPolicyTests(configuration: Configuration, nowMs: number): PolicyTestResult[] {
  const policy = compilePolicy(configuration);
  return configuration.tests.map((test) => {
    const { outcome, rule, trace } = evaluate(policy, circumstancesOf(configuration, test, nowMs));
    const ok = outcome === test.expect.decision && (test.expect.rule === null || test.expect.rule === rule);
    return { name: test.name, ok, expected: test.expect, got: { decision: outcome, rule }, trace };
  });
}

function circumstancesOf(configuration: Configuration, { given }: PolicyTest, nowMs: number): Circumstances {
  const resource = Object.values(configuration.resources).find((one) => given.entitlement.startsWith(`${one.name}:`));
  const entitlement = Object.values(resource?.entitlements ?? {}).find((one) => one.ref === given.entitlement);
  if (resource === undefined || entitlement === undefined)
    throw new Error(`the test names ${given.entitlement}, which the loader refuses`);
  const { name, type, groups, email } = given.user;
  return {
    // A test knows no id: conditions that name one cannot be tested, and should not be written.
    user: { id: "" as PrincipalId, kind: "user", handle: name, name, type, groups, email },
    resource,
    entitlement,
    request: {
      durationMs: given.durationMs,
      reason: given.reason,
      ticket: given.ticket,
      emergency: false,
      startMs: null,
    },
    oncall: { tier: given.oncallTier, ...(given.oncallUnknown === true ? { unknown: "the test says so" } : {}) },
    ticket: given.ticketFact ?? unknownTicket(given.ticket, "the test says nothing about it"),
    nowMs: given.now === null ? nowMs : (parseTimestamp(given.now) ?? nowMs),
  };
}
