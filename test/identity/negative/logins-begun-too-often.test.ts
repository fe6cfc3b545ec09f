import assert from "node:assert/strict";
import { test } from "node:test";
import { newVerifier } from "../../support/cli-sign-in.ts";
import { realProvider } from "../../support/identity-provider.ts";
import { callback, company, declared } from "../../support/signing-in.ts";

test("sign-ins are begun so often from one address, and no more: each is a question to the provider", async (t) => {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], { sub: "user-1", groups: [] });
  await it.provide(declared(provider.issuer));
  const begin = () => it.api.post(null, "/v1/login", { challenge: newVerifier().challenge });
  const all = await Promise.all(Array.from({ length: 40 }, begin));
  const refused = all.filter(({ status }) => status === 429);
  assert.ok(refused.length >= 5, String(refused.length));
  assert.ok(provider.asked("/device/auth") <= 40 - refused.length);
  for (const { body, headers } of refused) {
    assert.equal(body.code, "too-many-requests");
    assert.ok(Number(headers["retry-after"]) >= 1);
  }
  assert.match(it.api.logged(), /"code":"too-many-requests"/);
});
