import assert from "node:assert/strict";
import { test } from "node:test";
import { principalByIdentity } from "../../../src/store/principals.ts";
import { scimOf, scimProvider } from "../../support/scim.ts";
import { assertRefused, Browser, declared, hostileCompany } from "../../support/signing-in.ts";

const SCIM = scimProvider().scim;

async function hostile(t: Parameters<typeof hostileCompany>[0], claim = "sub") {
  const it = await hostileCompany(t);
  if (SCIM === undefined) throw new Error("the provider has no SCIM");
  await it.provide(declared(it.provider.issuer, { scim: { ...SCIM, claim } }));
  return { ...it, ...scimOf(it) };
}

test("of whom SCIM says nothing, or that they have left, nobody is signed in, whatever the token says of them", async (t) => {
  const it = await hostile(t);
  const browser = new Browser(it.api);
  it.provider.claims = {
    sub: "ext-walter",
    preferred_username: "walter",
    email: "walter@company.example",
    groups: ["security"],
  };
  await assertRefused(it, browser, await browser.signIn(), "sign-in-refused", /has not told Tidegate of you/);
  const other = await it.user("jesse", { emails: [{ value: "walter@company.example" }], userName: "walter" });
  await assertRefused(it, browser, await browser.signIn(), "sign-in-refused", /has not told Tidegate of you/);
  const walter = await it.user("walter", { active: false });
  await assertRefused(it, browser, await browser.signIn(), "principal-deactivated", /says that you have left/);
  await it.patch(`/Users/${walter}`, { op: "replace", value: { active: true } });
  assert.equal((await browser.signIn()).status, 303);
  const me = JSON.parse((await browser.ask("/v1/me")).text);
  assert.deepEqual([me.handle, me.groups], ["walter-2", []], "groups are what SCIM says, and not the token");
  await it.scim("DELETE", `/Users/${walter}`);
  const again = new Browser(it.api);
  const page = await again.signIn();
  assert.match(page.text, /has not told Tidegate of you/);
  assert.equal((await it.scim("GET", `/Users/${other}`)).body.active, true);
});

test("whom another claim names is linked by that claim alone, and a token without it signs nobody in", async (t) => {
  const it = await hostile(t, "oid");
  const browser = new Browser(it.api);
  it.provider.claims = { sub: "ext-walter", groups: [] };
  await it.user("walter");
  await assertRefused(it, browser, await browser.signIn(), "sign-in-refused", /claim oid/);
  it.provider.claims = { sub: "pairwise", oid: "ext-walter" };
  assert.equal((await browser.signIn()).status, 303);
  assert.equal(JSON.parse((await browser.ask("/v1/me")).text).handle, "walter");
});

test("who signed in before there was SCIM with another claim is one person afterwards: what the former one had ends", async (t) => {
  const it = await hostile(t, "oid");
  if (SCIM === undefined) throw new Error("the provider has no SCIM");
  await it.provide(declared(it.provider.issuer));
  it.provider.claims = { sub: "pairwise", oid: "ext-walter", preferred_username: "walter", groups: [] };
  const [before, after] = [new Browser(it.api), new Browser(it.api)];
  assert.equal((await before.signIn()).status, 303);
  const former = JSON.parse((await before.ask("/v1/me")).text);
  await it.provide(declared(it.provider.issuer, { scim: { ...SCIM, claim: "oid" } }));
  await it.user("walter");
  assert.equal((await after.signIn()).status, 303);
  const now = JSON.parse((await after.ask("/v1/me")).text);
  assert.notEqual(now.id, former.id);
  assert.equal((await before.ask("/v1/me")).status, 401);
  const known = await principalByIdentity(it.world.store.db, it.provider.issuer, "pairwise");
  assert.equal(known?.id, now.id, "a signal about the subject is about them");
});

test("who signed in before there was SCIM stays who they were where the subject is the link", async (t) => {
  const it = await hostile(t);
  if (SCIM === undefined) throw new Error("the provider has no SCIM");
  await it.provide(declared(it.provider.issuer));
  it.provider.claims = { sub: "ext-walter", preferred_username: "heisenberg", groups: ["cooks"] };
  const browser = new Browser(it.api);
  assert.equal((await browser.signIn()).status, 303);
  const { id } = JSON.parse((await browser.ask("/v1/me")).text);
  await it.provide(declared(it.provider.issuer, { scim: SCIM }));
  await it.user("walter");
  const me = JSON.parse((await browser.ask("/v1/me")).text);
  assert.deepEqual([me.id, me.handle, me.groups], [id, "heisenberg", []]);
});
