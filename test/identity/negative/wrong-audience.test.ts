import { test } from "node:test";
import { assertRefused, assertSignsIn, Browser, hostileCompany } from "../../support/signing-in.ts";

test("a token for another client signs nobody in", async (t) => {
  const it = await hostileCompany(t);
  const browser = new Browser(it.api);
  for (const claims of [{ aud: "another-client" }, { aud: ["tidegate", "another-client"], azp: "another-client" }]) {
    it.provider.claims = { groups: [], ...claims };
    await assertRefused(it, browser, await browser.signIn(), "sign-in-refused", /does not hold/);
  }
  it.provider.claims = { groups: [] };
  await assertSignsIn(browser);
});
