import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Configuration, DeclaredPrincipal } from "./configuration.ts";
import { diffConfigurations } from "./configuration-diff.ts";
import { type Entitlement, entitlementRef } from "./entitlement.ts";
import { approve, deny, HOUR } from "./evaluate-fixture.ts";
import type { Rule } from "./policy.ts";

const entitlement = (name: string, more: Partial<Entitlement> = {}): Entitlement => ({
  ref: entitlementRef("orders-db", name),
  resource: "orders-db",
  name,
  title: `Title of ${name}`,
  risk: "medium",
  maxDurationMs: 8 * HOUR,
  scope: {},
  scopeHash: name,
  narrower: [],
  describe: [`may ${name}`],
  ...more,
});
const person = (handle: string, more: Partial<DeclaredPrincipal> = {}): DeclaredPrincipal => ({
  ...{ handle, kind: "user", name: handle, email: null, type: "", groups: [], roles: ["member"], onCallTier: 0 },
  ...{ active: true, tokens: [] },
  ...more,
});
const PAYMENTS = '"payments" in user.groups';
const byOwners = { approve: [{ by: ["owners"], count: 1 }] } as const;

type Given = {
  entitlements?: readonly Entitlement[];
  policies?: readonly Rule[];
  principals?: readonly DeclaredPrincipal[];
  more?: Partial<Configuration>;
  resource?: Partial<Configuration["resources"][string]>;
};
const configuration = ({ entitlements, policies, principals, more, resource }: Given = {}): Configuration => ({
  version: 1,
  resources: {
    "orders-db": {
      ...{ name: "orders-db", connector: "postgres", title: "Orders", labels: { team: "payments" } },
      ...{ owners: ["group:leads"], connection: { url: "a" } },
      entitlements: Object.fromEntries((entitlements ?? [entitlement("read")]).map((one) => [one.name, one])),
      ...resource,
    },
  },
  policies: policies ?? [approve("engineers", PAYMENTS, byOwners)],
  tests: [],
  principals: principals ?? [],
  defaults: { requestExpiresAfterMs: 24 * HOUR, activateWithinMs: HOUR },
  ...more,
});
const diff = (before: Given, after: Given): string[] =>
  diffConfigurations(configuration(before), configuration(after)).flatMap(({ what, details }) => [
    what,
    ...details.map((line) => `  ${line}`),
  ]);
const access = (before: Given, after: Given): string[] =>
  diffConfigurations(configuration(before), configuration(after))
    .filter((one) => one.about === "access")
    .map((one) => one.what);

describe("what differs between two configurations", () => {
  test("a bundle that comes, goes, or holds something else", () => {
    const kit = (...names: string[]) => ({
      more: {
        bundles: {
          kit: { name: "kit", title: "Kit", entitlements: names.map((name) => entitlementRef("orders-db", name)) },
        },
      },
    });
    assert.deepEqual(diff({}, kit("read")), ["the bundle kit was added", "  + orders-db:read"]);
    assert.deepEqual(diff(kit("read"), {}), ["the bundle kit was removed", "  - orders-db:read"]);
    assert.deepEqual(diff(kit("read"), kit("fix")), [
      "the bundle kit changed",
      "  - orders-db:read",
      "  + orders-db:fix",
    ]);
    assert.deepEqual(diff(kit("read"), kit("read")), []);
  });

  test("nothing, where they are the same", () => assert.deepEqual(diff({}, {}), []));

  test("resources and entitlements: added, removed, and what an approver would read", () => {
    const fix = entitlement("fix", { risk: "high" });
    assert.deepEqual(diff({}, { entitlements: [entitlement("read"), fix] }), [
      "payments gains orders-db:fix through rule engineers, approved by 1 of owners",
      "orders-db:fix was added: Title of fix (high risk, at most 8h)",
      "  + may fix",
    ]);
    assert.deepEqual(diff({ entitlements: [entitlement("read"), fix] }, {}), [
      "payments loses orders-db:fix, which rule engineers gave",
      "orders-db:fix was removed: nobody can ask for it any more; live grants go on until their end",
      "  - may fix",
    ]);
    const wider = entitlement("read", { scopeHash: "x", describe: ["may read", "may write"], maxDurationMs: HOUR });
    assert.deepEqual(diff({}, { entitlements: [wider] }), [
      "orders-db:read has another scope: live grants keep the old one",
      "  - at most: 8h",
      "  + at most: 1h",
      "  + may write",
    ]);
    assert.deepEqual(diff({}, { entitlements: [entitlement("read", { scopeHash: "x" })] }), [
      "orders-db:read has another scope: live grants keep the old one",
      "    the scope differs in what its description does not show",
    ]);
    assert.deepEqual(diff({}, { more: { resources: {} } }), [
      "payments loses orders-db:read, which rule engineers gave",
      "orders-db was removed",
      "orders-db:read was removed: nobody can ask for it any more; live grants go on until their end",
      "  - may read",
    ]);
  });

  test("S24 of a connection only what is another is named, never how it is written", () => {
    const said = diff({}, { resource: { connection: { url: "s3cret" }, owners: [], labels: { team: "x" } } });
    assert.deepEqual(said, [
      "orders-db changed",
      "  - owners: group:leads",
      "  + owners: none",
      "  - label team=payments",
      "  + label team=x",
      "    connection.url is another",
    ]);
  });

  test("rules: added, removed, changed, and as few moved as explain the new order", () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => approve(name, `user.type == "${name}"`));
    assert.ok(a && b && c);
    const stricter = { ...b, ticketRequired: true, maxDurationMs: HOUR, reasonMinLength: 10 };
    assert.deepEqual(diff({ policies: [a, b, c] }, { policies: [c, a, b] }), ["rule c moved: it stands first now"]);
    assert.deepEqual(diff({ policies: [a, b] }, { policies: [a, stricter, deny("d", "user.type == 'x'")] }), [
      "rule b changed",
      "  + for at most 1h",
      "  + wants a ticket",
      "  + wants a reason of at least 10 characters",
      "rule d was added, after b",
      "  + denies when user.type == 'x'",
    ]);
    assert.deepEqual(diff({ policies: [a, b] }, { policies: [b] }), [
      "rule a was removed",
      '  - applies when user.type == "a"',
      "  - approved automatically",
    ]);
  });

  test("people: added, removed, groups, roles, tokens, active", () => {
    const token = (hash: string) => ({ name: "laptop", hash, expires: null });
    const alice = person("alice", { groups: ["payments"], tokens: [token("1")] });
    assert.deepEqual(
      diff(
        { principals: [alice, person("bob"), person("erin")] },
        {
          principals: [
            { ...alice, groups: ["security"], roles: ["member", "admin"], tokens: [token("2")], email: "a@b" },
            person("dave", { groups: ["payments"], type: "contractor" }),
            person("erin", { active: false }),
          ],
        },
      ),
      [
        "alice joins security; leaves payments; gains the role admin",
        "  - in the group payments",
        "  + in the group security",
        "  + has the role admin",
        "    the e-mail address is another",
        "    token laptop is another",
        "bob was removed: all their access ends",
        "dave was added",
        "  + type: contractor",
        "  + in the group payments",
        "erin is no longer active: all their access ends",
        "  + not active",
      ],
    );
  });

  test("tests and defaults", () => {
    const one = { name: "t" } as Configuration["tests"][number];
    const defaults = { requestExpiresAfterMs: HOUR, activateWithinMs: HOUR };
    assert.deepEqual(diff({}, { more: { tests: [one], defaults } }), [
      'test "t" was added',
      "the defaults changed",
      "  - a request that nobody decides ends after: 1d",
      "  + a request that nobody decides ends after: 1h",
    ]);
  });
});

describe("who gains and loses what, where it is certain", () => {
  const on = (...policies: Rule[]): Given => ({ policies });
  const engineers = approve("engineers", PAYMENTS);
  const security = approve("security", '"security" in user.groups && resource.labels.team == "payments"');

  test("a rule for a group gives, and no longer gives", () => {
    assert.deepEqual(access(on(engineers), on(engineers, security)), [
      "security gains orders-db:read through rule security, approved automatically",
    ]);
    assert.deepEqual(access(on(engineers, security), on(security)), [
      "payments loses orders-db:read, which rule engineers gave",
    ]);
    assert.deepEqual(access(on(engineers), on(approve("all", null))), [
      "everybody gains orders-db:read through rule all, approved automatically",
    ]);
    assert.deepEqual(access(on(approve("all", null)), on(engineers)), [
      "orders-db:read is no longer for everybody, as rule all had it",
    ]);
  });

  test("a label or a deny rule that decides for all gives and takes as well", () => {
    assert.deepEqual(access({ ...on(security), resource: { labels: { team: "x" } } }, on(security)), [
      "security gains orders-db:read through rule security, approved automatically",
    ]);
    assert.deepEqual(access(on(engineers), on(engineers, deny("no", 'entitlement.risk == "medium"'))), [
      "payments loses orders-db:read, which rule engineers gave",
    ]);
  });

  test("nothing is said where another rule might have given it already, or the condition asks for more", () => {
    assert.deepEqual(access(on(approve("t", 'user.type == "employee"')), on(engineers)), []);
    assert.deepEqual(access(on(), on(approve("e", `${PAYMENTS} && oncall.tier == 1`))), []);
    assert.deepEqual(access(on(), on(approve("e", `${PAYMENTS} || user.type == "x"`))), []);
    assert.deepEqual(access(on(engineers), on({ ...engineers, ...byOwners })), []);
  });
});

test("the order of keys is no change: the store keeps none", () => {
  const one = {
    name: "a lead is needed",
    given: {
      user: { name: "alice", type: "", groups: ["payments"], email: "" },
      ...{ oncallTier: 0, entitlement: "orders-db:read", durationMs: HOUR, ticket: "", reason: "", now: null },
    },
    expect: { decision: "needs-approval", rule: "engineers" },
  } as const;
  const { name, expect } = one;
  const { now, ...given } = one.given;
  const shuffled = { expect: { rule: expect.rule, decision: expect.decision }, given: { now, ...given }, name };
  const changes = (tests: Configuration["tests"]) =>
    diffConfigurations(configuration({ more: { tests: [one] } }), configuration({ more: { tests } }));
  assert.deepEqual(changes([shuffled]), []);
  assert.equal(changes([{ ...shuffled, name: "another" }]).length, 2);
});
