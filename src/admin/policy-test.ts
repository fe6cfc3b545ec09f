/** `tidegate policy test`: does the policy decide as the tests of its file say. */
import { loadConfiguration } from "../config/load-configuration.ts";
import { showMistake } from "../config/mistake.ts";
import { type PolicyTestResult, runPolicyTests } from "../config/policy-tests.ts";
import type { CheckOptions, CommandResult } from "./check.ts";

export function policyTest({
  path,
  connectors,
  env,
  json = false,
  nowMs,
}: CheckOptions & { readonly nowMs: number }): CommandResult {
  const loaded = loadConfiguration({ path, connectors, env });
  if (!loaded.ok) {
    const text = json
      ? JSON.stringify({ ok: false, mistakes: loaded.mistakes, results: [] }, null, 2)
      : [...loaded.mistakes.map((one) => showMistake(one, "error")), "", `${path} is not valid: no test was run`].join(
          "\n",
        );
    return { exitCode: 1, text };
  }
  const results = runPolicyTests(loaded.configuration, nowMs);
  const ok = results.every((result) => result.ok);
  const exitCode = ok ? 0 : 1;
  if (json) return { exitCode, text: JSON.stringify({ ok, mistakes: [], results }, null, 2) };
  return {
    exitCode,
    text: [...results.map(showResult), ...(results.length > 0 ? [""] : []), summary(path, results)].join("\n"),
  };
}

function showResult({ name, ok, expected, got, trace }: PolicyTestResult): string {
  if (ok) return `ok      ${name}`;
  const lines = [
    `FAILED  ${name}`,
    `  expected: ${inWords(expected)}`,
    `  got:      ${inWords(got)}`,
    ...trace.map((line) => `    ${line.rule}: ${line.result}: ${line.why}`),
  ];
  return lines.join("\n");
}

const inWords = ({ decision, rule }: PolicyTestResult["got"]): string =>
  rule === null ? decision : `${decision} by ${rule}`;

function summary(path: string, results: readonly PolicyTestResult[]): string {
  // No tests is not a failure, but nobody should take it for a success.
  if (results.length === 0) return `${path} has no tests; docs/how-to/write-policy.md shows how to write some`;
  const failed = results.filter((result) => !result.ok).length;
  return failed === 0 ? `${results.length} passed` : `${failed} of ${results.length} failed`;
}
