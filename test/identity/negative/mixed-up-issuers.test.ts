import assert from "node:assert/strict";
import { test } from "node:test";
import { hostileProvider } from "../../support/identity-provider.ts";
import { assertRefused, Browser, callback, codeOf, company, declared } from "../../support/signing-in.ts";

test("what one provider answers never counts as another's", async (t) => {
  const it = await company(t);
  const [honest, evil] = [await hostileProvider(t), await hostileProvider(t)];
  honest.claims = { groups: [] };
  evil.claims = { groups: [] };
  await it.provide(declared(honest.issuer), declared(evil.issuer, { name: "evil", title: "Evil" }));

  await t.test("an answer that says it is of another issuer is refused before its code is sent anywhere", async () => {
    honest.beside = { iss: evil.issuer };
    const browser = new Browser(it.api);
    await assertRefused(it, browser, await browser.signIn(), "sign-in-refused", /does not hold/);
    honest.beside = {};
  });

  await t.test("a provider that says it names itself, and does not, is refused", async () => {
    const browser = new Browser(it.api);
    const back = new URL(await browser.toCallback());
    back.searchParams.delete("iss");
    await assertRefused(it, browser, await browser.ask(back.href), "sign-in-refused", /does not hold/);
  });

  await t.test("begun at one, come back to the address of the other", async () => {
    const browser = new Browser(it.api);
    const back = await browser.toCallback("evil");
    const page = await browser.ask(back.replace(callback("evil"), callback("company")));
    assert.equal(codeOf(page), "sign-in-expired");
    assert.equal(browser.session, undefined);
  });

  await t.test("the same subject at two providers is two people", async () => {
    const ids = [];
    for (const name of ["company", "evil"]) {
      const browser = new Browser(it.api);
      await browser.signIn(name);
      ids.push(JSON.parse((await browser.ask("/v1/me")).text).id);
    }
    assert.notEqual(ids[0], ids[1]);
  });
});
