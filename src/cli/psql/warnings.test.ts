import assert from "node:assert/strict";
import { test } from "node:test";
import { warningsBefore, warningTimes } from "./warnings.ts";

const MINUTE = 60_000;

test("a long grant is warned of five minutes and one minute before its end", () => {
  assert.deepEqual(warningsBefore(60 * MINUTE), [5 * MINUTE, MINUTE]);
  assert.deepEqual(warningsBefore(10 * MINUTE), [5 * MINUTE, MINUTE]);
});

test("a short grant is warned of once, never with more than half of it left", () => {
  assert.deepEqual(warningsBefore(8 * MINUTE), [MINUTE]);
  assert.deepEqual(warningsBefore(90_000), [22_500]);
  assert.deepEqual(warningsBefore(8_000), [2_000]);
});

test("only warnings that are still to come are planned", () => {
  const expiresMs = 1_000_000;
  assert.deepEqual(warningTimes(expiresMs, 60 * MINUTE, expiresMs - 2 * MINUTE), [expiresMs - MINUTE]);
  assert.deepEqual(warningTimes(expiresMs, 60 * MINUTE, expiresMs), []);
});
