import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { diffConfigurations } from "../domain/configuration-diff.ts";
import { wideningsOf } from "../domain/widening.ts";
import { configurationIn, loadText } from "./load-fixture.ts";

const REFERENCE = `\${env:OIDC_SECRET}`;
const BARE = "version: 1\nresources: {}\npolicies: []\n";
const GOOD = `${BARE}identity:
  url: https://tidegate.example.com
  providers:
    okta:
      issuer: https://example.okta.com
      client_id: 0oa1
      client_secret: ${REFERENCE}
      scopes: [openid, groups]
      claims: { groups: groups }
      groups: { "Payments Engineers": payments }
  sessions: { idle: 1h, longest: 12h }
principals:
  alice:
    identities: [{ provider: okta, subject: 00u1 }]
`;
const SECRET = "a secret that nobody may see";
const ENV = { OIDC_SECRET: SECRET };
const load = (text: string, env: Record<string, string> = ENV) => loadText(text, env);
const loaded = (text: string) => configurationIn(text, ENV);

test("a provider keeps its secret as a reference, and has what is left out", () => {
  assert.deepEqual(loaded(GOOD).identity, {
    url: "https://tidegate.example.com",
    providers: [
      {
        name: "okta",
        title: "okta",
        issuer: "https://example.okta.com",
        clientId: "0oa1",
        settings: { clientSecret: REFERENCE },
        scopes: ["openid", "groups"],
        claims: {
          handle: "preferred_username",
          name: "name",
          email: "email",
          groups: "groups",
          type: null,
          manager: null,
        },
        groups: { "Payments Engineers": "payments" },
      },
    ],
    sessions: { idleMs: 3_600_000, longestMs: 43_200_000 },
  });
});

test("SCIM keeps its tokens as references, and links by the subject where no other claim is named", () => {
  const token = `\${env:SCIM_TOKEN}`;
  const withScim = (lines: string) => GOOD.replace("      claims:", `      scim: ${lines}\n      claims:`);
  const scimOf = (text: string) => loaded(text).identity?.providers[0]?.scim;
  assert.deepEqual(scimOf(withScim(`{ tokens: ["${token}"] }`)), { settings: { tokens: [token] }, claim: "sub" });
  assert.equal(scimOf(withScim(`{ tokens: ["${token}"], claim: oid }`))?.claim, "oid");
  const found = load(withScim(`{ tokens: ["${token}"] }`), { OIDC_SECRET: SECRET, SCIM_TOKEN: "short" });
  assert.ok(!found.ok && !JSON.stringify(found.mistakes).includes('"short"'));
  assert.match(JSON.stringify(found.mistakes), /32 characters or more/);
  for (const [lines, says] of [
    ["{ claim: oid }", /scim\.tokens is missing/],
    ["{ tokens: [] }", /must be one or two/],
    [`{ tokens: ["${SECRET}"] }`, /holds a secret in the clear/],
    [`{ tokens: ["${token}"], clam: oid }`, /clam is not known here/],
  ] as const) {
    const wrong = load(withScim(lines));
    assert.ok(!wrong.ok, lines);
    assert.match(JSON.stringify(wrong.mistakes), says);
    assert.ok(!JSON.stringify(wrong.mistakes).includes(SECRET));
  }
  const details = diffConfigurations(loaded(GOOD), loaded(withScim(`{ tokens: ["${token}"] }`)));
  assert.match(JSON.stringify(details), /okta: SCIM with \$\{env:SCIM_TOKEN\}, as sub/);
});

test("a configuration without providers is what it was before there were any", () => {
  assert.ok(!("identity" in loaded(BARE)));
});

test("another provider may widen access, and a diff says what it is", () => {
  assert.deepEqual(wideningsOf(loaded(BARE), loaded(GOOD)).sort(), ["alice is new", "identity changed"]);
  const [change] = diffConfigurations(loaded(GOOD), loaded(GOOD.replace("0oa1", "0oa2"))).filter(
    ({ about }) => about === "identity",
  );
  assert.deepEqual(change?.details, [
    "- okta: https://example.okta.com, as 0oa1",
    "+ okta: https://example.okta.com, as 0oa2",
  ]);
});

test("somebody who is another at a provider may have more", () => {
  assert.deepEqual(wideningsOf(loaded(GOOD), loaded(GOOD.replace("00u1", "00u2"))).length, 1);
});

describe("mistakes, each at its place and without the secret", () => {
  const more = (lines: string): string => `      client_id: 0oa1\n${lines}`;
  const cases: readonly [what: string, from: string, to: string, says: RegExp][] = [
    ["a secret in the clear", REFERENCE, SECRET, /client_secret holds a secret in the clear/],
    ["an issuer in the clear", "issuer: https:", "issuer: http:", /issuer must be https:\/\//],
    [
      "an issuer with a query",
      "okta.com\n      client",
      "okta.com/?a=1\n      client",
      /issuer has something after its path/,
    ],
    ["a url in the clear", "url: https:", "url: http:", /identity\.url must be https:\/\//],
    ["a url with a path", "tidegate.example.com", "example.com/tidegate", /identity\.url has a path/],
    ["no url", "  url: https://tidegate.example.com\n", "", /identity\.url is missing/],
    ["no issuer", "      issuer: https://example.okta.com\n", "", /okta\.issuer is missing/],
    ["no client", "      client_id: 0oa1\n", "", /okta\.client_id is missing/],
    ["scopes without openid", "[openid, groups]", "[groups]", /lacks openid/],
    ["a scope of two words", "[openid, groups]", '[openid, "a b"]', /is not a scope/],
    ["groups that nobody names", "      claims: { groups: groups }\n", "", /means nothing without claims\.groups/],
    ["a group that is none", "payments }", '" " }', /cannot name a group/],
    ["an unknown claim", "{ groups: groups }", "{ grups: groups }", /grups is not known here/],
    ["sessions without an end", "longest: 12h", "longest: 90d", /longest is not within its bounds/],
    ["an unknown key", more(""), more("      clientid: x\n"), /clientid is not known here/],
    ["somebody of a SCIM that there is not", "00u1 }", "00u1, scim: 00u1 }", /okta has no scim/],
    ["a provider that there is not", "provider: okta", "provider: okto", /there is no provider okto/],
    [
      "one subject of two people",
      "principals:\n",
      "principals:\n  bob:\n    identities: [{ provider: okta, subject: 00u1 }]\n",
      /alice is the same person at okta as bob/,
    ],
  ];
  for (const [what, from, to, says] of cases)
    test(what, () => {
      assert.ok(GOOD.includes(from), from);
      const found = load(GOOD.replace(from, to));
      assert.ok(!found.ok, what);
      assert.match(JSON.stringify(found.mistakes), says);
      assert.ok(!JSON.stringify(found.mistakes).includes(SECRET));
      for (const { line, column } of found.mistakes) assert.ok(line > 3 && column > 0, `${line}:${column}`);
    });
});

test("where a secret is not set, that is a warning and names it", () => {
  const found = load(GOOD, {});
  assert.ok(found.ok);
  assert.match(JSON.stringify(found.warnings), /client_secret was not checked: OIDC_SECRET is not set/);
});

test("two providers of one issuer are refused", () => {
  const twice = GOOD.replace(
    "  sessions:",
    "    other: { issuer: https://example.okta.com, client_id: x }\n  sessions:",
  );
  assert.match(JSON.stringify(load(twice)), /other has the issuer of another provider/);
});
