/** Which rules some test brought to a decision, which were only passed over, and which can never decide. */
import type { Configuration } from "../domain/configuration.ts";
import { idleRules, idleSteps } from "../domain/idle-rules.ts";
import type { Rule } from "../domain/policy.ts";
import type { PolicyTestResult } from "./policy-tests.ts";

export type RuleCoverage = {
  readonly rule: string;
  readonly kind: Rule["kind"];
  /** In how many tests it decided. */
  readonly decided: number;
  /** In how many it was looked at, and another rule decided or none. */
  readonly passedOver: number;
  /** In how many its condition failed: a deny rule that denies by an error has not been tried. */
  readonly failed: number;
  /** Why it can never decide, whatever is tested; null where that is not certain. */
  readonly idle: string | null;
};

export type Coverage = {
  /** Of a hundred rules as many decided in some test; whole, rounded down. */
  readonly percent: number;
  readonly decided: number;
  readonly rules: readonly RuleCoverage[];
  /** Steps that nobody is ever asked for, whatever is tested; in words. */
  readonly idleSteps: readonly string[];
};

/** In the order of the rules. What a test expected does not matter, only what came of it. */
export function coverageOf(configuration: Configuration, results: readonly PolicyTestResult[]): Coverage {
  const idle = new Map(idleRules(configuration).map(({ index, what }) => [index, what]));
  const steps = idleSteps(configuration).map(({ what }) => what);
  const rules = configuration.policies.map(({ name, kind }, index): RuleCoverage => {
    const seen = results.flatMap(({ got, trace }) =>
      trace.filter((line) => line.rule === name).map(({ result }) => ({ result, decided: got.rule === name })),
    );
    const failed = seen.filter(({ result }) => result === "error").length;
    const decided = seen.filter((one) => one.decided && one.result !== "error").length;
    const passedOver = seen.length - decided - failed;
    return { rule: name, kind, decided, passedOver, failed, idle: idle.get(index) ?? null };
  });
  const decided = rules.filter((rule) => rule.decided > 0).length;
  return {
    percent: rules.length === 0 ? 100 : Math.floor((100 * decided) / rules.length),
    decided,
    rules,
    idleSteps: steps,
  };
}
