/** The table of mistakes: what is written wrongly, where the loader points, and what it says. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fakeConnectors } from "./fake-connector.ts";
import { loadConfiguration } from "./load-configuration.ts";
import { BY, type Case, DEMANDS } from "./mistakes-fixture.ts";

const HASH = `sha256:${"ab".repeat(32)}`;
const BASE = `version: 1
resources:
  orders-db:
    connector: fake
    title: Orders
    labels: { env: prod, team: payments, cost-center: "7" }
    owners: [group:leads]
    connection: { url: "\${env:URL}" }
    entitlements:
      read:
        risk: medium
        max_duration: 8h
        scope:
          database: orders
          grants:
            - { schema: public, tables: [orders], privileges: [SELECT] }
policies:
  - name: no-contractors
    deny: 'user.type == "contractor"'
  - name: engineers
    when: '"payments" in user.groups'
    approve: [{ by: [owners] }]
    max_duration: 2h
    ticket: required
    reason: { min_length: 15 }
principals:
  alice: { groups: [payments], tokens: [{ name: laptop, hash: "${HASH}" }] }
  bob: { groups: [leads], oncall_tier: 1 }
tests:
  - name: needs a lead
    given: { user: alice, entitlement: "orders-db:read", duration: 1h, ticket: OPS-1 }
    expect: { decision: needs-approval, rule: engineers }
defaults: { request_expires_after: 24h }
`;

const load = (text: string) =>
  loadConfiguration({
    path: "tidegate.yaml",
    text,
    connectors: fakeConnectors,
    env: { URL: "postgres://admin:s3cret@db/orders" },
  });

const WHEN = `when: '"payments" in user.groups'`;
const DENY = `deny: 'user.type == "contractor"'`;
const GRANT = "- { schema: public, tables: [orders], privileges: [SELECT] }";
const URL = `{ url: "\${env:URL}" }`;

const CASES: Record<string, Case[]> = {
  bundles: [
    [
      "an entitlement that does not exist",
      "policies:",
      'bundles: { kit: { entitlements: [»"orders-db:raed"] } }\npolicies:',
      /bundles\.kit\.entitlements\[0\]: there is no entitlement orders-db:raed/,
      /orders-db:read/,
    ],
    [
      "one named twice",
      "policies:",
      'bundles: { kit: { entitlements: ["orders-db:read", »"orders-db:read"] } }\npolicies:',
      /orders-db:read is named twice/,
      /once/,
    ],
    ["none at all", "policies:", "bundles: { kit: { »entitlements: [] } }\npolicies:", /1 to 20 entitlements/, /read/],
    ["no list", "policies:", "bundles: { »kit: {} }\npolicies:", /bundles\.kit\.entitlements is missing/, /list/],
  ],
  "YAML itself": [
    ["a tab that indents", "    title: Orders", "»\ttitle: Orders", /tab/, /spaces/],
    ["a key given twice", "    title: Orders", "    title: Orders\n    »title: Again", /title is given twice/],
    ["an anchor", "title: Orders", "title: &a »Orders", /anchor is not allowed/],
    ["an alias", "title: Orders", "title: »*a", /alias is not allowed/, /write the value out/],
    ["a merge key", "    title: Orders", "    »<<: { title: x }", /merge key/],
    ["a tag", "title: Orders", "title: !!str »Orders", /tag is not allowed/],
    ["two documents", "defaults: { request_expires_after: 24h }", "»---\nversion: 1", /several documents/],
    ["a quote that is not closed", "title: Orders", "title: »'Orders", /quote is not closed/],
    ["a double quote that is not closed", "title: Orders", 'title: »"Orders', /quote is not closed/],
    ["a bracket that is not closed", "owners: [group:leads]", "owners: [group:leads", /indentation does not fit/],
    ["a list where a map belongs", "{ min_length: 15 }", "»[15]", /reason must be a map/],
  ],
  "unknown and missing keys": [
    ["include, which is not built yet", "defaults:", "»include: [tidegate.yaml]\ndefaults:", /include: not built yet/],
    ["a misspelt key of the file", "defaults:", "»defautls:", /^defautls is not known here/, /did you mean defaults\?/],
    [
      "a misspelt key of a resource",
      "    owners:",
      "    »owner:",
      /^resources\.orders-db: owner is not known here/,
      /did you mean owners\?/,
    ],
    [
      "a misspelt key that is required",
      "max_duration: 8h",
      "»max_durration: 8h",
      /max_durration is not known here/,
      /max_duration/,
    ],
    [
      "a misspelt key of a rule",
      "    ticket: required",
      "    »tickt: required",
      /policies\[1\]: tickt is not known/,
      /ticket/,
    ],
    [
      "a resource without a connector",
      "  orders-db:\n    connector: fake",
      "  »orders-db:",
      /resources\.orders-db\.connector is missing/,
    ],
    [
      "a rule that neither denies nor approves",
      `- name: no-contractors\n    ${DENY}`,
      "- »name: idle",
      /neither denies nor approves/,
    ],
    ["a wrong version", "version: 1", "version: »2", /version must be 1/],
    ["no version", "version: 1\n", "»", /version is missing/, /version: 1/],
    ["a name with capitals", "  bob:", "  »Bob:", /"Bob" cannot name a person/, /lower-case/],
  ],
  "S23 entitlements": [
    ["no longest duration", "        max_duration: 8h\n", "", /max_duration is missing/, /every access ends/],
    ["a duration of null", "max_duration: 8h", "»max_duration:", /not null/],
    ["a duration of zero", "max_duration: 8h", "max_duration: »0s", /longer than zero/],
    ["a negative duration", "max_duration: 8h", 'max_duration: »"-1h"', /is not a duration/, /8h/],
    ["a duration without a unit", "max_duration: 8h", "max_duration: »8", /a duration is a text such as "1h", not 8/],
    ["a duration that is no number", "max_duration: 8h", "max_duration: ».nan", /a duration is a text/],
    ["a duration without an end", "max_duration: 8h", "max_duration: ».inf", /a duration is a text/],
    ["a duration of years", "max_duration: 8h", "max_duration: »999d", /at most 366 days/],
    [
      "an unknown risk",
      "risk: medium",
      "risk: »meduim",
      /meduim is not one of low, medium, high/,
      /did you mean medium\?/,
    ],
    [
      "an unknown connector",
      "connector: fake",
      "connector: »fakr",
      /there is no connector fakr/,
      /did you mean fake\?/,
    ],
    [
      "an unknown privilege",
      GRANT,
      "- { schema: public, tables: [orders], privileges: [»SELEKT] }",
      /grants\[0\]\.privileges\[0\]: .*SELECT/,
    ],
    [
      "an unknown key in a scope",
      GRANT,
      "- { schema: public, table: [orders], privileges: [SELECT] }".replace("table:", "»table:"),
      /grants\[0\]: table is not known here/,
      /did you mean tables\?/,
    ],
    [
      "a scope without its tables",
      GRANT,
      "- »{ schema: public, privileges: [SELECT] }",
      /grants\[0\]\.tables is missing/,
    ],
  ],
  "S23 conditions": [
    [
      "a misspelt field",
      WHEN,
      `when: '"payments" in user.»grups'`,
      /user\.grups: no such field/,
      /did you mean groups\?/,
    ],
    [
      "a label that no resource has",
      DENY,
      `deny: resource.labels.»tema == "x"`,
      /no resource has this label/,
      /did you mean team\?/,
    ],
    ["a wrong type", DENY, `deny: »oncall.tier == "1"`, /int == string/, /without quotes/],
    ["a text where a list belongs", WHEN, `when: '»"a" in user.name'`, /string in string/, /contains/],
    ["something that is not true or false", WHEN, "when: »user.name", /gives a string, not true or false/],
    ["a single equals sign", DENY, `deny: 'user.type »= "x"'`, /unexpected =/, /==/],
    ["a word for an operator", DENY, `deny: 'true »and true'`, /unexpected and/, /&&/],
    ["a condition that stops", DENY, `deny: 'true &&»'`, /ends too early/],
    [
      "an unknown method",
      DENY,
      "deny: request.ticket.»matchs('x')",
      /matchs\(\): no such method/,
      /did you mean matches\?/,
    ],
    ["a pattern with look-ahead", DENY, "deny: request.ticket.matches('»(?=x)')", /bounded time/],
    ["a pattern that is not written out", DENY, "deny: request.ticket.matches(»user.name)", /must be written out/],
    [
      "an unknown risk in a condition",
      DENY,
      `deny: 'entitlement.risk == »"hihg"'`,
      /is never "hihg"/,
      /did you mean high\?/,
    ],
    ["a duration that is none", DENY, `deny: 'request.duration > duration(»"2 hours")'`, /"2 hours" is not a duration/],
    ["has()", DENY, "deny: '»has(user.email)'", /has\(\) is not needed/],
    [
      "a mistake in a literal block",
      WHEN,
      `when: |\n      oncall.tier > 0\n        && user.»grups == []`,
      /user\.grups/,
    ],
    ["a mistake in a folded block", WHEN, `when: >-\n      oncall.tier > 0\n      && user.»grups == []`, /user\.grups/],
    ["a mistake after escapes", DENY, `deny: "user.type == \\"\\u00e4\\" && user.»grups == []"`, /user\.grups/],
    ["a mistake after a doubled quote", DENY, `deny: 'user.type == "it''s" && user.»grups == []'`, /user\.grups/],
    [
      "a mistake in a text over several lines",
      DENY,
      `deny: user.type == "a"\n      && user.»grups == []`,
      /user\.grups/,
    ],
    ["a condition that is no text", DENY, "deny: »true", /must be a condition in quotes/],
  ],
  rules: [
    [
      "two rules of one name",
      `no-contractors\n    ${DENY}\n  - name: engineers`,
      `engineers\n    ${DENY}\n  - name: »engineers`,
      /there is another rule engineers/,
    ],
    ["no steps", BY, "»[]", /has no steps/, /automatically/],
    ["a step without approvers", BY, "[{ by: »[] }]", /is empty: nobody could approve/],
    ["an approval that is not understood", BY, "»automatic", /automatic is not understood/, /automatically/],
    ["an approver that is no source", BY, "[{ by: [»leads] }]", /leads is not a source/, /group:NAME/],
    ["a manager who owns", "owners: [group:leads]", "owners: [»manager]", /a resource does not ask, and has none/],
    ["a count of none", BY, "[{ by: [owners], count: »0 }]", /whole number from 1 to 20/],
    ...DEMANDS,
    ["a ticket that is not required", "ticket: required", "ticket: »optional", /optional is not one of required/],
    ["a deny rule with a limit", DENY, `${DENY}\n    »max_duration: 1h`, /a rule that denies has only a condition/],
    ["owners who own", "owners: [group:leads]", "owners: [»owners]", /owners cannot own/],
    ["the same owner twice", "owners: [group:leads]", "owners: [group:leads, »group:leads]", /named twice/],
    [
      "a rule's duration of null",
      "max_duration: 2h",
      "»max_duration: ~".replace("»max_duration: ", "max_duration: »"),
      /not null/,
    ],
  ],
  "people and tests": [
    ["a token instead of its hash", `"${HASH}"`, `»tgt_${"x".repeat(43)}`, /holds a token itself/, /make another/],
    ["a hash that is too short", `"${HASH}"`, '»"sha256:abcd"', /is not a hash/],
    [
      "one token of two people",
      "  bob: {",
      `  bob: { tokens: [{ name: x, hash: »"${HASH}" }],`,
      /this is the token of alice/,
    ],
    ["an unknown role", "oncall_tier: 1", "roles: [»amdin]", /amdin is not one of/, /did you mean admin\?/],
    ["a group with its prefix", "groups: [leads]", "groups: [»group:leads]", /named without group:/, /write leads/],
    ["a tier that is no number", "oncall_tier: 1", 'oncall_tier: »"1"', /whole number from 0 to 9/],
    ["a time without a zone", `hash: "${HASH}"`, `hash: "${HASH}", expires: »2027-01-01`, /not a time with a zone/],
    [
      "S23 a test of an unknown entitlement",
      '"orders-db:read"',
      '»"orders-db:raed"',
      /there is no entitlement orders-db:raed/,
      /did you mean orders-db:read\?/,
    ],
    [
      "a test that expects an unknown rule",
      "rule: engineers",
      "rule: »engineer",
      /there is no rule engineer/,
      /did you mean engineers\?/,
    ],
    [
      "a test that expects an unknown decision",
      "decision: needs-approval",
      "decision: »approved",
      /approved is not one of automatic/,
    ],
    ["a test that asks for too long", "duration: 1h", "duration: »9h", /at most 8h/],
    [
      "a test of somebody unknown",
      "user: alice",
      "user: »alcie",
      /there is no alcie under principals/,
      /did you mean alice\?/,
    ],
  ],
  "S24 secrets": [
    [
      "a password in a URL",
      URL,
      '{ url: »"postgres://admin:hunter2secret@db/orders" }',
      /holds a secret in the clear/,
      /\$\{env:NAME\}/,
    ],
    [
      "a password under its own key",
      URL,
      `{ url: "\${env:URL}", password: »hunter2secret }`,
      /connection\.password holds a secret/,
    ],
    ["a password that is a number", URL, `{ url: "\${env:URL}", password: »1234 }`, /holds a secret/],
    ["a password as a setting", URL, '{ url: »"postgres://db/orders?password=hunter2secret" }', /holds a secret/],
    [
      "a password beside a reference",
      URL,
      `{ url: »"postgres://admin:hunter2secret\${env:URL}@db" }`,
      /holds a secret/,
    ],
    ["a private key", URL, `{ url: "\${env:URL}", ca: »"-----BEGIN PRIVATE KEY-----hunter2secret" }`, /holds a secret/],
    ["a reference that is none", URL, `{ url: "»\${ENV:URL}" }`, /this is not a reference/],
    ["a reference without a name", URL, `{ url: "x»\${env:}" }`, /this is not a reference/],
  ],
};

describe("mistakes in a configuration", () => {
  test("the file that they are made in is valid, and has nothing to warn of", () => {
    const loaded = load(BASE);
    assert.deepEqual(loaded.ok ? loaded.warnings : loaded.mistakes, []);
  });

  for (const [section, cases] of Object.entries(CASES)) {
    for (const [what, from, to, says, hint] of cases) {
      test(`${section}: ${what} is reported where it stands`, () => {
        assert.equal(BASE.split(from).length, 2, `"${from}" must be in the file exactly once`);
        const marked = BASE.replace(from, () => to);
        const at = marked.indexOf("»");
        const loaded = load(marked.replace("»", ""));
        assert.equal(loaded.ok, false);
        if (loaded.ok) return;
        const [mistake] = loaded.mistakes;
        assert.equal(loaded.mistakes.length, 1, JSON.stringify(loaded.mistakes, null, 1));
        assert.match(mistake?.what ?? "", says);
        if (hint !== undefined) assert.match(mistake?.hint ?? "", hint);
        assert.equal(mistake?.file, "tidegate.yaml");
        assert.ok(!JSON.stringify(loaded).includes("hunter2"), "a secret was repeated");
        if (at === -1) return;
        const before = marked.slice(0, at).split("\n");
        assert.equal(
          `${mistake?.line}:${mistake?.column}`,
          `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`,
          mistake?.what,
        );
      });
    }
  }

  test("there are at least forty of them", () => {
    assert.ok(Object.values(CASES).flat().length >= 40);
  });

  test("S23 everything that is no YAML is reported at once, and nothing that only follows from it", () => {
    const text = BASE.replace("    title: Orders", "\ttitle: Orders")
      .replace("    connector: fake", "\tconnector: fake")
      .replace("ticket: required", "ticket: @required")
      .replace("min_length: 15", "min_length: fif: teen, min_length: 15")
      .replace("  bob: {", "  bob: { hint: *b,")
      .replace("name: needs a lead", "name: 'needs a lead")
      .replace("request_expires_after: 24h", "request_expires_after: 24h, request_expires_after: 25h");
    const loaded = load(text);
    assert.ok(!loaded.ok);
    assert.deepEqual(
      loaded.mistakes.map(({ line, column, what }) => `${line}:${column} ${what}`),
      [
        "4:1 a tab cannot indent YAML",
        "5:1 a tab cannot indent YAML",
        "24:13 a text cannot begin with this character",
        "25:27 a map begins where a value ends",
        "28:16 an alias is not allowed",
        "30:11 this quote is not closed",
        "33:41 request_expires_after is given twice",
      ],
    );
  });

  test("all mistakes of a file are reported at once, in the order of the file", () => {
    const text = BASE.replace("risk: medium", "risk: huge")
      .replace("max_duration: 2h", "max_duration: 0s")
      .replace("user.groups", "user.grups")
      .replace("oncall_tier: 1", "oncall: 1");
    const loaded = load(text);
    assert.ok(!loaded.ok);
    assert.deepEqual(
      loaded.mistakes.map((mistake) => mistake.line),
      [11, 21, 23, 28],
    );
  });
});
