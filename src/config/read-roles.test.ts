/** Roles by group, and tokens that are narrowed: what is read, and what is a mistake. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeConnectors } from "./fake-connector.ts";
import { loadConfiguration } from "./load-configuration.ts";

const HASH = `sha256:${"ab".repeat(32)}`;
const GOOD = `version: 1
resources: {}
policies: []
roles:
  auditor: [security]
  admin: [Platform Admins, owners]
principals:
  deployer:
    kind: service
    tokens: [{ name: ci, hash: "${HASH}", scopes: [requests:read, requests:write] }]
    workloads: [{ issuer: "https://ci.example", audience: us, claims: { id: "7" }, scopes: [access] }]
`;
const load = (text: string) => loadConfiguration({ path: "tidegate.yaml", text, connectors: fakeConnectors, env: {} });
const wrong = (from: string, to: string): string => {
  const found = load(GOOD.replace(from, to));
  assert.ok(!found.ok, to);
  return found.mistakes.map(({ line, what }) => `${line}: ${what}`).join("; ");
};

test("groups have roles, and tokens scopes, as the file says; what it leaves out is none", () => {
  const found = load(GOOD);
  assert.ok(found.ok, JSON.stringify(found));
  const { roles, principals } = found.configuration;
  assert.deepEqual(roles, { auditor: ["security"], admin: ["Platform Admins", "owners"] });
  assert.deepEqual(principals[0]?.tokens[0]?.scopes, ["requests:read", "requests:write"]);
  assert.deepEqual(principals[0]?.workloads?.[0]?.scopes, ["access"]);
});

test("a role, a group or a scope that there is not is a mistake at its place", () => {
  assert.match(wrong("auditor: [security]", "auditors: [security]"), /^5: .*auditors/);
  assert.match(wrong("[security]", "[group:security]"), /^5: .*a group is named without group: here/);
  assert.match(wrong("[security]", "[security, security]"), /^5: .*named twice/);
  assert.match(wrong("auditor: [security]", "member: [security]"), /^5: .*member/);
  assert.match(wrong("scopes: [requests:read, requests:write]", "scopes: [everything]"), /^10: .*everything/);
  assert.match(wrong("scopes: [requests:read, requests:write]", "scopes: []"), /^10: .*names none/);
  assert.match(wrong("scopes: [access]", "scopes: [acess]"), /^11: .*acess/);
});
