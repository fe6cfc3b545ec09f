/** What a rule may demand of who acts: a fresh sign-in, of a kind. With the real `oidc-provider` on a real store. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { callWith, signInByDevice } from "../support/cli-sign-in.ts";
import { automatically, needs } from "../support/configuration.ts";
import { type ProviderPerson, realProvider } from "../support/identity-provider.ts";
import { Browser, callback, codeOf, company, declared } from "../support/signing-in.ts";
import {
  ASKED,
  demanding,
  FRESH,
  MINUTE_MS,
  refusedFor,
  ruledBy,
  send,
  signInAgain,
  timePasses,
} from "../support/stepping-up.ts";

const WALTER: ProviderPerson = { sub: "user-1", preferred_username: "walter", groups: ["payments", "security"] };
const JESSE: ProviderPerson = { sub: "user-2", preferred_username: "jesse", groups: ["payments-leads"] };

test("a rule demands a fresh sign-in", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], WALTER);
  await it.provide(declared(provider.issuer));
  const browser = new Browser(it.api);
  await browser.signIn();

  await t.test(
    "who signed in long ago is refused, told how fresh it must be and where to show it (RFC 9470)",
    async () => {
      await ruledBy(it, demanding({ request: { ...FRESH, acr: ["phr"] } }));
      await timePasses(it, 16);
      const page = await send(browser, "/v1/requests", ASKED);
      const { detail, demand, stepUp } = refusedFor(page);
      assert.match(
        detail,
        /^The rule demanding demands a sign-in no older than 15m of the kind phr \(acr\) of whoever is to ask for orders:fix for 1h\. Open https:\S+\/auth\/step-up\/up_\w+, then do the same again\.$/,
      );
      assert.deepEqual(demand, {
        maxAge: "15m",
        acr: ["phr"],
        passkey: false,
        words: "a sign-in no older than 15m of the kind phr (acr)",
      });
      assert.equal(
        page.headers.get("www-authenticate"),
        'Bearer error="insufficient_user_authentication", error_description="A different authentication level is required", acr_values="phr", max_age="900"',
      );
      assert.equal((await it.world.grants()).length, 0);
      const last = (await it.world.entries()).at(-1)?.leaf;
      assert.deepEqual([last?.kind, last?.data["code"]], ["operation.refused", "step-up-required"]);
      const waiting = JSON.parse((await browser.ask(`/v1/step-ups/${stepUp.id}`)).text);
      assert.deepEqual(
        [waiting.state, waiting.what, waiting.url],
        ["waiting", "ask for orders:fix for 1h", stepUp.url],
      );
    },
  );

  await t.test(
    "the provider is asked for it, and once it has seen them the same call is let through, also by its key",
    async () => {
      await ruledBy(it, demanding({ request: FRESH }));
      const { stepUp } = refusedFor(await send(browser, "/v1/requests", ASKED, "the-key"));
      const asked = new URL(
        (await browser.ask(`${stepUp.url}/sign-in`, { headers: { "sec-fetch-site": "same-origin" } })).location ?? "",
      );
      assert.deepEqual([asked.searchParams.get("max_age"), asked.searchParams.get("prompt")], ["900", "login"]);
      const back = await signInAgain(browser, stepUp.url);
      assert.equal(back.status, 303, back.text);
      assert.match((await browser.ask(back.location ?? "", { headers: { accept: "text/html" } })).text, /It is you/);
      assert.equal(JSON.parse((await browser.ask(`/v1/step-ups/${stepUp.id}`)).text).state, "done");
      const done = await send(browser, "/v1/requests", ASKED, "the-key");
      assert.equal(done.status, 201, done.text);
      const entries = await it.world.entries();
      const seen = entries.findLast(({ leaf }) => leaf.kind === "session.authenticated")?.leaf;
      assert.deepEqual(Object.keys(seen?.data ?? {}).sort(), ["acr", "amr", "provider", "session"]);
      const approved = entries.findLast(({ leaf }) => leaf.kind === "request.approved")?.leaf;
      assert.match(
        JSON.stringify(approved?.data),
        /"authentication":\{"acr":null,"amr":\[\],"atMs":\d+,"passkeyMs":null\}/,
      );
      const { session } = JSON.parse((await browser.ask("/v1/me")).text);
      assert.ok(Date.parse(session.authenticatedAt) > Date.now() - MINUTE_MS, session.authenticatedAt);
    },
  );

  await t.test("freshness is asked at the moment of the act, by the time of the database", async () => {
    await timePasses(it, 14.9);
    assert.equal((await send(browser, "/v1/requests", ASKED)).status, 201);
    await timePasses(it, 15.1);
    refusedFor(await send(browser, "/v1/requests", ASKED));
  });

  await t.test("a kind that the provider does not say is not met; one that it says is", async () => {
    await ruledBy(it, demanding({ request: { acr: ["phr"] } }));
    const { stepUp } = refusedFor(await send(browser, "/v1/requests", ASKED));
    for (const acr of [null, "pwd"]) {
      provider.acr = acr;
      await browser.ask(`${provider.issuer}/session/end`);
      const other = new Browser(it.api);
      const back = await signInAgain(other, stepUp.url);
      assert.equal(codeOf(back), "sign-in-refused", back.text);
      assert.match(back.text, new RegExp(`calls the way in which you did ${acr ?? "nothing"} \\(acr\\)`));
    }
    refusedFor(await send(browser, "/v1/requests", ASKED));
    provider.acr = "phr";
    assert.equal((await signInAgain(new Browser(it.api), stepUp.url)).status, 303);
    assert.equal((await send(browser, "/v1/requests", ASKED)).status, 201);
    provider.acr = null;
  });

  await t.test("the session of a command line is shown in any browser", async () => {
    await ruledBy(it, demanding({ request: FRESH }));
    const { token } = await signInByDevice(it);
    await timePasses(it, 60);
    const no = await callWith(it, token, "POST", "/v1/requests", ASKED);
    assert.equal(no.body.code, "step-up-required", no.text);
    assert.equal((await signInAgain(new Browser(it.api), no.body.stepUp.url)).status, 303);
    assert.equal((await callWith(it, token, "POST", "/v1/requests", ASKED)).status, 201);
    refusedFor(await send(browser, "/v1/requests", ASKED));
  });

  await t.test(
    "more time, an edit and a bundle are asked for as freshly, and a bundle as a whole or not at all",
    async () => {
      const peeks = automatically("peeks", { when: 'entitlement.name == "peek"' });
      await ruledBy(it, peeks, demanding({ request: FRESH }));
      await timePasses(it, 0);
      const made = JSON.parse((await send(browser, "/v1/requests", ASKED)).text);
      it.world.directory.members.set("fixers", new Set());
      it.world.reconciler();
      await it.world.grantWhen(made.grantId, ({ state }) => state === "active", "active");
      await timePasses(it, 60);
      const more = await send(browser, `/v1/grants/${made.grantId}/extend`, { duration: "10m", reason: "more" });
      assert.match(refusedFor(more).detail, /is to ask for orders:fix for 10m/);
      const { entitlement: _, ...rest } = ASKED;
      await ruledBy(it, peeks, { ...needs("leads", ["owners"]), authentication: { request: FRESH } });
      await timePasses(it, 0);
      const pending = JSON.parse((await send(browser, "/v1/requests", ASKED)).text);
      await timePasses(it, 60);
      refusedFor(await send(browser, `/v1/requests/${pending.id}`, { duration: "30m" }, undefined, "PATCH"));
      await ruledBy(it, peeks, demanding({ request: FRESH }));
      const before = (await it.world.grants()).length;
      refusedFor(await send(browser, "/v1/bundles", { ...rest, entitlements: ["orders:peek", "orders:fix"] }));
      assert.equal((await it.world.grants()).length, before);
      await timePasses(it, 0);
      const both = await send(browser, "/v1/bundles", { ...rest, entitlements: ["orders:peek", "orders:fix"] });
      assert.equal(JSON.parse(both.text).state, "approved", both.text);
    },
  );

  await t.test("S17 breaking glass may demand it, of who breaks it and of who reviews it afterwards", async () => {
    const emergency = { reviewBy: ["group:security"], withinMs: 60 * MINUTE_MS } as const;
    await ruledBy(it, demanding({ request: FRESH, review: FRESH }, { emergency }));
    await timePasses(it, 60);
    refusedFor(await send(browser, "/v1/requests", { ...ASKED, emergency: true }));
    provider.next = JESSE;
    const jesse = new Browser(it.api);
    await jesse.signIn();
    await timePasses(it, 0);
    const made = JSON.parse((await send(jesse, "/v1/requests", { ...ASKED, emergency: true })).text);
    await timePasses(it, 60);
    const url = `/v1/requests/${made.id}/emergency-review`;
    assert.match(refusedFor(await send(browser, url, { verdict: "justified" })).detail, /is to review rq_/);
    await timePasses(it, 0);
    assert.equal((await send(browser, url, { verdict: "justified" })).status, 200);
    provider.next = WALTER;
  });
});

test("a rule demands a fresh sign-in of who approves", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], WALTER);
  await it.provide(declared(provider.issuer));
  const rule = { ...needs("leads", ["owners"]), authentication: { review: FRESH } };
  await ruledBy(it, rule);
  const asks = new Browser(it.api);
  await asks.signIn();
  provider.next = JESSE;
  const reviews = new Browser(it.api);
  await reviews.signIn();
  await timePasses(it, 60);
  const pending = async () => JSON.parse((await send(asks, "/v1/requests", ASKED)).text);

  await t.test("whoever asks need not show it, and the approver reads what they will have to", async () => {
    const made = await pending();
    assert.equal(made.state, "pending");
    assert.deepEqual(made.decision.authentication, {
      request: null,
      review: { maxAge: "15m", acr: [], passkey: false, words: "a sign-in no older than 15m" },
    });
  });

  await t.test("whoever approves must, and whoever denies need not", async () => {
    const [one, other] = [await pending(), await pending()];
    const { stepUp } = refusedFor(await send(reviews, `/v1/requests/${one.id}/reviews`, { verdict: "approve" }));
    assert.equal((await it.world.request(one.id)).state, "pending");
    assert.equal((await send(reviews, `/v1/requests/${other.id}/reviews`, { verdict: "deny" })).status, 200);
    assert.equal((await signInAgain(reviews, stepUp.url)).status, 303);
    const done = await send(reviews, `/v1/requests/${one.id}/reviews`, { verdict: "approve" });
    assert.equal(JSON.parse(done.text).state, "approved", done.text);
    const entry = (await it.world.entries()).findLast(({ leaf }) => leaf.kind === "review.recorded")?.leaf;
    assert.match(JSON.stringify(entry?.data["authentication"]), /"atMs":\d+/);
  });

  await t.test("who may not review at all is not sent to sign in first", async () => {
    const made = await pending();
    await timePasses(it, 60);
    assert.equal(codeOf(await send(asks, `/v1/requests/${made.id}/reviews`, { verdict: "approve" })), "self-review");
  });

  await t.test("a bundle is approved with one sign-in", async () => {
    const { entitlement: _, ...rest } = ASKED;
    const bundle = JSON.parse(
      (await send(asks, "/v1/bundles", { ...rest, entitlements: ["orders:fix", "orders:read"] })).text,
    );
    const { stepUp } = refusedFor(await send(reviews, `/v1/bundles/${bundle.id}/reviews`, { verdict: "approve" }));
    assert.equal((await signInAgain(reviews, stepUp.url)).status, 303);
    const done = await send(reviews, `/v1/bundles/${bundle.id}/reviews`, { verdict: "approve" });
    assert.equal(JSON.parse(done.text).state, "approved", done.text);
  });

  await t.test("explain tells it", async () => {
    const said = JSON.parse((await send(asks, "/v1/explain", { entitlement: "orders:fix" })).text);
    assert.equal(said.authentication.review.words, "a sign-in no older than 15m");
  });
});
