import assert from "node:assert/strict";
import { test } from "node:test";
import { beginLogin, callWith, finishLogin, intervalPasses, typeCodeIn } from "../../support/cli-sign-in.ts";
import { realProvider } from "../../support/identity-provider.ts";
import { callback, company, declared } from "../../support/signing-in.ts";

test("what has signed somebody in does so once; used again, it ends what came of it", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], { sub: "user-1", groups: [] });
  await it.provide(declared(provider.issuer));
  const begun = await beginLogin(it);
  await typeCodeIn(begun.address, "confirm");
  await intervalPasses(it);
  const first = await finishLogin(it, begun);
  assert.equal(first.status, 200, first.text);
  assert.equal((await callWith(it, first.body.token, "GET", "/v1/me")).status, 200);
  await intervalPasses(it);
  const second = await finishLogin(it, begun);
  assert.equal(second.body.code, "sign-in-expired");
  assert.equal((await callWith(it, first.body.token, "GET", "/v1/me")).status, 401);
  const ended = (await it.world.entries()).findLast(({ leaf }) => leaf.kind === "session.ended");
  assert.equal(ended?.leaf.data["because"], "its sign-in was used twice");
  const { rows } = await it.world.store.pool.query("select count(*)::int as n from sign_in_sessions");
  assert.equal(rows[0].n, 1);
  assert.match(it.api.logged(), /"code":"sign-in-expired"/);
});
