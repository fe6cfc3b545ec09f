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

test("the position grows by one with each change, and with nothing else", async () => {
  const directory = memoryDirectory("position");
  directory.members.set("admins", new Set());
  const target = await openMemory("position");
  const order = orderFor("alice");
  const before = await target.identify();
  for (const _ of [1, 2]) await target.provision(order, { secret: null, remainingMs: 1 });
  await target.revoke(order, { keep: true });
  for (const _ of [1, 2]) await target.revoke(order, { keep: false });
  await target.probe(order);
  assert.equal(BigInt((await target.identify()).position ?? 0) - BigInt(before.position ?? 0), 2n);
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
