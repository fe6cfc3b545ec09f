import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DAYS, type Hours, isWithin, opensMs } from "./hours.ts";

const MINUTE_MS = 60_000;
const anyHours: fc.Arbitrary<Hours> = fc.record({
  zone: fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"),
  days: fc.subarray([...DAYS], { minLength: 1 }),
  fromMinute: fc.nat(1_439),
  toMinute: fc.nat(1_440),
});
const anyTime = fc.integer({ min: Date.parse("2026-01-01"), max: Date.parse("2027-01-01") });

test("hours open next at a minute that is within them, with none before it that is", () => {
  fc.assert(
    fc.property(anyHours, anyTime, (hours, fromMs) => {
      const opens = opensMs(hours, fromMs);
      assert.equal(opens === null, isWithin(hours, fromMs));
      if (opens === null) return;
      assert.ok(opens > fromMs && isWithin(hours, opens));
      // The clock is set twice a year: what it leaves out or repeats may move an opening by an hour.
      for (let atMs = fromMs; atMs < opens - 61 * MINUTE_MS; atMs += 7 * MINUTE_MS) assert.ok(!isWithin(hours, atMs));
    }),
  );
});

test("an opening is told across a weekend and past midnight", () => {
  const office: Hours = { zone: "Europe/Berlin", days: ["mon", "fri"], fromMinute: 8 * 60, toMinute: 18 * 60 };
  assert.equal(opensMs(office, Date.parse("2026-03-27T18:30:00Z")), Date.parse("2026-03-30T06:00:00Z"));
  const night: Hours = { ...office, fromMinute: 22 * 60, toMinute: 6 * 60 };
  assert.equal(opensMs(night, Date.parse("2026-03-28T02:00:00Z")), null);
  assert.equal(opensMs(night, Date.parse("2026-03-28T12:00:30Z")), Date.parse("2026-03-30T20:00:00Z"));
});
