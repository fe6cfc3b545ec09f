import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { fakeConnectors } from "../config/fake-connector.ts";
import { type JunitCase, junitXml } from "./junit.ts";
import { type PolicyTestOptions, policyTest } from "./policy-test.ts";
import { type Element, readXml, sayable } from "./read-xml-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "tidegate-policy-test-"));
after(() => rmSync(folder, { recursive: true }));

const HEAD = `
version: 1
resources:
  orders-db:
    connector: fake
    labels: { team: payments }
    connection: { url: "postgres://admin@db/orders" }
    entitlements:
      read: { risk: low, max_duration: 8h, scope: { database: orders, role: readers } }
      fix: { risk: high, max_duration: 1h, scope: { database: orders, role: readers } }
`;
const RULES = `
policies:
  - { name: no-contractors, deny: user.type == "contractor" }
  - { name: never-tried, deny: user.type == "robot" }
  - { name: readers, when: 'entitlement.name == "read"', approve: automatically }
  - { name: fixers, when: 'entitlement.name == "fix"', approve: [{ by: ["user:bob"] }] }
`;
const TESTS = `
tests:
  - { name: reads, given: { entitlement: "orders-db:read" }, expect: { decision: automatic, rule: readers } }
  - { name: no contractor, given: { user: { type: contractor }, entitlement: "orders-db:read" }, expect: { decision: denied } }
`;

const path = join(folder, "tidegate.yaml");
const clock = { nowMs: () => 0, monotonicMs: () => 0 };
function run(text: string, more: Partial<PolicyTestOptions> = {}) {
  writeFileSync(path, text);
  return policyTest({ path, connectors: fakeConnectors, env: {}, clock, ...more });
}
type Said = { ok: boolean; shortfall: string | null; coverage: { percent: number; rules: Record<string, unknown>[] } };
const said = (text: string, more: Partial<PolicyTestOptions> = {}): Said =>
  JSON.parse(run(text, { ...more, json: true }).text) as Said;

describe("coverage of rules", () => {
  test("a rule counts where it decided a test; one that was only passed over is told apart from one never looked at", () => {
    const { coverage } = said(HEAD + RULES + TESTS);
    assert.equal(coverage.percent, 50);
    assert.deepEqual(coverage.rules, [
      { rule: "no-contractors", kind: "deny", decided: 1, passedOver: 1, failed: 0, idle: null },
      { rule: "never-tried", kind: "deny", decided: 0, passedOver: 2, failed: 0, idle: null },
      { rule: "readers", kind: "approve", decided: 1, passedOver: 0, failed: 0, idle: null },
      { rule: "fixers", kind: "approve", decided: 0, passedOver: 0, failed: 0, idle: null },
    ]);
    const { text, exitCode } = run(HEAD + RULES + TESTS, { coverage: true });
    assert.equal(exitCode, 0);
    assert.match(text, /\nnever-tried +0 +2 +no test is decided by it\n/);
    assert.match(text, /\nfixers +0 +0 +no test looks at it\n50 % of the rules decide in some test \(2 of 4\)\n/);
  });

  test("a deny rule that denies by an error has not been tried", () => {
    const failing = RULES.replace('user.type == "robot"', "int(user.type) > 3");
    const { coverage } = said(HEAD + failing + TESTS);
    assert.deepEqual(coverage.rules[1], {
      ...{ rule: "never-tried", kind: "deny", decided: 0, passedOver: 1, failed: 1, idle: null },
    });
  });

  test("less than was asked for exits with 1 and names the rules; as much passes", () => {
    assert.equal(run(HEAD + RULES + TESTS, { minCoverage: 50 }).exitCode, 0);
    const { exitCode, text } = run(HEAD + RULES + TESTS, { minCoverage: 51 });
    assert.equal(exitCode, 1);
    assert.match(text, /50 % of the rules .* 51 % were asked for: no test is decided by never-tried, fixers/);
    assert.match(said(HEAD + RULES + TESTS, { minCoverage: 100 }).shortfall ?? "", /fixers/);
    assert.equal(run(HEAD + RULES, { minCoverage: 1 }).exitCode, 1, "no tests cover nothing");
  });

  test("a rule that can never decide is warned of where tests are run too", () => {
    const shadowed = `${RULES}  - { name: too-late, when: 'entitlement.name == "read"', approve: automatically }\n`;
    const { exitCode, text } = run(HEAD + shadowed + TESTS, { coverage: true });
    assert.equal(exitCode, 0);
    assert.match(text, /\ntoo-late +0 +0 +can never decide\n/);
    assert.match(text, /\nwarning: too-late is never reached: readers before it always applies where it would\n/);
  });
});

describe("steps that nobody is ever asked for", () => {
  const withStep = (when: string): string =>
    HEAD +
    RULES.replace('[{ by: ["user:bob"] }]', `[{ by: ["user:bob"] }, { by: ["user:carol"], if: '${when}' }]`) +
    TESTS;
  const says = /\nwarning: fixers: nobody is ever asked of user:carol: .* is true of nothing that the rule is for\n/;

  test("are warned of where tests are run, and one that some request may need is not", () => {
    for (const never of ['entitlement.risk == "low"', 'resource.labels.team == "x" && oncall.tier == 1'])
      assert.match(run(withStep(never)).text, says, never);
    for (const some of [
      'entitlement.risk == "high"',
      "oncall.tier == 1",
      'entitlement.risk == "low" || oncall.tier == 1',
    ])
      assert.doesNotMatch(run(withStep(some)).text, /warning: fixers/, some);
  });
});

describe("tests that stand apart from the configuration", () => {
  const apart = join(folder, "tests");
  mkdirSync(apart, { recursive: true });

  test("a file or a folder of them is run beside those of the configuration", () => {
    writeFileSync(join(apart, "more.yaml"), TESTS);
    for (const tests of [[apart], [join(apart, "more.yaml")]]) {
      const { exitCode, text } = run(HEAD + RULES, { tests });
      assert.equal(exitCode, 0);
      assert.match(text, /\n2 passed$/);
    }
    assert.match(
      run(HEAD + RULES + TESTS, { tests: [apart] }).text,
      /more\.yaml:3:13: error: there is another test "reads"/,
    );
  });

  test("they hold nothing else: a rule in one would be tried and never served", () => {
    writeFileSync(join(apart, "more.yaml"), `${TESTS}\npolicies:\n  - { name: sly, approve: automatically }\n`);
    const { exitCode, text } = run(HEAD + RULES, { tests: [apart] });
    assert.equal(exitCode, 1);
    assert.match(text, /more\.yaml:6:1: error: policies stands in a file of tests\n {2}hint: /);
  });

  test("one that is not there is an error", () => {
    assert.match(
      run(HEAD + RULES, { tests: [join(folder, "nowhere.yaml")] }).text,
      /nowhere\.yaml:1:1: error: there is no such/,
    );
  });
});

describe("JUnit", () => {
  const junit = join(folder, "junit.xml");
  const suiteOf = (text: string, more: Partial<PolicyTestOptions> = {}): Element => {
    run(text, { junit, ...more });
    const root = readXml(readFileSync(junit, "utf8"));
    assert.equal(root.name, "testsuites");
    assert.equal(root.children.length, 1);
    return root.children[0] as Element;
  };
  const casesOf = (suite: Element) => suite.children.filter(({ name }) => name === "testcase");

  test("each test is a case; one that fails says what was expected, what came, and the trace", () => {
    const wrong = TESTS.replace("decision: automatic, rule: readers", "decision: denied");
    const suite = suiteOf(HEAD + RULES + wrong);
    assert.deepEqual(
      [suite.attributes["tests"], suite.attributes["failures"], suite.attributes["errors"]],
      ["2", "1", "0"],
    );
    const [failed, passed] = casesOf(suite);
    assert.equal(failed?.attributes["name"], "reads");
    assert.equal(failed.children[0]?.name, "failure");
    assert.equal(failed.children[0].attributes["message"], "expected denied, got automatic by readers");
    assert.match(failed.children[0].text, /readers: applies: approves automatically/);
    assert.deepEqual(passed?.children, []);
  });

  test("a configuration that is not valid is an error in CI and not an empty success", () => {
    const suite = suiteOf("version: 1\n");
    assert.notEqual(suite.attributes["errors"], "0");
    assert.match(casesOf(suite)[0]?.children[0]?.text ?? "", /tidegate\.yaml:\d+:\d+: error: /);
  });

  test("coverage that falls short fails as a case of its own", () => {
    const cases = casesOf(suiteOf(HEAD + RULES + TESTS, { minCoverage: 90 }));
    assert.deepEqual(
      cases.map(({ attributes, children }) => [attributes["name"], children.length]),
      [
        ["reads", 0],
        ["no contractor", 0],
        ["coverage of the rules", 1],
      ],
    );
  });

  test("a file that cannot be written is a failure, and the results are shown all the same", () => {
    const { exitCode, text } = run(HEAD + RULES + TESTS, { junit: join(folder, "no", "such", "junit.xml") });
    assert.equal(exitCode, 1);
    assert.match(text, /2 passed\n.*junit\.xml cannot be written/);
  });

  test("whatever the texts hold, the file is well-formed and says them", () => {
    const units = fc.array(
      fc.oneof(
        fc.constantFrom(..."<>&\"'\r\n\t\0\u001b\ud800\udc00\ufffe]]>"),
        fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
      ),
      { maxLength: 20 },
    );
    const text = units.map((all) => all.join(""));
    const kind = fc.constantFrom("failure" as const, "error" as const);
    const problem = fc.option(fc.record({ kind, message: text, text }), { nil: null });
    const oneCase: fc.Arbitrary<JunitCase> = fc.record({ name: text, problem });
    fc.assert(
      fc.property(text, fc.array(oneCase, { maxLength: 4 }), (name, cases) => {
        const xml = junitXml({
          name,
          at: "2026-01-31T12:00:00.000Z",
          seconds: 1.5,
          properties: { coverage: name },
          cases,
        });
        const suite = readXml(xml).children[0];
        assert.equal(suite?.attributes["name"], sayable(name));
        const read = casesOf(suite).map(({ attributes, children: [found] }) => ({
          name: attributes["name"],
          problem:
            found === undefined ? null : { kind: found.name, message: found.attributes["message"], text: found.text },
        }));
        const wanted = cases.map((one) => ({
          name: sayable(one.name),
          problem: one.problem && {
            ...{ kind: one.problem.kind, message: sayable(one.problem.message), text: sayable(one.problem.text) },
          },
        }));
        assert.deepEqual(read, wanted);
      }),
      { numRuns: 2_000 },
    );
  });
});
