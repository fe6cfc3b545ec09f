/** Holds the alert rules to the figures that there are, and the runbook to the alerts. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { createMetrics } from "../src/metrics/metrics.ts";
import { openStore } from "../src/store/db.ts";
import { labelsOfSeries } from "./support/labels-of-series.ts";
import { quietSource } from "./support/metrics-source.ts";
import { namedIn } from "./support/promql.ts";
import { findTool } from "./support/tools.ts";

const ROOT = resolve(import.meta.dirname, "..");
const RULES = "deploy/prometheus-alerts.yaml";
const UNIT_TESTS = "test/support/alert-rules.yaml";
const read = (path: string): string => readFileSync(resolve(ROOT, path), "utf8");

type Rule = {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
};
const rules = (parse(read(RULES)) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);

/** The sections of the runbook: an alert each, with the text under it. */
function runbook(): Map<string, string> {
  const [, after = ""] = read("docs/operations.md").split("\n## Runbook\n");
  const [text = ""] = after.split("\n## ");
  const [, ...sections] = text.split("\n### ");
  return new Map(sections.map((section) => [section.slice(0, section.indexOf("\n")), section]));
}

test("every alert has a severity, a time, a summary, a description, and a section of the runbook of its own", () => {
  assert.ok(rules.length >= 15);
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { alert, labels, annotations, for: lasting } of rules) {
    assert.match(alert, /^Tidegate[A-Z]/);
    assert.ok(["critical", "warning"].includes(labels["severity"] ?? ""), `${alert} has a severity`);
    assert.match(lasting, /^\d+[smh]$/, alert);
    assert.match(annotations["summary"] ?? "", /^\S.*[^.]$/, `${alert} has a summary`);
    assert.match(annotations["description"] ?? "", /^\S.*\.$/, `${alert} has a description`);
    assert.equal(annotations["runbook"], `docs/operations.md#${alert.toLowerCase()}`);
  }
});

test("every section of the runbook is of an alert, and says what it means, what to look at, what to do and when it ends", () => {
  const sections = runbook();
  assert.deepEqual([...sections.keys()].sort(), rules.map(({ alert }) => alert).sort());
  for (const [alert, text] of sections)
    for (const part of ["Means", "People notice", "Look", "Do", "Ends by itself"])
      assert.ok(text.includes(`\n- **${part}**: `), `${alert} says: ${part}`);
});

test("alerts name only series and labels that /metrics gives, and tell only labels that their expression keeps", async () => {
  const store = openStore("postgres://nobody@127.0.0.1:1/nothing");
  const series = await labelsOfSeries(createMetrics(quietSource({ db: store.db })));
  await store.close();
  for (const { alert, expr, annotations } of rules) {
    const named = namedIn(expr);
    for (const name of named.metrics) {
      const labels = series.get(name);
      assert.ok(labels !== undefined, `${alert}: ${name} is no series`);
      for (const label of named.labels) assert.ok(labels.includes(label), `${alert}: ${name} has no label ${label}`);
    }
    const kept = Array.from(expr.matchAll(/\bby \(([^)]*)\)/g), ([, list = ""]) => list.split(/\s*,\s*/)).flat();
    for (const text of Object.values(annotations))
      for (const [, label = ""] of text.matchAll(/\$labels\.(\w+)/g))
        assert.ok(kept.includes(label), `${alert} tells ${label}, which its expression drops`);
  }
});

test("the alerts that nobody may miss have unit tests, and those name alerts that there are", () => {
  type Tested = { tests: { alert_rule_test: { alertname: string }[] }[] };
  const { tests } = parse(read(UNIT_TESTS)) as Tested;
  const tested = new Set(tests.flatMap((one) => one.alert_rule_test.map(({ alertname }) => alertname)));
  const names = rules.map(({ alert }) => alert);
  for (const name of tested) assert.ok(names.includes(name), `${name} is an alert`);
  for (const name of ["TidegateAccessOverdue", "TidegateStoreAway", "TidegateNotSeen", "TidegateQuarantine"])
    assert.ok(tested.has(name), `${name} has a unit test`);
});

/** Prometheus is no part of Tidegate's own tests: where its tool is there, it has the last word. */
const tool = findTool("promtool");

test("Prometheus itself accepts the rules and passes their unit tests", {
  skip: tool === null ? "promtool is not installed" : false,
}, () => {
  for (const args of [
    ["check", "rules", RULES],
    ["test", "rules", UNIT_TESTS],
  ]) {
    const { status, stdout, stderr } = spawnSync(tool ?? "", args, { cwd: ROOT, encoding: "utf8" });
    assert.equal(status, 0, stdout + stderr);
  }
});
