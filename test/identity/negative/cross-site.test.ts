import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSignsIn, Browser, codeOf, hostileCompany, TIDEGATE } from "../../support/signing-in.ts";

const JSON_TYPE = { "content-type": "application/json" };
const BODY = JSON.stringify({ entitlement: "orders:read", duration: "1h", reason: "checkouts fail", ticket: "INC-42" });

test("what another site makes a browser send changes nothing", async (t) => {
  const it = await hostileCompany(t);
  const browser = new Browser(it.api);
  await assertSignsIn(browser);
  const mark = { "x-requested-with": "tidegate" };
  const FORGED: readonly Record<string, string>[] = [
    {},
    mark,
    { "sec-fetch-site": "same-origin" },
    { ...mark, "sec-fetch-site": "cross-site", origin: TIDEGATE },
    { ...mark, "sec-fetch-site": "same-site" },
    { ...mark, "sec-fetch-site": "none" },
    { ...mark, origin: "https://evil.example" },
    { ...mark, origin: "null" },
    { ...mark, origin: `${TIDEGATE}.evil.example` },
    { ...mark, "sec-fetch-site": "same-origin", origin: "https://evil.example" },
  ];
  for (const headers of FORGED) {
    const page = await browser.ask("/v1/requests", {
      method: "POST",
      headers: { ...JSON_TYPE, ...headers },
      body: BODY,
    });
    assert.equal(codeOf(page), "cross-site", JSON.stringify(headers));
  }
  const { rows } = await it.world.store.pool.query("select count(*)::int as n from requests");
  assert.equal(rows[0].n, 0);
  for (const from of [{ "sec-fetch-site": "same-origin" }, { origin: TIDEGATE }]) {
    const headers = { ...JSON_TYPE, ...mark, ...from };
    const page = await browser.ask("/v1/requests", { method: "POST", headers, body: BODY });
    assert.notEqual(codeOf(page), "cross-site", page.text);
  }
});

test("a form of another site signs nobody out", async (t) => {
  const it = await hostileCompany(t);
  const browser = new Browser(it.api);
  await assertSignsIn(browser);
  const page = await browser.ask("/auth/sessions");
  const field = (name: string): string => new RegExp(`name="${name}" value="([^"]+)"`).exec(page.text)?.[1] ?? "";
  const form = "application/x-www-form-urlencoded";
  const whole = { key: field("key"), session: field("session") };
  for (const [origin, body] of [
    ["https://evil.example", whole],
    [TIDEGATE, { ...whole, key: "x".repeat(43) }],
    [TIDEGATE, { session: whole.session }],
  ] as const) {
    const headers = { "content-type": form, origin };
    const sent = await browser.ask("/auth/sign-out", {
      method: "POST",
      headers,
      body: new URLSearchParams(body).toString(),
    });
    assert.equal(codeOf(sent), "cross-site");
  }
  assert.equal((await browser.ask("/v1/me")).status, 200);
  assert.match(it.api.logged(), /"code":"cross-site"/);
});
