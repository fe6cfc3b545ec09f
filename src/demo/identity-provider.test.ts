import assert from "node:assert/strict";
import { registerHooks } from "node:module";
import { test } from "node:test";
import { addressesIn, demoConfiguration, withAddresses } from "./configuration.ts";
import { openIdentityProvider } from "./identity-provider.ts";

test("where the optional package is not installed there is no provider, and no mistake", async () => {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      if (!specifier.startsWith("oidc-provider")) return next(specifier, context);
      throw Object.assign(new Error(`Cannot find package '${specifier}'`), { code: "ERR_MODULE_NOT_FOUND" });
    },
  });
  try {
    assert.equal(await openIdentityProvider(0), null);
  } finally {
    hooks.deregister();
  }
});

test("until it serves, and on whatever port it is given, it says to come again", async () => {
  const provider = (await openIdentityProvider(0)) ?? assert.fail("it is installed here");
  assert.equal((await fetch(provider.issuer)).status, 503);
  await provider.stop();
  await assert.rejects(fetch(provider.issuer));
});

test("the demo keeps the addresses of its configuration right, and whatever else somebody wrote", () => {
  const was = { url: "http://127.0.0.1:7788", issuer: "http://127.0.0.1:7789" };
  const now = { url: "http://127.0.0.1:41000", issuer: "http://127.0.0.1:41001" };
  const text = `${demoConfiguration({}, was)}\n# mine: http://127.0.0.1:7788\n`;
  assert.deepEqual(addressesIn(text), was);
  const changed = withAddresses(text, now);
  assert.deepEqual(addressesIn(changed), now);
  assert.match(changed, /# mine: http:\/\/127\.0\.0\.1:7788\n$/);
  assert.equal(withAddresses(changed, was), text);
  assert.equal(addressesIn(demoConfiguration({})), null);
});
