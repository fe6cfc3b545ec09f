import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser, codeOf, hostileCompany } from "../../support/signing-in.ts";
import {
  ASKED,
  demanding,
  FRESH,
  refusedFor,
  ruledBy,
  send,
  timePasses,
  toProvider,
} from "../../support/stepping-up.ts";

test("nobody is led past the page that says what they are to show themselves for", async (t) => {
  const it = await hostileCompany(t);
  await ruledBy(it, demanding({ request: FRESH }));
  const browser = new Browser(it.api);
  await browser.signIn();
  await timePasses(it, 60);
  const { stepUp } = refusedFor(await send(browser, "/v1/requests", ASKED));
  for (const headers of [{}, { "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-site" }])
    await t.test(JSON.stringify(headers), async () => {
      const page = await browser.ask(`${stepUp.url}/sign-in`, { headers });
      assert.equal(codeOf(page), "cross-site", page.text);
    });
  const page = await browser.ask(stepUp.url, { headers: { accept: "text/html" } });
  assert.match(page.text, /is to <b>ask for orders:fix for 1h<\/b>/);
  assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'.*frame-ancestors 'none'/);

  await t.test("an address whose time is over, or that nobody was given, leads nowhere", async () => {
    await it.world.store.pool.query("update step_ups set expires_at = clock_timestamp()");
    for (const url of [stepUp.url, `${stepUp.url}/sign-in`, "/auth/step-up/up_0000000000000000", "/auth/step-up/x"])
      assert.equal(codeOf(await browser.ask(url)), "sign-in-expired", url);
    assert.equal((await browser.ask(`/v1/step-ups/${stepUp.id}`)).status, 404);
  });

  await t.test("what was begun is over with its session", async () => {
    const again = refusedFor(await send(browser, "/v1/requests", ASKED));
    it.provider.claims = { ...it.provider.claims, auth_time: Math.floor(Date.now() / 1_000) };
    const callback = await browser.followed(await toProvider(browser, again.stepUp.url));
    await it.world.store.pool.query("update sign_in_sessions set ended_at = clock_timestamp()");
    assert.equal(codeOf(await browser.ask(callback)), "sign-in-expired");
  });
});
