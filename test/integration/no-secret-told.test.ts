/** S24: what holds every other test to it (test/support/issued-secrets.ts) does find a secret, wherever one is told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "../../src/base/secret.ts";
import { newToken } from "../../src/base/token.ts";
import { sequenceAll } from "../../src/store/audit.ts";
import { assertUntold, isWatched } from "../support/issued-secrets.ts";
import { createWorld } from "../support/world.ts";

// Whoever runs this file alone has not loaded the marks first.
const skip = isWatched ? false : "needs --import ./test/support/mark-secrets.ts";

test("S24 a secret in a text is found, a token as well as a password within an address", { skip }, () => {
  const token = newToken();
  const password = crypto.randomUUID();
  const connection = new Secret(JSON.stringify({ url: `postgres://admin:${password}@127.0.0.1/orders` }));
  assert.equal(String(connection), "[redacted]");
  for (const text of [`{"token":"${token}"}`, `could not connect with ${password}`])
    assert.throws(() => assertUntold(text, "a text"), /S24: a text tells a secret/);
  assertUntold(`postgres://admin:[redacted]@127.0.0.1/orders ${crypto.randomUUID()}`, "a text");
});

test("S24 a secret in the audit log fails the test whose world it is", { skip }, async () => {
  const world = await createWorld();
  const password = new Secret(crypto.randomUUID()).reveal();
  const entry = { kind: "operation.refused" as const, actor: { system: "jobs" as const }, refs: {} };
  await world.context.ledger.transaction(async (tx) => {
    const data = { operation: "test", code: password };
    await tx.appendEntries(world.context.installation, [{ ...entry, data }], await tx.nowMs());
  });
  await sequenceAll(world.store.db);
  await assert.rejects(world.stop(), /S24: the table public\.audit_entries tells a secret/);
});
