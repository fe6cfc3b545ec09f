import assert from "node:assert/strict";
import { test } from "node:test";
import { defined } from "../../../src/base/assert.ts";
import { isRefusal } from "../../../src/base/problem.ts";
import { hashToken, newSessionToken } from "../../../src/base/token.ts";
import { signInCommandLine } from "../../../src/operations/sign-in-command-line.ts";
import { findLogin } from "../../../src/store/cli-logins.ts";
import { callWith, finishLogin, newVerifier, pageFor, sayYes } from "../../support/cli-sign-in.ts";
import { assertSignsIn, Browser, hostileCompany } from "../../support/signing-in.ts";

const STATE = "s".repeat(43);

test("a code that came back through a browser signs in once; used again, it ends what came of it", async (t) => {
  const it = await hostileCompany(t);
  const browser = new Browser(it.api);
  await assertSignsIn(browser);
  const { verifier, challenge } = newVerifier();
  const login = (await sayYes(browser, pageFor(challenge, STATE))).searchParams.get("code") ?? "";
  const first = await finishLogin(it, { login, verifier });
  assert.equal(first.status, 200, first.text);
  const again = await finishLogin(it, { login, verifier });
  assert.equal(again.body.code, "sign-in-expired");
  assert.equal((await callWith(it, first.body.token, "GET", "/v1/me")).status, 401);
  assert.equal((await browser.ask("/v1/me")).status, 200, "the browser did nothing wrong");
  assert.match(it.api.logged(), /"code":"sign-in-expired"/);
});

test("two at once: one signs in, and a code is good for a minute", async (t) => {
  const it = await hostileCompany(t);
  const browser = new Browser(it.api);
  await assertSignsIn(browser);
  const { verifier, challenge } = newVerifier();
  const code = async () => (await sayYes(browser, pageFor(challenge, STATE))).searchParams.get("code") ?? "";
  const login = await code();
  const all = await Promise.all(Array.from({ length: 4 }, () => finishLogin(it, { login, verifier })));
  assert.equal(all.filter(({ status }) => status === 200).length, 1);
  const late = await code();
  await it.world.store.pool.query("update cli_logins set expires_at = expires_at - interval '1 minute'");
  assert.equal((await finishLogin(it, { login: late, verifier })).body.code, "sign-in-expired");
});

test("whoever found it unused a moment ago finds it used when they come to use it", async (t) => {
  const it = await hostileCompany(t);
  const browser = new Browser(it.api);
  await assertSignsIn(browser);
  const { challenge } = newVerifier();
  const code = (await sayYes(browser, pageFor(challenge, STATE))).searchParams.get("code") ?? "";
  const seen = defined(await findLogin(it.world.store.db, code), "the sign-in");
  const use = () => signInCommandLine(it.world.context, seen, { hash: hashToken(newSessionToken()), formerHash: null });
  assert.ok(!isRefusal(await use()));
  const again = await use();
  assert.equal(isRefusal(again) && again.refused, "sign-in-expired");
});
