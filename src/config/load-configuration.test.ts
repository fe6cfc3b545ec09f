import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { defined } from "../base/assert.ts";
import { hashOf } from "../base/hash.ts";
import type { Connector } from "../connector/connector.ts";
import { postgres } from "../connectors/postgres/postgres.ts";
import { compilePolicy } from "../domain/evaluate.ts";
import { fakeConnectors } from "./fake-connector.ts";
import { loadConfiguration } from "./load-configuration.ts";
import { runPolicyTests } from "./policy-tests.ts";

const EXAMPLE_PATH = new URL("../../examples/tidegate.yaml", import.meta.url).pathname;
const EXAMPLE = readFileSync(EXAMPLE_PATH, "utf8");
/** The fake connector under the name of the real one, whose shape it has. */
const connectors = new Map([
  ["postgres", { ...defined(fakeConnectors.get("fake"), "the fake connector"), kind: "postgres" }],
]);
const env = { ORDERS_ADMIN_URL: "postgres://admin:s3cret-admin@db/orders" };
const folder = mkdtempSync(join(tmpdir(), "tidegate-config-"));
after(() => rmSync(folder, { recursive: true }));

const load = (text: string, given: Record<string, string | undefined> = env, path = "tidegate.yaml") =>
  loadConfiguration({ path, text, connectors, env: given });
const mustLoad = (text: string, given = env) => {
  const loaded = load(text, given);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  return loaded;
};
const warningsOf = (text: string) => mustLoad(text).warnings.map((warning) => `${warning.line}: ${warning.what}`);
/** The number of the line that holds this, from 1. */
const lineOf = (text: string, part: string) => text.slice(0, text.indexOf(part)).split("\n").length;
/** The example with one thing changed. */
const changed = (from: string, to: string) => {
  assert.equal(EXAMPLE.split(from).length, 2, `"${from}" must be in the example exactly once`);
  return EXAMPLE.replace(from, () => to);
};

describe("the example", () => {
  test("it is valid, warns of nothing, and its own tests pass", () => {
    const { configuration, warnings } = mustLoad(EXAMPLE);
    assert.deepEqual(warnings, []);
    const results = runPolicyTests(configuration, 0);
    assert.equal(results.length, 9);
    assert.deepEqual(
      results.filter((result) => !result.ok),
      [],
    );
  });

  test("it is valid for the real connector too", () => {
    const loaded = loadConfiguration({
      path: "x",
      text: EXAMPLE,
      connectors: new Map([[postgres.kind, postgres as Connector]]),
      env,
    });
    assert.deepEqual(loaded.ok ? loaded.warnings : loaded.mistakes, []);
  });

  test("what is loaded is plain JSON: it means the same after it was stored", () => {
    const { configuration } = mustLoad(EXAMPLE);
    assert.deepEqual(JSON.parse(JSON.stringify(configuration)), configuration);
    assert.equal(hashOf(mustLoad(EXAMPLE).configuration), hashOf(configuration));
  });

  test("an entitlement carries the scope as the connector understood it, its hash, its words, and what is narrower", () => {
    const { read, fix } = defined(mustLoad(EXAMPLE).configuration.resources["orders-db"], "orders-db").entitlements;
    assert.equal(read?.ref, "orders-db:read");
    assert.equal(read?.maxDurationMs, 8 * 3_600_000);
    assert.equal(fix?.scope["read_only"], false, "the connector's default is in the scope");
    assert.equal(read?.scopeHash, hashOf({ connector: "postgres", scope: read?.scope }));
    assert.deepEqual(read?.describe, ["may SELECT on orders", "may SELECT on customers"]);
    assert.deepEqual([read?.narrower, fix?.narrower], [[], []]);
  });

  test("an entitlement that allows no more than another is offered as less", () => {
    const text = changed(
      "      fix:\n",
      "      peek:\n        max_duration: 1h\n        scope: { database: orders, grants: [{ schema: public, tables: [orders], privileges: [SELECT] }] }\n      fix:\n",
    );
    const { peek, fix } = defined(mustLoad(text).configuration.resources["orders-db"], "orders-db").entitlements;
    assert.deepEqual(fix?.narrower, ["peek"]);
    assert.deepEqual(peek?.narrower, []);
    assert.equal(peek?.risk, "medium");
    assert.equal(peek?.title, "peek");
  });

  test("the order of keys does not change the hash of a scope", () => {
    const other = changed(
      "schema: public, tables: [orders], privileges: [SELECT, UPDATE]",
      "privileges: [SELECT, UPDATE], tables: [orders], schema: public",
    );
    const hash = (text: string) => mustLoad(text).configuration.resources["orders-db"]?.entitlements["fix"]?.scopeHash;
    assert.equal(hash(other), hash(EXAMPLE));
  });

  test("what is left out of a person or of the file has its default", () => {
    const { configuration } = mustLoad(
      changed("defaults:\n  request_expires_after: 24h", "defaults:\n  request_expires_after: 2d").replace(
        "  alice:",
        "  zoe: {}\n  alice:",
      ),
    );
    assert.deepEqual(configuration.principals[0], {
      handle: "zoe",
      kind: "user",
      name: "zoe",
      email: null,
      type: "",
      groups: [],
      roles: ["member"],
      onCallTier: 0,
      active: true,
      tokens: [],
    });
    assert.deepEqual(configuration.principals.find((person) => person.handle === "carol")?.roles, ["member", "admin"]);
    assert.equal(configuration.defaults.requestExpiresAfterMs, 48 * 3_600_000);
    assert.equal(configuration.defaults.activateWithinMs, 8 * 3_600_000);
  });
});

describe("S12 what is valid and still worth a warning", () => {
  test("a group that nobody is in, in a step and among the owners", () => {
    const step = changed('{ by: ["group:security"] }', '{ by: ["group:secrutiy", "group:security"] }');
    assert.deepEqual(warningsOf(step), [
      `${lineOf(step, "group:secrutiy")}: policies[2].approve[1].by[0]: nobody is in the group secrutiy`,
    ]);
    const owners = changed('owners: ["group:payments-leads"]', 'owners: ["group:payments-leads", "group:gone"]');
    assert.deepEqual(warningsOf(owners), [
      `${lineOf(owners, "group:gone")}: resources.orders-db.owners[1]: nobody is in the group gone`,
    ]);
  });

  test("a person who does not exist, is not active, or is a service", () => {
    const step = (source: string) =>
      changed("{ by: [owners], count: 1 }", `{ by: [owners, "user:${source}"], count: 1 }`);
    assert.match(warningsOf(step("zoe"))[0] ?? "", /there is no zoe under principals/);
    assert.match(
      warningsOf(step("zoe").replace("  alice:", "  zoe: { active: false }\n  alice:"))[0] ?? "",
      /zoe is not active/,
    );
    assert.match(
      warningsOf(step("zoe").replace("  alice:", "  zoe: { kind: service }\n  alice:"))[0] ?? "",
      /zoe is a service/,
    );
  });

  test("a rule that demands a sign-in where nobody signs in through a provider", () => {
    const demand = "authentication: { request: { max_age: 15m } }";
    const text = changed("  - name: payments-engineers", `  - name: payments-engineers\n    ${demand}`);
    assert.match(warningsOf(text)[0] ?? "", /payments-engineers demands authentication, and nobody signs in/);
  });

  test("nobody reviews what is approved automatically: nothing can be demanded of them", () => {
    const rule = "  - { name: all, approve: automatically, authentication: { review: { max_age: 15m } } }";
    const loaded = load(changed("policies:\n", `policies:\n${rule}\n`));
    assert.match(loaded.ok ? "" : (loaded.mistakes[0]?.what ?? ""), /review: nobody reviews what is approved auto/);
  });

  test("a step that asks for more people than there are", () => {
    const text = changed("{ by: [owners], count: 1 }", "{ by: [owners], count: 2 }");
    assert.deepEqual(warningsOf(text), [
      `${lineOf(text, "count: 2")}: payments-engineers: too few people could approve`,
    ]);
  });

  test("S11 two steps that only the same person could fill", () => {
    const text = changed('{ by: ["group:security"] }', '{ by: ["group:payments-leads"] }');
    const line = lineOf(text, '{ by: ["group:payments-leads"] }') - 1;
    assert.deepEqual(warningsOf(text), [`${line}: high-risk-needs-security-too: too few people could approve`]);
  });

  test("a rule that is never reached, and a policy that approves nothing", () => {
    const open = changed(
      "  - name: on-call-reads-in-an-incident",
      "  - { name: open, approve: automatically }\n\n  - name: on-call-reads-in-an-incident",
    ).replace(/^tests:[\s\S]*/m, "");
    assert.match(
      warningsOf(open)[0] ?? "",
      /on-call-reads-in-an-incident is never reached: open before it always applies where it would/,
    );
    const closed = EXAMPLE.replace(/^ {2}- name: on-call[\s\S]*/m, "");
    assert.match(warningsOf(closed)[0] ?? "", /no rule approves anything/);
  });

  test("S17 a rule for emergencies that waits, is not short, is reviewed by nobody, or fits only where they are switched off", () => {
    const glass = (more: string, text = EXAMPLE): string[] => {
      const rule = `  - { name: glass, emergency: { review_by: ["group:security"] }, ${more} }\n`;
      return warningsOf(text.replace("# What the rules must decide", `${rule}\n# What the rules must decide`))
        .map((line) => line.replace(/^[\d:]+ /, ""))
        .filter((line) => line.startsWith("glass"));
    };
    assert.deepEqual(glass("approve: automatically, max_duration: 1h"), []);
    const waits = glass("approve: [{ by: [owners] }], max_duration: 1h");
    assert.deepEqual(waits, ["glass is for emergencies, and waits for approval"]);
    const long = ["glass is for emergencies, and not shorter than ordinary access (8h)"];
    assert.deepEqual(glass("approve: automatically"), long);
    assert.deepEqual(glass("approve: automatically, max_duration: 24h"), long);
    const alone = glass(
      "approve: automatically, max_duration: 1h",
      changed("groups: [security]", "groups: [payments]"),
    );
    assert.ok(alone.includes("glass: nobody could review an emergency"), alone.join("\n"));
    const off = changed("    connector: postgres", "    emergency: off\n    connector: postgres");
    assert.deepEqual(glass("approve: automatically, max_duration: 1h", off), [
      "glass never applies: emergencies are switched off where it would (orders-db)",
    ]);
  });

  test("without declared people nothing is said about who exists", () => {
    assert.deepEqual(
      warningsOf(EXAMPLE.replace(/^principals:[\s\S]*?(?=^# The rules)/m, "").replace(/^tests:[\s\S]*/m, "")),
      [],
    );
  });
});

describe("S24 connections", () => {
  test("the configuration keeps references as they are written", () => {
    const { configuration } = mustLoad(EXAMPLE);
    assert.deepEqual(configuration.resources["orders-db"]?.connection, { url: `\${env:ORDERS_ADMIN_URL}` });
    assert.ok(!JSON.stringify(configuration).includes("s3cret"));
  });

  test("a variable that is not set here is a warning with its name: the connection was not checked", () => {
    const { warnings } = mustLoad(EXAMPLE, { ORDERS_ADMIN_URL: "" });
    assert.match(warnings[0]?.what ?? "", /connection was not checked: ORDERS_ADMIN_URL is not set/);
  });

  test("a connector that quotes the secret it refuses is not repeated", () => {
    for (const url of ["mysql://admin:s3cret-admin@db/orders", "s3cret-admin"]) {
      const loaded = load(EXAMPLE, { ORDERS_ADMIN_URL: url });
      assert.ok(!loaded.ok);
      assert.equal(loaded.mistakes.length, 1);
      assert.match(loaded.mistakes[0]?.what ?? "", /connection\.url: cannot use \[redacted\]/);
      assert.ok(!JSON.stringify(loaded).includes("s3cret"));
    }
  });

  test("a file reference starts at the folder of the configuration", () => {
    writeFileSync(join(folder, "url.txt"), "postgres://admin:s3cret@db/orders\n");
    const text = EXAMPLE.replace(/\$\{env:ORDERS_ADMIN_URL\}(?=" })/, () => `\${file:url.txt}`);
    const there = load(text, {}, join(folder, "tidegate.yaml"));
    assert.deepEqual(there.ok && there.warnings, []);
    const elsewhere = load(text, {}, "/nowhere/tidegate.yaml");
    assert.match((elsewhere.ok && elsewhere.warnings[0]?.what) || "", /url\.txt cannot be read/);
  });
});

describe("files", () => {
  const failure = (path: string) => {
    const loaded = loadConfiguration({ path, connectors, env });
    return loaded.ok ? "" : defined(loaded.mistakes[0], "a mistake").what;
  };

  test("a file is read from the disk", () => {
    const loaded = loadConfiguration({ path: EXAMPLE_PATH, connectors, env });
    assert.equal(loaded.ok, true);
  });

  test("what cannot be read says so", () => {
    assert.equal(failure(join(folder, "none.yaml")), "there is no such file");
    writeFileSync(join(folder, "latin.yaml"), Buffer.from([0x61, 0x3a, 0x20, 0xe4]));
    assert.equal(failure(join(folder, "latin.yaml")), "the file is not UTF-8");
    for (const empty of ["", "# nothing\n", "---\n"]) assert.equal(load(empty).ok, false);
  });

  test("a message that quotes the file cannot steer a terminal", () => {
    const loaded = load('version: 1\n"\\e[2J\\x07": 1\nresources: {}\npolicies: []\n');
    assert.ok(!loaded.ok);
    assert.equal(loaded.mistakes[0]?.what, " [2J  is not known here");
  });

  test("a file that is too large, too deep, or made to blow up is refused soon", () => {
    const bombs = [
      "x".repeat(1_048_577),
      "[".repeat(100_000),
      `a: ${"[".repeat(60)}${"]".repeat(60)}`,
      "- ".repeat(100_000),
      "a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n",
      Array.from({ length: 20_000 }, (_, index) => `k${index}: 1\n`).join(""),
      `version: 1\npolicies:\n${"  - {}\n".repeat(50_000)}`,
    ];
    for (const bomb of bombs) {
      const before = performance.now();
      const loaded = load(bomb);
      assert.equal(loaded.ok, false);
      assert.ok(!loaded.ok && loaded.mistakes.length <= 101);
      assert.ok(performance.now() - before < 20_000, `${bomb.slice(0, 20)} took ${performance.now() - before} ms`);
    }
  });

  test("whatever is done to the file, it is valid or has mistakes with places in it", () => {
    const lines = EXAMPLE.split("\n");
    const piece = fc.oneof(
      fc.constantFrom(
        "",
        " ",
        "  ",
        "\t",
        ":",
        "- ",
        "&a ",
        "*a",
        "!x ",
        "<<: ",
        "{",
        "}",
        "[",
        "]",
        '"',
        "'",
        "|",
        ">",
        "#",
        "~",
        "null",
        "0",
        "\n",
        ", ",
        "user",
        "${env:",
        "&&",
        "\r\n",
        "\ufeff",
        "\u2028",
      ),
      fc.string({ unit: "binary", maxLength: 8 }),
      fc.constantFrom(...lines),
    );
    const edit = fc.record({ at: fc.nat(EXAMPLE.length), drop: fc.oneof(fc.nat(3), fc.nat(400)), put: piece });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const text = edits.reduce(
          (whole, { at, drop, put }) => whole.slice(0, at) + put + whole.slice(at + drop),
          EXAMPLE,
        );
        const loaded = load(text);
        if (loaded.ok) {
          compilePolicy(loaded.configuration);
          runPolicyTests(loaded.configuration, 0);
          return;
        }
        assert.ok(loaded.mistakes.length > 0);
        const count = text.split("\n").length;
        for (const { line, column, what } of loaded.mistakes)
          assert.ok(what !== "" && line >= 1 && line <= count && column >= 1, `${line}:${column}`);
      }),
      { numRuns: 600 },
    );
  });

  test("a mistake inside a condition is found where it stands, in every style of YAML", () => {
    const token = fc.constantFrom('"a"', "'b'", '"\\\\"', "(true)", '"ä"', '"😀"', "user", "&&");
    const styles: ((text: string) => string)[] = [
      (text) => `'${text.replaceAll("'", "''").replaceAll(" ", "\n      ")}'`,
      (text) => `'${text.replaceAll("'", "''")}'`,
      (text) =>
        `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("ä", "\\u00e4").replaceAll("😀", "\\U0001F600").replaceAll(" ", " \\\n      ")}"`,
      (text) => `"${text.replaceAll("\\", "\\x5c").replaceAll('"', "\\x22").replaceAll(" ", "\n      ")}"`,
      (text) => `|\n      ${text.replaceAll(" ", "\n        ")}`,
      (text) => `|2-\n      ${text.replaceAll(" ", "   ")}`,
      (text) => `>- # why\n      ${text.replaceAll(" ", "\n      ")}`,
      (text) => `>\n      ${text.replaceAll(" ", "\n\n      ")}`,
    ];
    fc.assert(
      fc.property(fc.array(token, { maxLength: 6 }), fc.constantFrom(...styles), (tokens, style) => {
        // A character that no condition can hold, after whatever came before it: it must be pointed at.
        const condition = ["true", ...tokens.flatMap((one) => ["+", one === "&&" ? "1" : one]), "^", "x"].join(" ");
        const yaml = changed(
          'deny: user.type == "contractor" && resource.labels.team == "payments"',
          `deny: ${style(condition)}`,
        );
        const loaded = load(yaml);
        assert.ok(!loaded.ok);
        const [mistake] = loaded.mistakes;
        assert.match(mistake?.what ?? "", /unexpected \^/);
        assert.equal(yaml.split("\n")[(mistake?.line ?? 0) - 1]?.[(mistake?.column ?? 0) - 1], "^", yaml);
      }),
      { numRuns: 400 },
    );
  });
});
