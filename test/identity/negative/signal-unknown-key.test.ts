import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSignalRefused, signalling } from "../../support/signals.ts";

test("a signal that is signed with a key that is not published ends nothing, until it is", async (t) => {
  const it = await signalling(t);
  const there = await it.arrive();
  await it.provider.rotate(false);
  const claims = it.claims();
  const { status, err } = await it.send(claims);
  assert.deepEqual([status, err], [400, "invalid_key"]);
  assert.deepEqual(await it.left(there), ["session", "grant"]);
  await it.provider.publish();
  assert.equal((await it.send(claims)).status, 202, "a key that was changed a second ago is known");
  assert.deepEqual(await it.left(there), []);
});

test("a signal whose words were changed after it was signed ends nothing", async (t) => {
  const it = await signalling(t);
  await assertSignalRefused(it, "authentication_failed", it.claims(), async (claims) => {
    const [head, , signature] = (await it.provider.sign({ ...claims, jti: "another" }, { typ: "secevent+jwt" })).split(
      ".",
    );
    return [head, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature].join(".");
  });
});
