import assert from "node:assert/strict";
import { test } from "node:test";
import { beginLogin, finishLogin, intervalPasses, typeCodeIn } from "../../support/cli-sign-in.ts";
import { realProvider } from "../../support/identity-provider.ts";
import { callback, company, declared } from "../../support/signing-in.ts";

test("who says no at the provider has signed nobody in, now or later", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], { sub: "user-1", groups: [] });
  await it.provide(declared(provider.issuer));
  const begun = await beginLogin(it);
  assert.equal(await typeCodeIn(begun.address, "abort"), "denied");
  await intervalPasses(it);
  const { status, body } = await finishLogin(it, begun);
  assert.equal(status, 401);
  assert.equal(body.code, "sign-in-refused");
  assert.match(body.detail, /denied at The company: nobody was signed in/);
  const asked = provider.asked("/token");
  await intervalPasses(it);
  assert.equal((await finishLogin(it, begun)).body.code, "sign-in-expired");
  assert.equal(provider.asked("/token"), asked, "its last word is not asked for again");
  const { rows } = await it.world.store.pool.query("select count(*)::int as n from sign_in_sessions");
  assert.equal(rows[0].n, 0);
  assert.match(it.api.logged(), /"code":"sign-in-refused"/);
});

test("a code with which the provider lets somebody in whose groups it does not tell signs nobody in", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], { sub: "user-1" });
  await it.provide(declared(provider.issuer));
  const begun = await beginLogin(it);
  assert.equal(await typeCodeIn(begun.address, "confirm"), "confirmed");
  await intervalPasses(it);
  const { body } = await finishLogin(it, begun);
  assert.equal(body.code, "sign-in-refused");
  assert.match(body.detail, /says nothing of your groups/);
});
