import assert from "node:assert/strict";
import { test } from "node:test";
import { realProvider } from "../../support/identity-provider.ts";
import { Browser, callback, codeOf, company, declared } from "../../support/signing-in.ts";

const PERSON = { sub: "user-1", preferred_username: "walter", groups: [] };

test("an answer of the provider signs in once, in the browser that began it, and in no other", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], PERSON);
  await it.provide(declared(provider.issuer));

  await t.test("sent again in the same browser, cookie and all, it is over", async () => {
    const browser = new Browser(it.api);
    const back = await browser.toCallback();
    const begun = new Map(browser.cookies);
    assert.equal((await browser.ask(back)).status, 303);
    assert.equal(codeOf(await browser.ask(back)), "sign-in-expired");
    const thief = new Browser(it.api);
    for (const [name, value] of begun) thief.cookies.set(name, value);
    assert.equal(codeOf(await thief.ask(back)), "sign-in-expired");
    assert.equal(thief.session, undefined);
  });

  await t.test(
    "in a browser that did not begin it, it signs nobody in: nobody is signed in as somebody else",
    async () => {
      const back = await new Browser(it.api).toCallback();
      const victim = new Browser(it.api);
      assert.equal(codeOf(await victim.ask(back)), "sign-in-expired");
      await victim.toCallback();
      assert.equal(codeOf(await victim.ask(back)), "sign-in-expired");
      assert.equal(victim.session, undefined);
    },
  );

  await t.test("with another state, two states, or none, it signs nobody in", async () => {
    for (const change of [
      (url: URL) => url.searchParams.set("state", "x".repeat(43)),
      (url: URL) => url.searchParams.append("state", "x"),
      (url: URL) => url.searchParams.delete("state"),
    ]) {
      const browser = new Browser(it.api);
      const back = new URL(await browser.toCallback());
      change(back);
      assert.equal(codeOf(await browser.ask(back.href)), "sign-in-expired");
      assert.equal(browser.session, undefined);
    }
  });

  await t.test("a nonce of another sign-in signs nobody in", async () => {
    const [one, other] = [new Browser(it.api), new Browser(it.api)];
    const [mine, theirs] = [new URL(await one.toCallback()), new URL(await other.toCallback())];
    mine.searchParams.set("code", theirs.searchParams.get("code") ?? "");
    assert.equal(codeOf(await one.ask(mine.href)), "sign-in-refused");
  });

  await t.test("a cookie that was changed fits nothing that comes back", async () => {
    const browser = new Browser(it.api);
    const back = await browser.toCallback();
    const [name = "", value = ""] = [...browser.cookies].find(([key]) => key.includes("sign-in")) ?? [];
    const [key] = value.split(".");
    const about = { provider: "company", returnTo: "https://elsewhere.example/", startedMs: Date.now() };
    browser.cookies.set(name, `${key}.${Buffer.from(JSON.stringify(about)).toString("base64url")}`);
    assert.equal(codeOf(await browser.ask(back)), "sign-in-expired");
  });
  assert.match(it.api.logged(), /"code":"sign-in-expired"/);
});
