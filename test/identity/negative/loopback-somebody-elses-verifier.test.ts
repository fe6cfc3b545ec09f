import assert from "node:assert/strict";
import { test } from "node:test";
import { finishLogin, newVerifier, pageFor, sayYes } from "../../support/cli-sign-in.ts";
import { assertSignsIn, Browser, hostileCompany } from "../../support/signing-in.ts";

test("a code that was caught on its way back is of no use without what the command line kept to itself", async (t) => {
  const it = await hostileCompany(t);
  const browser = new Browser(it.api);
  await assertSignsIn(browser);
  const [mine, theirs] = [newVerifier(), newVerifier()];
  const login = (await sayYes(browser, pageFor(mine.challenge, "s".repeat(43)))).searchParams.get("code") ?? "";
  for (const verifier of [theirs.verifier, mine.challenge, "x".repeat(43)]) {
    const { status, body } = await finishLogin(it, { login, verifier });
    assert.equal(status, 401);
    assert.equal(body.code, "sign-in-expired");
  }
  assert.equal((await it.api.post(null, "/v1/login/token", { login })).body.code, "invalid-input");
  assert.match(it.api.logged(), /"code":"sign-in-expired"/);
  assert.equal((await finishLogin(it, { login, verifier: mine.verifier })).status, 200, "whose it is, has it still");
});
