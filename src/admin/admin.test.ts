import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { defined } from "../base/assert.ts";
import { hashToken } from "../base/token.ts";
import { fakeConnectors } from "../config/fake-connector.ts";
import { loadConfiguration } from "../config/load-configuration.ts";
import { check } from "./check.ts";
import { policyTest } from "./policy-test.ts";
import { createToken } from "./token-create.ts";

const EXAMPLE = readFileSync(new URL("../../examples/tidegate.yaml", import.meta.url), "utf8");
const connectors = new Map([
  ["postgres", { ...defined(fakeConnectors.get("fake"), "the fake connector"), kind: "postgres" }],
]);
const env = { ORDERS_ADMIN_URL: "postgres://admin:s3cret@db/orders" };
const folder = mkdtempSync(join(tmpdir(), "tidegate-admin-"));
after(() => rmSync(folder, { recursive: true }));

const path = join(folder, "tidegate.yaml");
const write = (text: string) => writeFileSync(path, text);

describe("tidegate check", () => {
  test("a valid file is summed up in one line", () => {
    write(EXAMPLE);
    assert.deepEqual(check({ path, connectors, env }), {
      exitCode: 0,
      text: `${path} is valid: 1 resource, 2 entitlements, 5 rules, 5 people, 9 tests`,
    });
  });

  test("warnings are shown and do not fail it", () => {
    write(EXAMPLE);
    const { exitCode, text } = check({ path, connectors, env: {} });
    assert.equal(exitCode, 0);
    assert.match(text, /tidegate\.yaml:\d+:\d+: warning: .*ORDERS_ADMIN_URL is not set\n {2}hint: /);
    assert.match(text, /is valid \(1 warning\): 1 resource/);
  });

  test("S23 an invalid file exits with 1, and each mistake has file, line, column and what to do", () => {
    write(
      EXAMPLE.replace("        max_duration: 8h", "        max_duration: 8")
        .replace("oncall.tier in [1, 2]", 'oncall.tier in ["1"]')
        .replace('"payments" in user.groups && entitlement', '"payments" in user.grups && entitlement'),
    );
    const { exitCode, text } = check({ path, connectors, env });
    assert.equal(exitCode, 1);
    const lines = text.split("\n").filter((line) => line.includes(": error: "));
    assert.equal(lines.length, 3, text);
    for (const line of lines) assert.match(line, /^.*tidegate\.yaml:\d+:\d+: error: \S/);
    assert.match(text, /user\.grups: no such field\n {2}hint: did you mean groups\?/);
    assert.match(text, /is not valid: 3 errors$/);
  });

  test("as JSON it says the same to machines", () => {
    write(EXAMPLE.replace("version: 1", "version: 2"));
    const { exitCode, text } = check({ path, connectors, env, json: true });
    const said = JSON.parse(text) as { ok: boolean; mistakes: { line: number; what: string }[]; counts: unknown };
    assert.equal(exitCode, 1);
    assert.equal(said.ok, false);
    assert.equal(said.mistakes[0]?.what, "version must be 1");
    write(EXAMPLE);
    assert.deepEqual(JSON.parse(check({ path, connectors, env, json: true }).text), {
      ok: true,
      mistakes: [],
      warnings: [],
      counts: { resources: 1, entitlements: 2, rules: 5, people: 5, tests: 9 },
      files: [path],
    });
  });

  test("S24 no output holds a secret of the environment", () => {
    write(EXAMPLE);
    const outputs = [false, true].map(
      (json) => check({ path, connectors, env: { ORDERS_ADMIN_URL: "mysql://admin:s3cret@db/orders" }, json }).text,
    );
    for (const text of outputs) {
      assert.match(text, /cannot use \[redacted\]/);
      assert.ok(!text.includes("s3cret"));
    }
  });
});

describe("tidegate policy test", () => {
  const clock = { nowMs: () => 0, monotonicMs: () => 0 };
  const run = (json = false) => policyTest({ path, connectors, env, json, clock });

  test("passing tests are listed and exit with 0", () => {
    write(EXAMPLE);
    const { exitCode, text } = run();
    assert.equal(exitCode, 0);
    assert.match(text, /^ok {6}a payments engineer needs a lead\n/);
    assert.match(text, /\n9 passed$/);
  });

  test("a test that fails exits with 1, and says what was expected, what came, and the trace", () => {
    write(EXAMPLE.replace("decision: needs-approval, rule: payments-engineers", "decision: automatic"));
    const { exitCode, text } = run();
    assert.equal(exitCode, 1);
    assert.match(
      text,
      /FAILED {2}a payments engineer needs a lead\n {2}expected: automatic\n {2}got: {6}needs-approval by payments-engineers\n/,
    );
    assert.match(text, / {4}on-call-reads-in-an-incident: does-not-apply: not the case: oncall\.tier in \[1, 2\]/);
    assert.match(text, /1 of 9 failed$/);
    const said = JSON.parse(run(true).text) as { ok: boolean; results: { ok: boolean; trace: unknown[] }[] };
    assert.equal(said.ok, false);
    assert.equal(said.results.filter((result) => !result.ok).length, 1);
  });

  test("a rule that decides by another rule than expected fails", () => {
    write(
      EXAMPLE.replace(
        "decision: denied, rule: no-contractors-on-payments",
        "decision: denied, rule: payments-engineers",
      ),
    );
    assert.equal(run().exitCode, 1);
  });

  test("an invalid file runs no test, and no tests are not called a success", () => {
    write("version: 1\n");
    assert.match(run().text, /no test was run$/);
    assert.equal(run().exitCode, 1);
    assert.deepEqual((JSON.parse(run(true).text) as { ok: boolean }).ok, false);
    write(EXAMPLE.slice(0, EXAMPLE.indexOf("tests:")));
    assert.match(run().text, /has no tests/);
  });
});

const NOW_MS = Date.parse("2029-12-01T00:00:00Z");
describe("tidegate token create", () => {
  test("the token is shown once, and the line to paste makes the file know its hash", () => {
    const { exitCode, text } = createToken({
      name: "laptop",
      nowMs: NOW_MS,
      expires: "2030-01-31T00:00:00Z",
      scope: ["requests:read"],
    });
    assert.equal(exitCode, 0);
    const token = defined(/tgt_[A-Za-z0-9_-]{43}/.exec(text)?.[0], "the token");
    assert.equal(text.split(token).length, 2);
    const line = defined(text.split("\n").at(-1), "the line").trim();
    const loaded = loadConfiguration({
      path: "x",
      text: EXAMPLE.replace("    groups: [security]", `    groups: [security]\n    tokens:\n      ${line}`),
      connectors,
      env,
    });
    assert.ok(loaded.ok, JSON.stringify(loaded));
    assert.deepEqual(loaded.configuration.principals.find((person) => person.handle === "carol")?.tokens, [
      { name: "laptop", hash: hashToken(token), expires: "2030-01-31T00:00:00Z", scopes: ["requests:read"] },
    ]);
  });

  test("with a file the token goes there, readable by its owner alone, and is not shown; no older token is written over", () => {
    const dir = mkdtempSync(join(tmpdir(), "tidegate-token-"));
    try {
      const out = join(dir, "alice.token");
      const { exitCode, text } = createToken({ name: "laptop", nowMs: NOW_MS, out });
      const token = readFileSync(out, "utf8").trim();
      assert.equal(exitCode, 0);
      assert.match(token, /^tgt_/);
      assert.ok(!text.includes(token) && text.includes(hashToken(token)));
      assert.equal(statSync(out).mode & 0o777, 0o600);
      const again = createToken({ name: "laptop", nowMs: NOW_MS, out });
      assert.equal(again.exitCode, 1);
      assert.match(again.text, /exists already/);
      assert.equal(readFileSync(out, "utf8").trim(), token);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test("no two are alike, and a name or time that the file would refuse is refused here", () => {
    const said = [1, 2].map(
      () => JSON.parse(createToken({ name: "ci", nowMs: NOW_MS, json: true }).text) as { token: string; hash: string },
    );
    assert.notEqual(said[0]?.token, said[1]?.token);
    assert.equal(said[0]?.hash, hashToken(said[0]?.token ?? ""));
    assert.equal(createToken({ name: "My Laptop", nowMs: NOW_MS }).exitCode, 1);
    for (const expires of ["tomorrow", "2029-11-30T00:00:00Z", "2031-01-01T00:00:00Z"])
      assert.equal(createToken({ name: "ci", nowMs: NOW_MS, expires }).exitCode, 1, expires);
    assert.match(createToken({ name: "ci", nowMs: NOW_MS }).text, /expires: "2030-03-01T00:00:00.000Z"/);
  });
});
