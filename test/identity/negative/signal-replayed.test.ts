import assert from "node:assert/strict";
import { test } from "node:test";
import { signalling } from "../../support/signals.ts";

test("a signal that comes again is taken again, and ends nothing that began meanwhile", async (t) => {
  const it = await signalling(t);
  const claims = it.claims();
  const before = await it.arrive();
  const token = await it.provider.sign({ ...claims }, { typ: "secevent+jwt" });
  assert.equal((await it.push(token)).status, 202);
  assert.deepEqual(await it.left(before), []);
  const after = await it.arrive();
  assert.equal((await it.push(token)).status, 202, "the sender need not know that it had come");
  assert.equal((await it.send({ ...claims, iat: (claims.iat ?? 0) + 1 })).status, 202, "it is known by its id");
  assert.deepEqual(await it.left(after), ["session", "grant"]);
  const entries = (await it.world.entries()).filter(({ leaf }) => leaf.kind === "signal.received");
  assert.equal(entries.length, 1);
});

test("of many that come at once one is the first", async (t) => {
  const it = await signalling(t);
  const there = await it.arrive();
  const token = await it.provider.sign({ ...it.claims() }, { typ: "secevent+jwt" });
  const answers = await Promise.all(Array.from({ length: 8 }, () => it.push(token)));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([202]));
  assert.deepEqual(await it.left(there), []);
  const entries = (await it.world.entries()).filter(({ leaf }) => leaf.kind === "signal.received");
  assert.equal(entries.length, 1);
});
