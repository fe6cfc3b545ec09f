/**
 * What the language of policy means, one behaviour a file, as people would write it: each file is checked and decided by
 * the same code as `tidegate check` and `tidegate policy test`. The examples of docs/policy.md are decided here as well.
 */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { loadConfiguration } from "../../src/config/load-configuration.ts";
import { runPolicyTests } from "../../src/config/policy-tests.ts";
import { connectorsByKind } from "../../src/connectors/index.ts";
import { memory } from "../../src/connectors/memory.ts";

const HERE = join(import.meta.dirname, "cases");
const BASE = readFileSync(join(HERE, "base.yaml"), "utf8");
const CASES_MIN = 60;
const NOW_MS = Date.parse("2026-03-09T10:00:00Z");
const connectors = new Map([...connectorsByKind, [memory.kind, memory]]);

/** Decides a case, and holds the answers to what it expects. */
function holds(path: string, text: string): void {
  const loaded = loadConfiguration({ path, text: `${BASE}\n${text}`, connectors, env: {} });
  assert.ok(loaded.ok, loaded.ok ? "" : loaded.mistakes.map(({ line, what }) => `${line}: ${what}`).join("\n"));
  const results = runPolicyTests(loaded.configuration, NOW_MS);
  assert.ok(results.length > 0, "a case without tests shows nothing");
  for (const { name, ok, got, trace } of results)
    assert.ok(ok, `${name}: ${JSON.stringify(got)}\n${trace.map((line) => `${line.rule}: ${line.why}`).join("\n")}`);
}

const cases = globSync("*/*.yaml", { cwd: HERE }).sort();

test("there is a case for every behaviour", () => assert.ok(cases.length >= CASES_MIN, `${cases.length} cases`));

for (const file of cases) {
  const text = readFileSync(join(HERE, file), "utf8");
  test(`${file.replace(".yaml", "").replaceAll("-", " ")}: ${/^# (.*)/.exec(text)?.[1] ?? ""}`, () => {
    assert.match(text, /^# /, "a case begins with what it shows");
    holds(file, text);
  });
}

const guide = readFileSync(resolve(HERE, "../../../docs/policy.md"), "utf8");
const examples = [...guide.matchAll(/^```yaml\n(policies:[\s\S]*?)^```$/gm)].map(([, text = ""]) => text);

test("docs/policy.md teaches by examples", () => assert.ok(examples.length >= 8, `${examples.length} examples`));

for (const [index, text] of examples.entries())
  test(`docs/policy.md, example ${index + 1}: ${/name: ([^,\n]*)/.exec(text)?.[1] ?? ""}`, () =>
    holds("docs/policy.md", text));
