import assert from "node:assert/strict";
import { test } from "node:test";
import { grantId, newInstallationId } from "../base/ids.ts";
import { conformance } from "../connector/conformance/conformance.ts";
import { type Order, TargetError } from "../connector/connector.ts";
import { memory, memoryDirectory } from "./memory.ts";
import { memoryFixture } from "./memory-fixture.ts";

function orderFor(handle: string, group = "admins"): Order<{ group: string }> {
  const intent = {
    installation: newInstallationId(),
    grant: grantId.make(),
    scope: { group },
    scopeHash: "x",
    principal: { handle, email: null },
  };
  return { ...intent, names: memory.intend(intent).names, details: {}, remember: async () => {} };
}
const openMemory = (directory: string, grant = grantId.make()) =>
  memory.open(
    { directory },
    { signal: new AbortController().signal, actor: { installation: newInstallationId(), grant, fence: 1 } },
  );

conformance(memory, memoryFixture());

test("a membership is given, seen standing, kept when asked, and taken", async () => {
  const directory = memoryDirectory("life");
  directory.members.set("admins", new Set());
  const target = await openMemory("life");
  const order = orderFor("alice");
  const before = await target.identify();
  assert.equal(await target.standing(order), false);
  await target.provision(order, { secret: null, remainingMs: 1 });
  await target.provision(order, { secret: null, remainingMs: 1 });
  assert.equal(await target.standing(order), true);
  assert.equal((await target.probe(order)).right, "live");
  await target.revoke(order, { keep: true });
  assert.equal((await target.probe(order)).right, "live");
  assert.equal((await target.probe(order)).own, "gone", "there is no credential of its own");
  await target.revoke(order, { keep: false });
  await target.revoke(order, { keep: false });
  assert.equal((await target.probe(order)).right, "gone");
  const after = await target.identify();
  assert.equal(after.identity, before.identity);
  assert.equal(BigInt(after.position ?? 0) - BigInt(before.position ?? 0), 2n);
});

test("a membership is disabled by taking it away, unless it is to be kept; of the absent it succeeds", async () => {
  const directory = memoryDirectory("disable");
  directory.members.set("admins", new Set());
  const target = await openMemory("disable");
  const order = orderFor("alice");
  await target.provision(order, { secret: null, remainingMs: 1 });
  await target.disable(order, { keep: true });
  assert.equal((await target.probe(order)).right, "live");
  for (const _ of [1, 2]) await target.disable(order, { keep: false });
  assert.equal((await target.probe(order)).right, "gone");
});

test("a group that is not there is a permanent error, and faults are what the test says", async () => {
  const directory = memoryDirectory("faults");
  const target = await openMemory("faults");
  await assert.rejects(
    target.provision(orderFor("alice"), { secret: null, remainingMs: 1 }),
    (error: unknown) => error instanceof TargetError && error.permanent,
  );
  directory.fail = (verb) => {
    if (verb === "probe") throw new TargetError("unreachable", "down");
  };
  await assert.rejects(target.probe(orderFor("alice")), /down/);
  assert.equal(await target.standing(orderFor("alice")), false);
});
