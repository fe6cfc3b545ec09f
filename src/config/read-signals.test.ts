/** Who may send signals, and which jobs are services: what is read, and what is a mistake. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { diffConfigurations } from "../domain/configuration-diff.ts";
import { wideningsOf } from "../domain/widening.ts";
import { fakeConnectors } from "./fake-connector.ts";
import { loadConfiguration } from "./load-configuration.ts";

const GOOD = `version: 1
resources: {}
policies: []
identity:
  url: https://tidegate.example.com
  providers:
    okta: { issuer: "https://example.okta.com", client_id: 0oa1 }
  signals:
    okta: { provider: okta }
    hub: { provider: okta, issuer: "https://hub.example/x", jwks_uri: "https://hub.example/keys", audience: us, ends: sessions }
principals:
  deployer:
    kind: service
    workloads:
      - { issuer: "https://ci.example", audience: us, claims: { repository: acme/deploy, ref: [a, b] } }
      - { issuer: "https://ci.example", audience: us, claims: { id: "7" }, lifetime: 1h }
`;
const load = (text: string) => loadConfiguration({ path: "tidegate.yaml", text, connectors: fakeConnectors, env: {} });
const loaded = (text: string) => {
  const found = load(text);
  assert.ok(found.ok, JSON.stringify(found));
  return found.configuration;
};

test("a transmitter has the issuer of its provider and the address that it pushes to, and ends access, where the file does not say", () => {
  assert.deepEqual(loaded(GOOD).identity?.signals, [
    {
      ...{ name: "okta", provider: "okta", issuer: "https://example.okta.com", jwksUri: null },
      ...{ audience: "https://tidegate.example.com/signals/okta", ends: "access" },
    },
    {
      ...{ name: "hub", provider: "okta", issuer: "https://hub.example/x", jwksUri: "https://hub.example/keys" },
      ...{ audience: "us", ends: "sessions" },
    },
  ]);
});

test("a service has its jobs, by all of their claims", () => {
  assert.deepEqual(loaded(GOOD).principals[0]?.workloads, [
    {
      ...{ issuer: "https://ci.example", audience: "us", lifetimeMs: 900_000 },
      claims: { repository: ["acme/deploy"], ref: ["a", "b"] },
    },
    { issuer: "https://ci.example", audience: "us", lifetimeMs: 3_600_000, claims: { id: ["7"] } },
  ]);
});

test("another transmitter and another job may widen access, and a diff says what they are", () => {
  const [before, after] = [
    loaded(GOOD),
    loaded(GOOD.replace("ref: [a, b]", "ref: c").replace("sessions }", "access }")),
  ];
  assert.deepEqual(wideningsOf(before, after).length, 2);
  const details = diffConfigurations(before, after)
    .flatMap((change) => change.details)
    .join("\n");
  assert.match(details, /"ref":\["c"\]/);
  assert.match(details, /signals of hub about okta: .* end access/);
});

test("mistakes are told at their place", () => {
  const cases: [from: string, to: string, says: RegExp][] = [
    ["okta: { provider: okta }", "okta: { provider: oktaa }", /did you mean okta/],
    ["okta: { provider: okta }", "okta: {}", /provider is missing/],
    ["https://hub.example/keys", "http://hub.example/keys", /jwks_uri must be https/],
    ["https://hub.example/x", "hub", /issuer is not an https:\/\/ address/],
    ["ends: sessions", "ends: nothing", /not one of access, sessions/],
    ["kind: service", "kind: user", /deployer is a person, and jobs are services/],
    [', claims: { id: "7" }', "", /claims is missing; which jobs/],
    ['claims: { id: "7" }', "claims: {}", /claims names none/],
    ['claims: { id: "7" }', "claims: { id: [] }", /takes no value/],
    ['claims: { id: "7" }', "claims: { id: 7 }", /must be a text/],
    ["lifetime: 1h", "lifetime: 2h", /must be from 1m to 1h/],
  ];
  for (const [from, to, says] of cases) {
    assert.equal(GOOD.split(from).length, 2, `"${from}" must be there exactly once`);
    const found = load(GOOD.replace(from, () => to));
    assert.ok(!found.ok, `${to} is accepted`);
    assert.match(found.mistakes.map(({ what, hint }) => `${what}; ${hint}`).join("\n"), says);
  }
});

test("a diff tells nothing of the order in which the store has the keys", () => {
  const now = loaded(GOOD);
  const stored = JSON.parse(JSON.stringify(now), (_key, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).reverse())
      : value,
  );
  assert.deepEqual(diffConfigurations(stored, now), []);
});
