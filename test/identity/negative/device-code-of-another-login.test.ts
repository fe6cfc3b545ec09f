import assert from "node:assert/strict";
import { test } from "node:test";
import { beginLogin, finishLogin, intervalPasses, newVerifier, typeCodeIn } from "../../support/cli-sign-in.ts";
import { realProvider } from "../../support/identity-provider.ts";
import { callback, company, declared } from "../../support/signing-in.ts";

test("what one command line began is of no use to another", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], { sub: "user-1", groups: [] });
  await it.provide(declared(provider.issuer));
  const [mine, theirs] = [await beginLogin(it), await beginLogin(it)];
  await typeCodeIn(mine.address, "confirm");
  await intervalPasses(it);
  const asked = provider.asked("/token");
  for (const attempt of [
    { login: mine.login, verifier: theirs.verifier },
    { login: mine.login, verifier: newVerifier().verifier },
    // What is sent when it begins, and may be seen, is not what ends it.
    { login: mine.login, verifier: mine.challenge },
    { login: `${mine.login}x`, verifier: mine.verifier },
    { login: theirs.login, verifier: mine.verifier },
  ]) {
    const { status, body } = await finishLogin(it, attempt);
    assert.equal(status, 401, JSON.stringify(attempt));
    assert.equal(body.code, "sign-in-expired");
  }
  assert.equal(provider.asked("/token"), asked, "the provider heard nothing of it");
  const { rows } = await it.world.store.pool.query("select count(*)::int as n from sign_in_sessions");
  assert.equal(rows[0].n, 0);
  assert.match(it.api.logged(), /"code":"sign-in-expired"/);

  await t.test("and who began it is not kept from it by those who tried", async () => {
    assert.equal((await finishLogin(it, mine)).status, 200);
    const { status } = await finishLogin(it, theirs);
    assert.equal(status, 202);
  });
});

test("the code of the provider opens only with what its own command line holds", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], { sub: "user-1", groups: [] });
  await it.provide(declared(provider.issuer));
  const [mine, theirs] = [await beginLogin(it), await beginLogin(it)];
  await typeCodeIn(theirs.address, "confirm");
  // Whoever may write the store puts the code of another in place of their own.
  await it.world.store.pool.query(
    "update cli_logins a set device_code = b.device_code from cli_logins b where a.challenge = $1 and b.challenge = $2",
    [mine.challenge, theirs.challenge],
  );
  await intervalPasses(it);
  assert.equal((await finishLogin(it, mine)).body.code, "sign-in-expired");
});
