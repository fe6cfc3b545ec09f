import assert from "node:assert/strict";
import { test } from "node:test";
import { addOne, html, keyOf, PASSKEY, postForm, questionOf, withPasskey } from "../../support/passkeys.ts";
import { Browser, codeOf, hostileCompany } from "../../support/signing-in.ts";
import { ASKED, demanding, refusedFor, ruledBy, send, timePasses } from "../../support/stepping-up.ts";

test("what a passkey was asked is answered once, for that act of that session, in time", async (t) => {
  const it = await hostileCompany(t);
  await ruledBy(it, demanding({ request: PASSKEY }));
  const browser = new Browser(it.api);
  await browser.signIn();
  const authenticator = await withPasskey(it, browser);
  const begin = async (duration: string) => {
    const { stepUp } = refusedFor(await send(browser, "/v1/requests", { ...ASKED, duration }));
    return { url: stepUp.url, page: await browser.ask(stepUp.url, { headers: html }) };
  };
  const one = await begin("1h");
  const given = authenticator.get(questionOf(one.page));

  await t.test("an answer for one act is none for another, and is used up by being tried there", async () => {
    const other = await begin("2h");
    const wrong = await postForm(browser, `${other.url}/passkey`, { answer: given });
    assert.equal(codeOf(wrong), "sign-in-refused", wrong.text);
    assert.match(wrong.text, /answers another question/);
  });

  await t.test("the same answer again is refused", async () => {
    assert.equal((await postForm(browser, `${one.url}/passkey`, { answer: given })).status, 303);
    await it.world.store.pool.query("update step_ups set passkey_at = null");
    await it.world.store.pool.query("update passkeys set counter = 0");
    const again = await postForm(browser, `${one.url}/passkey`, { answer: given });
    assert.match(again.text, /answers another question, or one that was answered already/);
    refusedFor(await send(browser, "/v1/requests", { ...ASKED, duration: "1h" }));
  });

  await t.test("a question that took too long is over", async () => {
    const late = await begin("3h".replace("3h", "110m"));
    await it.world.store.pool.query("update passkey_challenges set expires_at = clock_timestamp()");
    const back = await postForm(browser, `${late.url}/passkey`, { answer: authenticator.get(questionOf(late.page)) });
    assert.equal(codeOf(back), "sign-in-refused", back.text);
  });

  await t.test("from a page of another site it is not taken", async () => {
    const led = await begin("100m");
    const sent = { answer: authenticator.get(questionOf(led.page)) };
    const back = await postForm(browser, `${led.url}/passkey`, sent, { origin: "https://evil.test" });
    assert.equal(codeOf(back), "cross-site", back.text);
  });

  await t.test("adding one is asked once, too, and in this session", async () => {
    await timePasses(it, 0);
    const { answer, done } = await addOne(browser, "phone");
    assert.equal(done.status, 303, done.text);
    const page = await browser.ask("/auth/passkeys", { headers: html });
    const replayed = await postForm(browser, "/auth/passkeys", { key: keyOf(page), name: "again", answer });
    assert.equal(codeOf(replayed), "sign-in-refused", replayed.text);
    const other = new Browser(it.api);
    await other.signIn();
    await timePasses(it, 0);
    const [theirs, mine] = [
      await other.ask("/auth/passkeys", { headers: html }),
      await browser.ask("/auth/passkeys", { headers: html }),
    ];
    const made = authenticator.create(questionOf(theirs));
    const crossed = await postForm(browser, "/auth/passkeys", { key: keyOf(mine), name: "x", answer: made });
    assert.equal(codeOf(crossed), "sign-in-refused", crossed.text);
  });
});
