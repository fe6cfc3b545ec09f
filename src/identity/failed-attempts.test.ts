import assert from "node:assert/strict";
import { test } from "node:test";
import { FailedAttempts } from "./failed-attempts.ts";

test("thirty failures a minute are borne from one address, more are told how long to wait", () => {
  let nowMs = 0;
  const failed = new FailedAttempts({ monotonicMs: () => nowMs });
  for (let i = 0; i < 30; i += 1) assert.equal(failed.note("a"), null);
  nowMs = 20_000;
  assert.equal(failed.note("a"), 40);
  assert.equal(failed.note("b"), null, "another address counts for itself");
  nowMs = 60_000;
  assert.equal(failed.note("a"), null, "a new minute, a new count");
});

test("however many addresses fail, memory is bounded", () => {
  const failed = new FailedAttempts({ monotonicMs: () => 0 });
  for (let i = 0; i < 30; i += 1) failed.note("a");
  for (let i = 0; i < 20_000; i += 1) failed.note(`address ${i}`);
  assert.equal(failed.note("a"), null);
});
