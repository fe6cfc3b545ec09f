import assert from "node:assert/strict";
import { test } from "node:test";
import { assertRefused, assertSignsIn, Browser, declared, hostileCompany } from "../../support/signing-in.ts";

test("groups that are missing, too many or no names let nobody in: rules count on them", async (t) => {
  const it = await hostileCompany(t);
  const browser = new Browser(it.api);
  const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `group-${i}`);
  for (const [groups, says] of [
    [undefined, /says nothing of your groups \(claim groups\)/],
    [names(5_000), /names 5,000 groups .* 1,000 are the most/],
    [["payments", 7], /a group in it is no name/],
    [["pay\u0000ments"], /a group in it is no name/],
    [{ a: "payments" }, /a group in it is no name/],
  ] as const) {
    it.provider.claims = { groups };
    await assertRefused(it, browser, await browser.signIn(), "sign-in-refused", says);
  }
  it.provider.claims = { groups: names(1_000) };
  await assertSignsIn(browser);
});

test("with a mapping only the groups of the mapping count; a way leads into a claim", async (t) => {
  const it = await hostileCompany(t);
  const { claims } = declared(it.provider.issuer);
  const groups = { "Payments Engineers": "payments" };
  await it.provide(declared(it.provider.issuer, { claims: { ...claims, groups: "realm_access.roles" }, groups }));
  it.provider.claims = { preferred_username: "mallory", realm_access: { roles: ["Payments Engineers", "security"] } };
  const browser = new Browser(it.api);
  await assertSignsIn(browser);
  assert.deepEqual(JSON.parse((await browser.ask("/v1/me")).text).groups, ["payments"]);
});
