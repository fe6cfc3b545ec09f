/** Roles that come with a group and go with it, from the next call on, also in sessions that live. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Configuration } from "../../src/domain/configuration.ts";
import { realProvider } from "../support/identity-provider.ts";
import { scimOf, scimProvider } from "../support/scim.ts";
import { Browser, callback, company, declared, hostileCompany } from "../support/signing-in.ts";

const ROLES: Configuration["roles"] = { auditor: ["security"], operator: ["sre"], admin: ["platform"] };

type Me = { readonly roles: readonly string[] };
const rolesIn = async (browser: Browser): Promise<readonly string[]> =>
  (JSON.parse((await browser.ask("/v1/me")).text) as Me).roles;

test("by a claim: a role comes with the sign-in that says the group, and goes with the next, everywhere", async (t) => {
  const it = await hostileCompany(t);
  await it.configure((before) => ({ ...before, roles: ROLES }));
  it.provider.claims = { preferred_username: "mallory", groups: ["security", "sre"] };
  const [desk, phone] = [new Browser(it.api), new Browser(it.api)];
  await desk.signIn();
  assert.deepEqual(await rolesIn(desk), ["member", "auditor", "operator"]);
  assert.equal((await desk.ask("/v1/audit")).status, 200);
  it.provider.claims = { preferred_username: "mallory", groups: ["sre"] };
  await phone.signIn();
  assert.deepEqual(await rolesIn(desk), ["member", "operator"], "the session of before has it no more");
  assert.equal((await desk.ask("/v1/audit")).status, 403);
  const changed = (await it.world.entries()).findLast(({ leaf }) => leaf.kind === "principal.changed")?.leaf;
  assert.deepEqual(changed?.data["roles"], ["member", "operator"]);
});

test("another configuration gives and takes roles of people who are signed in, and a group of the file counts as any", async (t) => {
  const it = await hostileCompany(t);
  it.provider.claims = { preferred_username: "mallory", groups: ["security"] };
  const browser = new Browser(it.api);
  await browser.signIn();
  assert.deepEqual(await rolesIn(browser), ["member"]);
  const carol = async () => (await it.api.get("carol", "/v1/me")).body.roles;
  assert.deepEqual(await carol(), ["member"]);
  await it.configure((before) => ({ ...before, roles: ROLES }));
  assert.deepEqual(await rolesIn(browser), ["member", "auditor"]);
  assert.deepEqual(await carol(), ["member", "auditor"], "carol is in security by the file");
  await it.configure((before) => ({ ...before, roles: { admin: ["security"] } }));
  assert.deepEqual(await rolesIn(browser), ["member", "admin"]);
  await it.configure((before) => ({ ...before, roles: {} }));
  assert.deepEqual(await rolesIn(browser), ["member"]);
  assert.deepEqual(await carol(), ["member"]);
  assert.deepEqual((await it.api.get("ada", "/v1/me")).body.roles, ["member", "admin"], "by name, as ever");
});

test("by SCIM: who joins the group has the role, who leaves it, or whose group is gone, has it no more", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], { sub: "ext-walter", groups: ["platform"] });
  const { scim: settings } = scimProvider();
  assert.ok(settings);
  await it.provide(declared(provider.issuer, { scim: settings, issuer: provider.issuer }));
  await it.configure((before) => ({ ...before, roles: ROLES }));
  const { scim, user, group, patch } = scimOf(it);
  const walter = await user("walter");
  const browser = new Browser(it.api);
  assert.equal((await browser.signIn()).status, 303);
  assert.deepEqual(await rolesIn(browser), ["member"], "a claim is not read where SCIM tells");
  const [platform, security] = [await group("platform", [walter]), await group("security", [walter])];
  assert.deepEqual(await rolesIn(browser), ["member", "auditor", "admin"]);
  const gone = await patch(`/Groups/${platform}`, { op: "remove", path: `members[value eq "${walter}"]` });
  assert.ok(gone.status < 300, gone.text);
  assert.deepEqual(await rolesIn(browser), ["member", "auditor"]);
  assert.equal((await scim("DELETE", `/Groups/${security}`)).status, 204);
  assert.deepEqual(await rolesIn(browser), ["member"]);
  assert.equal((await browser.ask("/v1/audit")).status, 403);
  await patch(`/Groups/${platform}`, { op: "add", path: "members", value: [{ value: walter }] });
  assert.deepEqual(await rolesIn(browser), ["member", "admin"]);
  await patch(`/Users/${walter}`, { op: "replace", path: "active", value: false });
  assert.equal((await browser.ask("/v1/me")).status, 401);
  await patch(`/Groups/${platform}`, { op: "remove", path: `members[value eq "${walter}"]` });
  await patch(`/Users/${walter}`, { op: "replace", path: "active", value: true });
  await browser.signIn();
  assert.deepEqual(await rolesIn(browser), ["member"], "who comes back has what their groups give now");
});
