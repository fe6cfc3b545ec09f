import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Configuration, DeclaredPrincipal } from "./configuration.ts";
import { type Entitlement, entitlementRef } from "./entitlement.ts";
import { approve, deny, HOUR } from "./evaluate-fixture.ts";
import type { Resource } from "./resource.ts";
import { wideningsOf } from "./widening.ts";

const person = (handle: string, more: Partial<DeclaredPrincipal> = {}): DeclaredPrincipal => ({
  ...{ handle, kind: "user", name: handle, email: null, type: "employee", groups: [], roles: ["member"], tokens: [] },
  ...{ onCallTier: 0, active: true },
  ...more,
});
const entitlement = (more: Partial<Entitlement> = {}): Entitlement => ({
  ...{ ref: entitlementRef("db", "read"), resource: "db", name: "read", title: "Read", risk: "medium" },
  ...{ maxDurationMs: HOUR, scope: {}, scopeHash: "a", narrower: [], describe: [] },
  ...more,
});
const resource = (more: Partial<Resource> = {}): Resource => ({
  ...{ name: "db", connector: "memory", title: "DB", labels: {}, owners: ["user:bob"], connection: {} },
  entitlements: { read: entitlement() },
  ...more,
});
const BASE: Configuration = {
  version: 1,
  resources: { db: resource() },
  policies: [
    deny("no-trainees", '"trainees" in user.groups'),
    approve("one", '"payments" in user.groups'),
    approve("two", null),
  ],
  tests: [],
  principals: [person("alice", { groups: ["payments", "trainees"], roles: ["member", "auditor"] }), person("bob")],
  config: { approval: { count: 2 } },
  defaults: { requestExpiresAfterMs: HOUR, activateWithinMs: HOUR },
};
const [first, ...others] = BASE.principals as [DeclaredPrincipal, ...DeclaredPrincipal[]];
const alice = (more: Partial<DeclaredPrincipal>): Configuration => ({
  ...BASE,
  principals: [{ ...first, ...more }, ...others],
});
const db = (more: Partial<Resource>): Configuration => ({ ...BASE, resources: { db: resource(more) } });
const read = (more: Partial<Entitlement>): Configuration => db({ entitlements: { read: entitlement(more) } });
const [noTrainees, one, two] = BASE.policies as [never, never, never];

describe("a change of the configuration", () => {
  const WIDER: Record<string, Configuration> = {
    "a rule more": { ...BASE, policies: [...BASE.policies, approve("three", null)] },
    "a rule that is another": { ...BASE, policies: [noTrainees, approve("one", "true"), two] },
    "a rule less, which leaves its requests to the next": { ...BASE, policies: [noTrainees, two] },
    "rules in another order": { ...BASE, policies: [noTrainees, two, one] },
    "a deny rule less": { ...BASE, policies: [one, two] },
    "a resource more": { ...BASE, resources: { ...BASE.resources, logs: resource({ name: "logs" }) } },
    "another owner": db({ owners: ["user:alice"] }),
    "another label": db({ labels: { team: "x" } }),
    "another connection": db({ connection: { directory: "x" } }),
    "an entitlement more": db({ entitlements: { read: entitlement(), fix: entitlement({ name: "fix" }) } }),
    "another scope": read({ scopeHash: "b" }),
    "another risk": read({ risk: "low" }),
    "a longer time": read({ maxDurationMs: 2 * HOUR }),
    "somebody new": { ...BASE, principals: [...BASE.principals, person("eve")] },
    "somebody who joins a group": alice({ groups: [...first.groups, "leads"] }),
    "somebody who leaves a group that a deny rule names": alice({ groups: ["payments"] }),
    "somebody with another role": alice({ roles: ["member", "auditor", "admin"] }),
    "somebody with another token": alice({ tokens: [{ name: "x", hash: "sha256:x", expires: null }] }),
    "somebody of another type": alice({ type: "contractor" }),
    "somebody on call": alice({ onCallTier: 1 }),
    "somebody with another manager": alice({ manager: "bob" }),
    "fewer who must confirm": { ...BASE, config: { approval: { count: 1 } } },
    "nobody who must confirm": { ...BASE, config: {} },
    "evidence that is destroyed at all": { ...BASE, audit: { sinks: {}, retention: { entriesMs: 90 * 24 * HOUR } } },
    "another source of facts": { ...BASE, facts: {} as NonNullable<Configuration["facts"]> },
  };
  for (const [what, after] of Object.entries(WIDER))
    test(`waits: ${what}`, () => assert.equal(wideningsOf(BASE, after).length > 0, true));

  const NARROWER: Record<string, Configuration> = {
    nothing: structuredClone(BASE),
    "a deny rule more": { ...BASE, policies: [...BASE.policies, deny("never", "true")] },
    "a deny rule that stands elsewhere": { ...BASE, policies: [one, noTrainees, two] },
    "a resource less": { ...BASE, resources: {} },
    "an entitlement less": db({ entitlements: {} }),
    "a shorter time": read({ maxDurationMs: HOUR / 2 }),
    "other titles, and what is done about drift": db({ title: "Database", drift: "repair" }),
    "somebody who is gone": { ...BASE, principals: others },
    "somebody who is not active": alice({ active: false }),
    "somebody who leaves a group": alice({ groups: ["trainees"] }),
    "somebody with a role less": alice({ roles: ["member"] }),
    "more who must confirm": { ...BASE, config: { approval: { count: 3 } } },
    "how long things wait": { ...BASE, defaults: { requestExpiresAfterMs: 2 * HOUR, activateWithinMs: HOUR } },
  };
  test("evidence that is destroyed sooner waits, what is kept for longer does not", () => {
    const kept = (days: number): Configuration => ({
      ...BASE,
      audit: { sinks: {}, retention: { entriesMs: days * 24 * HOUR } },
    });
    assert.match(wideningsOf(kept(400), kept(399)).join(), /evidence is destroyed.*after 399d, not after 400d/);
    assert.deepEqual(wideningsOf(kept(400), kept(401)), []);
    assert.deepEqual(wideningsOf(kept(400), BASE), []);
  });

  test("a demand on who acts that is more takes away; one that is less, or gone, gives", () => {
    const demanding = (maxAgeMs: number): Configuration => ({
      ...BASE,
      policies: [noTrainees, { ...(one as object), authentication: { request: { maxAgeMs } } } as never, two],
    });
    assert.deepEqual(wideningsOf(BASE, demanding(HOUR)), []);
    assert.deepEqual(wideningsOf(demanding(HOUR), demanding(HOUR / 2)), []);
    for (const [before, after] of [
      [demanding(HOUR), BASE],
      [demanding(HOUR / 2), demanding(HOUR)],
    ] as const)
      assert.deepEqual(wideningsOf(before, after), ["rule one is another"]);
  });

  for (const [what, after] of Object.entries(NARROWER))
    test(`is active at once: ${what}`, () => assert.deepEqual(wideningsOf(BASE, after), []));

  test("says each thing that may widen access in a sentence", () => {
    const after = {
      ...alice({ groups: [...first.groups, "leads"] }),
      policies: [noTrainees, approve("one", "true"), two],
    };
    assert.deepEqual(wideningsOf(BASE, after), ["rule one is another", "alice joins leads"]);
  });
});
