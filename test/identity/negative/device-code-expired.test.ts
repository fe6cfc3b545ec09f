import assert from "node:assert/strict";
import { test } from "node:test";
import { beginLogin, finishLogin, intervalPasses, typeCodeIn } from "../../support/cli-sign-in.ts";
import { realProvider } from "../../support/identity-provider.ts";
import { callback, company, declared } from "../../support/signing-in.ts";

test("a code that was not typed in in time signs nobody in", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], { sub: "user-1", groups: [] });
  await it.provide(declared(provider.issuer));

  await t.test("by our time", async () => {
    const begun = await beginLogin(it);
    await typeCodeIn(begun.address, "confirm");
    await it.world.store.pool.query("update cli_logins set expires_at = clock_timestamp()");
    await intervalPasses(it);
    const { body } = await finishLogin(it, begun);
    assert.equal(body.code, "sign-in-expired");
    assert.match(body.detail, /tidegate login/);
  });

  await t.test("by the provider's, whose last word it is", async () => {
    const begun = await beginLogin(it);
    provider.refuses = "expired_token";
    await intervalPasses(it);
    const { body } = await finishLogin(it, begun);
    assert.equal(body.code, "sign-in-expired", JSON.stringify(body));
    await intervalPasses(it);
    assert.equal((await finishLogin(it, begun)).body.code, "sign-in-expired");
  });

  const { rows } = await it.world.store.pool.query("select count(*)::int as n from sign_in_sessions");
  assert.equal(rows[0].n, 0);
  assert.match(it.api.logged(), /"code":"sign-in-expired"/);
});
