import assert from "node:assert/strict";
import { test } from "node:test";
import { away, clockTime, moment, roughly } from "./time.ts";

const NOW = Date.parse("2026-11-23T14:05:00Z");
const at = (time: string): number => Date.parse(time);

test("a length is told in two units at most", () => {
  const told = [0, 400, 42_000, 59_900, 60_000, 299_000, 3_600_000, 3_900_000, 86_400_000, 93_600_000].map(roughly);
  assert.deepEqual(told, ["0s", "0s", "42s", "1m", "1m", "5m", "1h", "1h 5m", "1d", "1d 2h"]);
});

test("rounding up never tells 60 minutes or 24 hours", () => {
  assert.equal(roughly(3_599_000), "1h");
  assert.equal(roughly(86_399_000), "1d");
  assert.equal(roughly(2 * 86_400_000 - 1_000), "2d");
});

test("how far away a moment is, in both directions", () => {
  assert.equal(away(NOW + 12 * 60_000, NOW), "in 12m");
  assert.equal(away(NOW - 3 * 60_000, NOW), "3m ago");
  assert.equal(away(NOW + 500, NOW), "now");
});

test("a time of today is told without its date, another day's with it, a near one with seconds", () => {
  assert.equal(clockTime(at("2026-11-23T14:17:00Z"), NOW, "UTC"), "14:17");
  assert.equal(clockTime(at("2026-11-23T14:05:42Z"), NOW, "UTC"), "14:05:42");
  assert.equal(clockTime(at("2026-11-24T09:00:00Z"), NOW, "UTC"), "24 Nov 09:00");
  assert.equal(clockTime(at("2027-01-02T09:00:00Z"), NOW, "UTC"), "2 Jan 2027 09:00");
});

test("the reader's own time zone decides what today is", () => {
  assert.equal(clockTime(at("2026-11-23T23:30:00Z"), NOW, "Asia/Tokyo"), "24 Nov 08:30");
});

test("a moment is told absolute and relative; what is no time is told as it came", () => {
  assert.equal(moment("2026-11-23T14:17:00Z", NOW, "UTC"), "14:17, in 12m");
  assert.equal(moment("never", NOW), "never");
});
