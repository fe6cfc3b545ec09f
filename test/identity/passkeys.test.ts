/** Passkeys: added by who has just signed in, shown for one act, removed. With an authenticator of the test's own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "../support/configuration.ts";
import { type ProviderPerson, realProvider } from "../support/identity-provider.ts";
import { addOne, answer, BOTH, html, keyOf, PASSKEY, postForm, questionOf, withPasskey } from "../support/passkeys.ts";
import { Browser, callback, codeOf, company, declared } from "../support/signing-in.ts";
import {
  ASKED,
  demanding,
  MINUTE_MS,
  refusedFor,
  ruledBy,
  send,
  signInAgain,
  timePasses,
} from "../support/stepping-up.ts";

const WALTER: ProviderPerson = { sub: "user-1", preferred_username: "walter", groups: ["payments", "security"] };
const JESSE: ProviderPerson = { sub: "user-2", preferred_username: "jesse", groups: ["payments-leads", "security"] };

test("people add passkeys, list and remove them", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], WALTER);
  await it.provide(declared(provider.issuer));
  const browser = new Browser(it.api);
  await browser.signIn();

  await t.test("whoever signed in long ago signs in once more first, and is led back", async () => {
    await timePasses(it, 11);
    const page = await browser.ask("/auth/passkeys", { headers: html });
    assert.doesNotMatch(page.text, /data-passkey/);
    const url = /href="(\/auth\/step-up\/up_\w+)"/.exec(page.text)?.[1] ?? "";
    const back = await signInAgain(browser, url);
    assert.equal((await browser.ask(back.location ?? "", { headers: html })).location, "/auth/passkeys");
    assert.match((await browser.ask("/auth/passkeys", { headers: html })).text, /data-passkey="new"/);
  });

  await t.test(
    "a first and a second, each with a name; the log has them, and the store no more than what is public",
    async () => {
      assert.equal((await addOne(browser, "laptop")).done.status, 303);
      const second = await addOne(browser, '<b>"phone"');
      assert.equal(second.done.status, 303, second.done.text);
      assert.match((await browser.ask("/auth/passkeys", { headers: html })).text, /&lt;b&gt;&quot;phone&quot;/);
      const all = JSON.parse((await browser.ask("/v1/passkeys")).text);
      assert.deepEqual(
        all.passkeys.map(({ name }: { name: string }) => name),
        ["laptop", '<b>"phone"'],
      );
      assert.match(all.addAt, /\/auth\/passkeys$/);
      const kinds = (await it.world.entries()).map(({ leaf }) => leaf.kind);
      assert.equal(kinds.filter((kind) => kind === "passkey.added").length, 2);
      assert.match(second.page.headers.get("content-security-policy") ?? "", /script-src 'self'/);
      assert.doesNotMatch(second.page.text, /<script>| on[a-z]+="/);
      assert.match((await browser.ask("/auth/passkey.js")).headers.get("content-type") ?? "", /^text\/javascript/);
    },
  );

  await t.test("one that is added is asked at that moment, however fresh the page was", async () => {
    const page = await browser.ask("/auth/passkeys", { headers: html });
    const { create } = await import("../support/virtual-authenticator.ts").then(({ VirtualAuthenticator }) => {
      const one = new VirtualAuthenticator("https://tidegate.example.test");
      return { create: one.create.bind(one) };
    });
    await timePasses(it, 11);
    const late = await postForm(browser, "/auth/passkeys", {
      key: keyOf(page),
      name: "x",
      answer: create(questionOf(page)),
    });
    assert.equal(codeOf(late), "sign-in-expired", late.text);
    await timePasses(it, 0);
  });

  await t.test(
    "each removes their own, on the page or by the API; admins those of others; removed, it answers nothing",
    async () => {
      await ruledBy(it, demanding({ request: PASSKEY }));
      const authenticator = await withPasskey(it, browser);
      const all = JSON.parse((await browser.ask("/v1/passkeys")).text).passkeys;
      const last = all.at(-1).id;
      assert.equal((await it.api.call("alice", "DELETE", `/v1/passkeys/${last}`)).status, 404);
      assert.equal((await it.api.get("alice", "/v1/passkeys?user=walter")).status, 403);
      assert.equal((await it.api.get("ada", "/v1/passkeys?user=walter")).body.passkeys.length, 3);
      const { stepUp } = refusedFor(await send(browser, "/v1/requests", ASKED));
      assert.equal((await it.api.call("ada", "DELETE", `/v1/passkeys/${last}`)).status, 200);
      const back = await answer(browser, stepUp.url, authenticator);
      assert.equal(codeOf(back), "sign-in-refused", back.text);
      const page = await browser.ask("/auth/passkeys", { headers: html });
      const first = { key: keyOf(page), id: all[0].id };
      assert.equal(codeOf(await postForm(browser, "/auth/passkeys/remove", { ...first, key: "x" })), "cross-site");
      assert.equal((await postForm(browser, "/auth/passkeys/remove", first)).status, 303);
      assert.equal(JSON.parse((await browser.ask("/v1/passkeys")).text).passkeys.length, 1);
      assert.equal((await it.world.entries()).filter(({ leaf }) => leaf.kind === "passkey.removed").length, 2);
    },
  );
});

test("a rule demands a passkey", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], WALTER);
  await it.provide(declared(provider.issuer));
  const browser = new Browser(it.api);
  await browser.signIn();

  await t.test("who has none is told to add one", async () => {
    await ruledBy(it, demanding({ request: PASSKEY }));
    const { stepUp, demand } = refusedFor(await send(browser, "/v1/requests", ASKED));
    assert.deepEqual(demand, {
      maxAge: null,
      acr: [],
      passkey: true,
      words: "a passkey that answers for this very act",
    });
    assert.match((await browser.ask(stepUp.url, { headers: html })).text, /You have no passkey here yet/);
  });

  await t.test("it answers for one act, for five minutes, by the time of the database", async () => {
    const authenticator = await withPasskey(it, browser);
    const { stepUp } = refusedFor(await send(browser, "/v1/requests", ASKED));
    const back = await answer(browser, stepUp.url, authenticator);
    assert.equal(back.status, 303, back.text);
    assert.equal(JSON.parse((await browser.ask(`/v1/step-ups/${stepUp.id}`)).text).state, "done");
    refusedFor(await send(browser, "/v1/requests", { ...ASKED, duration: "2h" }));
    refusedFor(await send(browser, "/v1/requests", { ...ASKED, emergency: false, reason: "another reason, as long" }));
    assert.equal((await send(browser, "/v1/requests", ASKED)).status, 201);
    await it.world.store.pool.query("update step_ups set passkey_at = passkey_at - interval '301 seconds'");
    refusedFor(await send(browser, "/v1/requests", ASKED));
    const { session } = JSON.parse((await browser.ask("/v1/me")).text);
    assert.ok(Date.parse(session.passkeyAt) > Date.now() - MINUTE_MS);
    const seen = (await it.world.entries()).findLast(({ leaf }) => leaf.kind === "session.authenticated")?.leaf;
    assert.match(String(seen?.data["passkey"]), /^pk_/);
  });

  await t.test("another session of the same person shows its own", async () => {
    const authenticator = await withPasskey(it, browser);
    const other = new Browser(it.api);
    await other.signIn();
    const { stepUp } = refusedFor(await send(browser, "/v1/requests", ASKED));
    assert.equal((await answer(browser, stepUp.url, authenticator)).status, 303);
    refusedFor(await send(other, "/v1/requests", ASKED));
  });

  await t.test("together with a fresh sign-in both are shown, in either order", async () => {
    await ruledBy(it, demanding({ request: BOTH }));
    const authenticator = await withPasskey(it, browser);
    await timePasses(it, 60);
    const { stepUp, demand } = refusedFor(await send(browser, "/v1/requests", { ...ASKED, duration: "90m" }));
    assert.equal(demand["passkey"], true);
    assert.equal((await answer(browser, stepUp.url, authenticator)).status, 303);
    const page = await browser.ask(stepUp.url, { headers: html });
    assert.doesNotMatch(page.text, /data-passkey/);
    assert.equal((await signInAgain(browser, stepUp.url)).status, 303);
    assert.equal((await send(browser, "/v1/requests", { ...ASKED, duration: "90m" })).status, 201);
  });

  await t.test("S17 breaking glass by a passkey alone needs no provider: it may be down", async () => {
    const emergency = { reviewBy: ["group:security"], withinMs: 60 * MINUTE_MS } as const;
    await ruledBy(it, demanding({ request: PASSKEY, review: PASSKEY }, { emergency }));
    const authenticator = await withPasskey(it, browser);
    provider.next = JESSE;
    const jesse = new Browser(it.api);
    await jesse.signIn();
    const his = await withPasskey(it, jesse);
    const asked = provider.asked("/.well-known/openid-configuration");
    provider.refuses = "temporarily_unavailable";
    await timePasses(it, 600);
    const burning = { ...ASKED, emergency: true };
    const { stepUp } = refusedFor(await send(browser, "/v1/requests", burning));
    assert.equal((await answer(new Browser(it.api), stepUp.url, authenticator)).status, 303, "in any browser");
    const made = JSON.parse((await send(browser, "/v1/requests", burning)).text);
    assert.equal(made.state, "approved");
    const url = `/v1/requests/${made.id}/emergency-review`;
    const review = refusedFor(await send(jesse, url, { verdict: "justified" }));
    assert.equal((await answer(jesse, review.stepUp.url, his)).status, 303);
    assert.equal((await send(jesse, url, { verdict: "justified" })).status, 200);
    assert.equal(provider.asked("/.well-known/openid-configuration"), asked, "nobody asked the provider");
    provider.refuses = null;
  });

  await t.test("of who approves, for each request anew", async () => {
    await ruledBy(it, { ...needs("leads", ["owners"]), authentication: { review: PASSKEY } });
    const jesse = new Browser(it.api);
    await jesse.signIn();
    const his = await withPasskey(it, jesse);
    const ask = async () => JSON.parse((await send(browser, "/v1/requests", ASKED)).text);
    const [one, two] = [await ask(), await ask()];
    const { stepUp } = refusedFor(await send(jesse, `/v1/requests/${one.id}/reviews`, { verdict: "approve" }));
    assert.equal((await answer(jesse, stepUp.url, his)).status, 303);
    refusedFor(await send(jesse, `/v1/requests/${two.id}/reviews`, { verdict: "approve" }));
    const done = await send(jesse, `/v1/requests/${one.id}/reviews`, { verdict: "approve" });
    assert.equal(JSON.parse(done.text).state, "approved", done.text);
  });
});
