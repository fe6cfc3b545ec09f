import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSignsIn, Browser, hostileCompany } from "../../support/signing-in.ts";

test("a session that somebody planted in a browser is not the one that its person signs in to", async (t) => {
  const it = await hostileCompany(t);
  const [attacker, victim] = [new Browser(it.api), new Browser(it.api)];
  await assertSignsIn(attacker);
  const planted = attacker.session ?? "";
  victim.cookies.set("__Host-tidegate-session", planted);
  it.provider.claims = { sub: "victim", preferred_username: "victim", groups: [] };
  await assertSignsIn(victim);
  assert.notEqual(victim.session, planted);
  assert.equal((await attacker.ask("/v1/me")).status, 401, "the planted one is over");
  assert.equal(JSON.parse((await victim.ask("/v1/me")).text).handle, "victim");
});

test("a session that nobody was given, and one under the name that any host may set, are none", async (t) => {
  const it = await hostileCompany(t);
  const browser = new Browser(it.api);
  browser.cookies.set("__Host-tidegate-session", `tgt_${"A".repeat(43)}`);
  assert.equal((await browser.ask("/v1/me")).status, 401);
  const known = new Browser(it.api);
  await assertSignsIn(known);
  const other = new Browser(it.api);
  other.cookies.set("tidegate-session", known.session ?? "");
  assert.equal((await other.ask("/v1/me")).status, 401);
});

test("a session is no token, and a token no session", async (t) => {
  const it = await hostileCompany(t);
  const browser = new Browser(it.api);
  await assertSignsIn(browser);
  const headers = { authorization: `Bearer ${browser.session}` };
  assert.equal((await new Browser(it.api).ask("/v1/me", { headers })).status, 401);
  const other = new Browser(it.api);
  other.cookies.set("__Host-tidegate-session", "tgt_test-token-of-alice");
  assert.equal((await other.ask("/v1/me")).status, 401);
});
