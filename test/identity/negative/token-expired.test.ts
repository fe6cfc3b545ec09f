import { test } from "node:test";
import { assertRefused, assertSignsIn, Browser, hostileCompany } from "../../support/signing-in.ts";

test("a token that has expired signs nobody in, but for half a minute of clocks that differ", async (t) => {
  const it = await hostileCompany(t);
  const at = Math.floor(Date.now() / 1_000);
  const browser = new Browser(it.api);
  it.provider.claims = { ...it.provider.claims, iat: at - 600, exp: at - 60 };
  await assertRefused(it, browser, await browser.signIn(), "sign-in-refused", /does not hold \(OAUTH_JWT_TIMESTAMP/);
  it.provider.claims = { ...it.provider.claims, exp: at - 5 };
  await assertSignsIn(browser);
});
