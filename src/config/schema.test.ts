/** The published schema and the generated reference say what the reader does: neither more nor less. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { defined } from "../base/assert.ts";
import type { Json, JsonObject } from "../base/canonical.ts";
import { connectorsByKind } from "../connectors/index.ts";
import { demoConfiguration } from "../demo/configuration.ts";
import { FORMAT } from "./format.ts";
import type { Section } from "./format-words.ts";
import { loadConfiguration } from "./load-configuration.ts";
import { configurationReference } from "./reference.ts";
import { configurationSchema, schemaText } from "./schema.ts";

const file = (path: string): URL => new URL(`../../${path}`, import.meta.url);
const EXAMPLE = readFileSync(file("examples/tidegate.yaml"), "utf8");
const env = { ORDERS_ADMIN_URL: "postgres://admin:s3cret@db.example.com/orders" };

const validate = new Ajv({ allErrors: true, strict: false }).compile(configurationSchema(connectorsByKind));
const schemaTakes = (document: unknown): boolean => validate(document);
const readerTakes = (document: unknown): boolean =>
  loadConfiguration({ path: "x", text: JSON.stringify(document), connectors: connectorsByKind, env }).ok;

describe("what is published is in step with the reader", () => {
  for (const [path, text] of [
    ["docs/tidegate.schema.json", () => schemaText(connectorsByKind)],
    ["docs/configuration.md", () => configurationReference(connectorsByKind)],
  ] as const)
    test(`${path} is as it is generated (TIDEGATE_GENERATE=1 with this test writes it anew)`, () => {
      if (process.env["TIDEGATE_GENERATE"] === "1") writeFileSync(file(path), text());
      assert.equal(readFileSync(file(path), "utf8"), text());
    });

  test("every key that the reader knows is described", () => {
    for (const { keys } of Object.values(FORMAT))
      for (const [key, { about }] of Object.entries(keys)) assert.ok(about, key);
    const bare = Object.entries(configurationSchema(connectorsByKind)["definitions"] as JsonObject).flatMap(
      ([name, value]) => undescribed(value, name),
    );
    assert.deepEqual(bare, []);
  });

  test("examples name the schema, so that editors complete them", () => {
    assert.match(
      EXAMPLE,
      /^# .*: tidegate check --schema > (tidegate\.schema\.json)\n# yaml-language-server: \$schema=\1\n/,
    );
  });
});

/** Properties without a word about them. */
function undescribed(schema: Json, path: string): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  if (Array.isArray(schema)) return schema.flatMap((one) => undescribed(one, path));
  const properties = Object.entries((schema["properties"] ?? {}) as JsonObject).flatMap(([name, value]) => {
    const property = value as JsonObject;
    return "description" in property || "const" in property ? [] : [`${path}.${name}`];
  });
  return [
    ...properties,
    ...Object.entries(schema).flatMap(([key, value]) => (key === "examples" ? [] : undescribed(value, path))),
  ];
}

const example = (): JsonObject => parse(EXAMPLE) as JsonObject;

/** The example without what refers from one place to another: one thing at a time can be changed in it. */
function loose(): JsonObject {
  const document = example() as { policies: Open[]; tests: { given: Open }[] } & JsonObject;
  for (const rule of document.policies)
    for (const key of ["deny", "when"]) if (key in rule) rule[key] = '"payments" in user.groups';
  for (const { given } of document.tests) if ("duration" in given) given["duration"] = "60s";
  return document;
}
type Open = Record<string, Json>;

describe("the schema takes what is valid", () => {
  test("the example and the demo's configuration", () => {
    assert.ok(schemaTakes(example()), JSON.stringify(validate.errors));
    const hashes = Object.fromEntries(
      ["alice", "erin", "bob", "frank", "carol", "dave"].map((one) => [one, `sha256:${"0".repeat(64)}`]),
    );
    assert.ok(schemaTakes(parse(demoConfiguration(hashes))), JSON.stringify(validate.errors));
  });

  test("every example that it gives itself is taken where it stands", () => {
    for (const { keys } of Object.values(FORMAT))
      for (const [name, { schema, examples = [] }] of Object.entries(keys)) {
        const alone = new Ajv({ strict: false }).compile({
          ...schema,
          definitions: { ...(configurationSchema(connectorsByKind)["definitions"] as JsonObject), entitlement: {} },
        });
        for (const one of examples) assert.ok(alone(one), `${name}: ${JSON.stringify(one)}`);
      }
  });

  test("a reference stands for any text of a connection, also for one of a few words", () => {
    const document = example() as { resources: { "orders-db": { connection: JsonObject } } };
    document.resources["orders-db"].connection = {
      url: `\${env:X}`,
      tls: { mode: `\${env:MODE}`, ca: `\${file:ca.pem}` },
    };
    assert.ok(schemaTakes(document), JSON.stringify(validate.errors));
    document.resources["orders-db"].connection = { url: `\${env:X}`, tls: { mode: "off" } };
    assert.ok(!schemaTakes(document));
  });

  test("a file of a folder, which holds some of the sections", () => {
    assert.ok(schemaTakes({ principals: { alice: {} } }));
  });
});

/** Everywhere in the example, each section of the format with the objects that are written in it. */
type Spot = { readonly section: Section; readonly at: (document: JsonObject) => JsonObject };
const inside =
  (...path: (string | number)[]) =>
  (document: JsonObject): JsonObject =>
    path.reduce<Json>((value, step) => (value as Record<string | number, Json>)[step] ?? null, document) as JsonObject;
const SPOTS: readonly Spot[] = [
  { section: FORMAT.resource, at: inside("resources", "orders-db") },
  { section: FORMAT.entitlement, at: inside("resources", "orders-db", "entitlements", "read") },
  { section: FORMAT.principal, at: inside("principals", "alice") },
  { section: FORMAT.denyRule, at: inside("policies", 0) },
  { section: FORMAT.approveRule, at: inside("policies", 2) },
  { section: FORMAT.step, at: inside("policies", 3, "approve", 0) },
  { section: FORMAT.reason, at: inside("policies", 3, "reason") },
  { section: FORMAT.test, at: inside("tests", 0) },
  { section: FORMAT.given, at: inside("tests", 0, "given") },
  { section: FORMAT.givenUser, at: inside("tests", 4, "given", "user") },
  { section: FORMAT.expect, at: inside("tests", 0, "expect") },
  { section: FORMAT.defaults, at: inside("defaults") },
  { section: FORMAT.bundle, at: inside("bundles", "incident-kit") },
];
const changed = (change: (document: JsonObject) => void): JsonObject => {
  const document = loose();
  change(document);
  return document;
};

describe("the schema refuses what the reader refuses, and no more", () => {
  test("what is required is required by both, and what is not by neither", () => {
    for (const { section, at } of SPOTS)
      for (const [name, { required }] of Object.entries(section.keys)) {
        // A person in a test, and titles: taken away, the example stays whole.
        const document = changed((one) => {
          delete (at(one) as Open)[name];
        });
        const wanted = required !== true;
        assert.equal(schemaTakes(document), wanted, `schema: ${section.title}.${name}`);
        assert.equal(readerTakes(document), wanted, `reader: ${section.title}.${name}`);
      }
  });

  test("a key that nobody knows, and a value of another kind, is refused by both, everywhere", () => {
    for (const { section, at } of SPOTS) {
      const stranger = changed((one) => {
        (at(one) as Open)["colour"] = "red";
      });
      assert.ok(!schemaTakes(stranger) && !readerTakes(stranger), section.title);
      for (const name of Object.keys(section.keys))
        for (const value of [7.5, [[]], { x: { y: 1 } }] as Json[]) {
          const odd = changed((one) => {
            (at(one) as Open)[name] = value;
          });
          assert.ok(!schemaTakes(odd), `schema: ${section.title}.${name} = ${JSON.stringify(value)}`);
          assert.ok(!readerTakes(odd), `reader: ${section.title}.${name} = ${JSON.stringify(value)}`);
        }
    }
  });

  test("values at and beyond their limits", () => {
    const cases: [spot: number, key: string, good: Json[], bad: Json[]][] = [
      [1, "max_duration", ["90s", "1h30m", " 8h ", "2d"], ["8", "h", "", "1m1h", "8 h", 8]],
      [1, "risk", ["low", "high"], ["none", ""]],
      [0, "title", ["T", "ä".repeat(200)], ["", "  ", "x".repeat(201)]],
      [
        0,
        "owners",
        [["group:A b.c"], ["user:bob"], []],
        [["owners"], ["bob"], ["user:Bob"], ["group: x"], ["user:bob", "user:bob"]],
      ],
      [5, "by", [["owners"], ["group:x", "user:bob"]], [[], ["leads"], ["owners", "owners"]]],
      [5, "by", [["manager"]], []],
      [5, "fallback", [["manager", "group:x"]], [[], ["x"]]],
      [
        5,
        "escalate",
        [{ after: "30m", to: ["owners"] }],
        [{ after: "30m" }, { to: ["owners"] }, { after: "1", to: ["owners"] }],
      ],
      [5, "if", ["oncall.tier == 1"], [true]],
      [2, "manager", ["bob"], ["Bob", "user:bob"]],
      [
        4,
        "limit",
        [
          { count: 1, within: "1d" },
          { per: "group:A b", count: 1_000, within: "1d" },
          { per: "rule", count: 1, within: "1d" },
        ],
        [
          { count: 0, within: "1d" },
          { count: 1 },
          { per: "team", count: 1, within: "1d" },
          { per: "group:", count: 1, within: "1d" },
        ],
      ],
      [
        4,
        "hours",
        [{ zone: "UTC" }, [{ zone: "UTC", days: ["mon"], from: "22:00", to: "06:00" }], { zone: "UTC", to: "24:00" }],
        [{}, [], { zone: "UTC", days: [] }, { zone: "UTC", from: "8:00" }, { zone: "UTC", from: "24:30" }],
      ],
      [4, "extensions", ["none", {}, { count: 0, each: "30m", total: "1h" }], ["any", { count: -1 }, { each: 30 }]],
      [4, "emergency", [{ review_by: ["owners"] }], [{}, { review_by: [] }, { review_by: ["owners"], within: "soon" }]],
      [4, "activation", ["on-use", "on-approval"], ["later", true]],
      [4, "activate_within", ["2h"], ["2"]],
      [4, "via", ["direct"], ["gateway", "x"]],
      [5, "count", [1], [0, 21, 1.5, "1"]],
      [6, "min_length", [1, 1_000], [0, 1_001]],
      [2, "oncall_tier", [0, 9], [-1, 10]],
      [2, "email", ["a@b"], ["a", "a b@c"]],
      [2, "roles", [["admin"], []], [["root"]]],
      [
        2,
        "tokens",
        [[{ name: "x", hash: `sha256:${"a".repeat(64)}`, expires: "2027-01-31T12:00Z" }]],
        [[{ name: "x", hash: "sha256:a" }], [{ name: "x" }]],
      ],
      [4, "ticket", ["required"], ["optional", true]],
      [4, "approve", ["automatically"], ["never", []]],
      [12, "entitlements", [["orders-db:read"]], [[], ["orders-db:read", "orders-db:read"], "orders-db:read"]],
    ];
    for (const [spot, key, good, bad] of cases) {
      const given = (value: Json) =>
        changed((one) => {
          (defined(SPOTS[spot], "a spot").at(one) as Open)[key] = value;
        });
      for (const value of good) {
        assert.ok(readerTakes(given(value)), `reader takes ${key} ${JSON.stringify(value)}`);
        assert.ok(
          schemaTakes(given(value)),
          `schema takes ${key} ${JSON.stringify(value)}: ${JSON.stringify(validate.errors)}`,
        );
      }
      for (const value of bad) {
        assert.ok(!readerTakes(given(value)), `reader refuses ${key} ${JSON.stringify(value)}`);
        assert.ok(!schemaTakes(given(value)), `schema refuses ${key} ${JSON.stringify(value)}`);
      }
    }
  });

  test("a connection and a scope are checked as their connector says", () => {
    const odd = (change: (one: Open) => void) => changed((one) => change(SPOTS[0]?.at(one) as Open));
    for (const document of [
      odd((one) => {
        one["connection"] = { address: "x" };
      }),
      odd((one) => {
        one["connector"] = "memory";
      }),
      odd((one) => {
        one["connector"] = "oracle";
      }),
      odd((one) => {
        one["entitlements"] = { read: { max_duration: "1h", scope: { group: "x" } } };
      }),
    ])
      assert.ok(!schemaTakes(document) && !readerTakes(document), JSON.stringify(document["resources"]));
  });
});
