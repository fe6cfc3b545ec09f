/** `tidegate policy test`: does the policy decide as its tests say, and which rules do they try. */
import { writeFileSync } from "node:fs";
import { type Clock, toTimestamp } from "../base/clock.ts";
import { loadConfiguration } from "../config/load-configuration.ts";
import { type Mistake, showMistake } from "../config/mistake.ts";
import { type PolicyTestResult, runPolicyTests } from "../config/policy-tests.ts";
import { type Coverage, coverageOf, type RuleCoverage } from "../config/rule-coverage.ts";
import { authenticationLines } from "../domain/authentication.ts";
import type { CheckOptions, CommandResult } from "./check.ts";
import { type JunitCase, junitXml } from "./junit.ts";

export type PolicyTestOptions = CheckOptions & {
  /** Files of tests, or folders of them, beside what the configuration holds itself. */
  readonly tests?: readonly string[];
  readonly junit?: string;
  readonly coverage?: boolean;
  readonly minCoverage?: number;
  readonly clock: Clock;
};

type Outcome = {
  readonly ok: boolean;
  readonly mistakes: readonly Mistake[];
  readonly results: readonly PolicyTestResult[];
  /** Null where the configuration is not valid. */
  readonly coverage: Coverage | null;
  /** What was asked of the coverage and is not met, in a sentence. */
  readonly shortfall: string | null;
};

export function policyTest(options: PolicyTestOptions): CommandResult {
  const { path, json = false, clock, junit } = options;
  const startedMs = clock.monotonicMs();
  const outcome = run(options);
  const cannot = junit === undefined ? null : write(junit, junitOf(outcome, path, clock, startedMs));
  const ok = outcome.ok && cannot === null;
  if (json)
    return {
      exitCode: ok ? 0 : 1,
      text: JSON.stringify({ ...outcome, ok, ...(cannot === null ? {} : { junit: cannot }) }, null, 2),
    };
  return { exitCode: ok ? 0 : 1, text: [inText(outcome, options), ...(cannot === null ? [] : [cannot])].join("\n") };
}

function run({ path, connectors, env, tests = [], minCoverage, clock }: PolicyTestOptions): Outcome {
  const loaded = loadConfiguration({ path, tests, connectors, env });
  if (!loaded.ok) return { ok: false, mistakes: loaded.mistakes, results: [], coverage: null, shortfall: null };
  const results = runPolicyTests(loaded.configuration, clock.nowMs());
  const coverage = coverageOf(loaded.configuration, results);
  const shortfall = minCoverage === undefined ? null : shortOf(coverage, minCoverage);
  const ok = shortfall === null && results.every((result) => result.ok);
  return { ok, mistakes: [], results, coverage, shortfall };
}

function shortOf({ percent, rules }: Coverage, wanted: number): string | null {
  if (percent >= wanted) return null;
  const never = rules.filter(({ decided }) => decided === 0).map(({ rule }) => rule);
  return `${percent} % of the rules decide in some test, and ${wanted} % were asked for: no test is decided by ${never.join(", ")}`;
}

function inText({ mistakes, results, coverage, shortfall }: Outcome, options: PolicyTestOptions): string {
  if (coverage === null) {
    const all = mistakes.map((one) => showMistake(one, "error"));
    return [...all, "", `${options.path} is not valid: no test was run`].join("\n");
  }
  const idle = [...coverage.rules.flatMap((rule) => rule.idle ?? []), ...coverage.idleSteps];
  return [
    ...results.map(showResult),
    ...(results.length > 0 ? [""] : []),
    ...(options.coverage === true ? [...coverageTable(coverage), ""] : []),
    ...idle.map((what) => `warning: ${what}`),
    ...(shortfall === null ? [] : [shortfall]),
    summary(options.path, results),
  ].join("\n");
}

function showResult({ name, ok, expected, got, trace }: PolicyTestResult): string {
  return ok ? `ok      ${name}` : [`FAILED  ${name}`, ...difference({ expected, got, trace }, "  ")].join("\n");
}

const difference = ({ expected, got, trace }: Pick<PolicyTestResult, "expected" | "got" | "trace">, indent: string) => [
  `${indent}expected: ${inWords(expected)}`,
  `${indent}got:      ${inWords(got)}`,
  ...trace.map((line) => `${indent}  ${line.rule}: ${line.result}: ${line.why}`),
];

function inWords({ decision, rule, steps, authentication }: PolicyTestResult["got"]): string {
  const by = rule === null ? "" : ` by ${rule}`;
  const shows =
    authentication && `; ${authenticationLines(authentication).join("; ") || "no authentication is demanded"}`;
  return `${decision}${by}${steps === undefined ? "" : ` (${steps.join(" and ")})`}${shows ?? ""}`;
}

function summary(path: string, results: readonly PolicyTestResult[]): string {
  // No tests is not a failure, but nobody should take it for a success.
  if (results.length === 0) return `${path} has no tests; docs/how-to/write-policy.md shows how to write some`;
  const failed = results.filter((result) => !result.ok).length;
  return failed === 0 ? `${results.length} passed` : `${failed} of ${results.length} failed`;
}

function coverageTable({ percent, decided, rules }: Coverage): string[] {
  const titles = ["RULE", "DECIDED", "PASSED OVER", ""];
  const rows = rules.map((rule) => [rule.rule, String(rule.decided), String(rule.passedOver), remark(rule)]);
  const widths = titles.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        column === 1 || column === 2 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [
    line(titles),
    ...rows.map(line),
    `${percent} % of the rules decide in some test (${decided} of ${rules.length})`,
  ];
}

function remark({ decided, passedOver, failed, idle }: RuleCoverage): string {
  if (idle !== null) return "can never decide";
  const errors = failed === 0 ? "" : `its condition failed in ${failed}`;
  if (decided > 0) return errors;
  const untried = passedOver + failed === 0 ? "no test looks at it" : "no test is decided by it";
  return errors === "" ? untried : `${untried}; ${errors}`;
}

function junitOf(outcome: Outcome, path: string, clock: Clock, startedMs: number): string {
  const { mistakes, results, coverage, shortfall } = outcome;
  const failed = (name: string, message: string, text: string, kind: "failure" | "error" = "failure"): JunitCase => ({
    name,
    problem: { kind, message, text },
  });
  const invalid = mistakes.map((one) => failed(VALID, one.what, showMistake(one, "error"), "error"));
  const cases = results.map((one) =>
    one.ok
      ? { name: one.name, problem: null }
      : failed(one.name, `expected ${inWords(one.expected)}, got ${inWords(one.got)}`, difference(one, "").join("\n")),
  );
  return junitXml({
    name: path,
    at: toTimestamp(clock.nowMs()),
    seconds: (clock.monotonicMs() - startedMs) / 1_000,
    properties: coverage === null ? {} : { "coverage.percent": String(coverage.percent) },
    cases: [
      ...invalid,
      ...cases,
      ...(shortfall === null ? [] : [failed("coverage of the rules", shortfall, shortfall)]),
    ],
  });
}
const VALID = "the configuration is valid";

/** Null, or what went wrong. A file of an earlier run is written over: CI looks for it at one place. */
function write(path: string, text: string): string | null {
  try {
    writeFileSync(path, text);
    return null;
  } catch (error) {
    return `${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`;
  }
}
