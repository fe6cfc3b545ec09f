/** Database time while the database is away. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Boot } from "../base/boot.ts";
import { DatabaseClock } from "./database-clock.ts";

const HOUR_MS = 3_600_000;

/** A machine whose three times can be moved one by one. */
function machine(start: { wallMs: number; boot?: Boot | null }) {
  const it = { wallMs: start.wallMs, monotonicMs: 50, boot: start.boot ?? null };
  const clock = { nowMs: () => it.wallMs, monotonicMs: () => it.monotonicMs };
  return { it, clock: () => new DatabaseClock(clock, () => it.boot) };
}

test("rows 6, 13: a clock that is set an hour ahead or back while the store is away changes nothing", () => {
  for (const shiftMs of [HOUR_MS, -HOUR_MS]) {
    const { it, clock } = machine({ wallMs: 1_000_000 });
    const time = clock();
    assert.equal(time.nowMs(), null);
    time.heard(5_000_000);
    it.wallMs += shiftMs;
    it.monotonicMs += 700;
    assert.equal(time.nowMs(), 5_000_700);
  }
});

test("rows 6, 13: a process that is started again goes on by the machine's own time, wherever its clock was set meanwhile", () => {
  for (const shiftMs of [HOUR_MS, -HOUR_MS]) {
    const { it, clock } = machine({ wallMs: 1_000_000, boot: { id: "a", uptimeMs: 9_000 } });
    const before = clock();
    before.heard(5_000_000);
    const kept = before.moment();
    assert.ok(kept !== null);
    it.wallMs += shiftMs;
    it.boot = { id: "a", uptimeMs: 69_000 };
    it.monotonicMs = 1;
    const after = clock();
    after.resume(kept);
    assert.equal(after.nowMs(), 5_060_000);
  }
});

test("row 6: after a restart of the machine its clock counts, with the distance that was measured, and never before what the database has said", () => {
  const { it, clock } = machine({ wallMs: 1_000_000, boot: { id: "a", uptimeMs: 9_000 } });
  const before = clock();
  before.heard(5_000_000);
  const kept = before.moment();
  assert.ok(kept !== null);
  it.boot = { id: "b", uptimeMs: 3_000 };
  it.wallMs = 1_090_000;
  const later = clock();
  later.resume(kept);
  assert.equal(later.nowMs(), 5_090_000);
  it.wallMs = 1;
  const back = clock();
  back.resume(kept);
  assert.equal(back.nowMs(), 5_000_000);
});

test("row 6: the time in which the machine slept counts, though the process's own time stood still", () => {
  const { it, clock } = machine({ wallMs: 1_000_000, boot: { id: "a", uptimeMs: 9_000 } });
  const time = clock();
  time.heard(5_000_000);
  it.monotonicMs += 100;
  it.boot = { id: "a", uptimeMs: 9_000 + HOUR_MS };
  assert.equal(time.nowMs(), 5_000_000 + HOUR_MS);
});
