import assert from "node:assert/strict";
import { test } from "node:test";
import { newVerifier, pageFor } from "../../support/cli-sign-in.ts";
import { assertSignsIn, Browser, codeOf, hostileCompany, TIDEGATE } from "../../support/signing-in.ts";

const STATE = "s".repeat(43);

test("a code is handed to this very machine and to nobody else, and only after somebody has said yes", async (t) => {
  const it = await hostileCompany(t);
  const browser = new Browser(it.api);
  await assertSignsIn(browser);
  const { challenge } = newVerifier();

  await t.test("addresses that lead elsewhere are refused", async () => {
    for (const redirect_uri of [
      "https://evil.example/callback",
      "http://127.0.0.1:4000@evil.example/callback",
      "http://127.0.0.1.evil.example:4000/callback",
      "http://localhost:4000/callback",
      "http://127.0.0.1/callback",
      "http://127.0.0.1:4000/other",
      "http://127.0.0.1:4000/callback?x=1",
      "http://127.0.0.1:4000/callback#x",
      "https://127.0.0.1:4000/callback",
      "javascript:alert(1)",
      "",
    ]) {
      const page = await browser.ask(pageFor(challenge, STATE, { redirect_uri }));
      assert.equal(codeOf(page), "invalid-input", redirect_uri);
    }
    for (const more of [{ state: "short" }, { code_challenge: "plain" }])
      assert.equal(codeOf(await browser.ask(pageFor(challenge, STATE, more))), "invalid-input");
  });

  await t.test("to look at the page hands nothing over, and a form of another site is refused", async () => {
    const shown = await browser.ask(pageFor(challenge, STATE, { agent: "<script>alert(1)</script>" }));
    assert.ok(!shown.text.includes("<script"), shown.text);
    const field = (name: string): string => new RegExp(`name="${name}" value="([^"]+)"`).exec(shown.text)?.[1] ?? "";
    const whole = { key: field("key"), redirect_uri: field("redirect_uri"), state: STATE, code_challenge: challenge };
    for (const [origin, form] of [
      ["https://evil.example", whole],
      [TIDEGATE, { ...whole, key: "x".repeat(43) }],
      [TIDEGATE, { ...whole, key: "" }],
    ] as const) {
      const headers = { "content-type": "application/x-www-form-urlencoded", origin };
      const body = new URLSearchParams(form).toString();
      assert.equal(codeOf(await browser.ask("/auth/cli", { method: "POST", headers, body })), "cross-site");
    }
    const { rows } = await it.world.store.pool.query("select count(*)::int as n from cli_logins");
    assert.equal(rows[0].n, 0);
    assert.match(it.api.logged(), /"code":"cross-site"/);
  });
});
