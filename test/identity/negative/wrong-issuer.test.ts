import assert from "node:assert/strict";
import { test } from "node:test";
import { assertRefused, assertSignsIn, Browser, company, declared, hostileCompany } from "../../support/signing-in.ts";

test("a token of another issuer signs nobody in, nor do settings that name another", async (t) => {
  const it = await hostileCompany(t);
  const browser = new Browser(it.api);
  it.provider.claims = { groups: [], iss: "https://elsewhere.example" };
  await assertRefused(it, browser, await browser.signIn(), "sign-in-refused", /does not hold/);
  it.provider.claims = { groups: [] };
  it.provider.metadata = { issuer: "https://elsewhere.example" };
  await assert.rejects(browser.toCallback(), /provider-unavailable/);
  it.provider.metadata = {};
  await assertSignsIn(browser);
});

test("an issuer is meant letter by letter: one slash more is another", async (t) => {
  const [it, { provider }] = [await company(t), await hostileCompany(t)];
  await it.provide(declared(`${provider.issuer}/`));
  await assert.rejects(new Browser(it.api).toCallback(), /provider-unavailable/);
});
