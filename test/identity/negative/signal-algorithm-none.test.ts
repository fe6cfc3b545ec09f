import assert from "node:assert/strict";
import { test } from "node:test";
import { SignJWT } from "jose";
import { CLIENT } from "../../support/identity-provider.ts";
import { assertSignalRefused, signalling } from "../../support/signals.ts";

test("a signal that nobody signed, or that our own secret signs, ends nothing", async (t) => {
  const it = await signalling(t);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const unsigned = async (claims: object): Promise<string> =>
    `${part({ alg: "none", typ: "secevent+jwt" })}.${part(claims)}.`;
  await assertSignalRefused(it, "invalid_key", it.claims(), unsigned);
  const bySecret = (claims: object): Promise<string> =>
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg: "HS256", typ: "secevent+jwt" })
      .sign(new TextEncoder().encode(CLIENT.secret));
  const there = await it.arrive();
  const { status, err } = await it.send(it.claims(), bySecret);
  assert.deepEqual([status, err], [400, "invalid_key"]);
  assert.deepEqual(await it.left(there), ["session", "grant"]);
});
