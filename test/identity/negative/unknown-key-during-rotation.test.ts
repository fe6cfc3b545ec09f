import { test } from "node:test";
import { assertRefused, assertSignsIn, Browser, hostileCompany } from "../../support/signing-in.ts";

test("a key that the provider does not publish signs nobody in; published, it does at once", async (t) => {
  const it = await hostileCompany(t);
  const browser = new Browser(it.api);
  await assertSignsIn(browser);
  await it.world.store.pool.query("delete from sign_in_sessions");
  browser.cookies.clear();
  await it.provider.rotate(false);
  await assertRefused(it, browser, await browser.signIn(), "sign-in-refused", /does not hold/);
  await it.provider.publish();
  await assertSignsIn(browser);
});
