import assert from "node:assert/strict";
import { test } from "node:test";
import {
  durationText,
  entitlementName,
  grantIdText,
  momentText,
  requestIdText,
  startTime,
  wholeNumber,
  wordsOf,
} from "./options.ts";

const NOW = Date.parse("2026-11-23T14:05:00Z");

test("a duration is checked and sent as it was typed", () => {
  assert.equal(durationText(" 1h30m "), "1h30m");
  assert.throws(() => durationText("1 hour"), /write 90s, 15m, 8h/);
  assert.throws(() => durationText("0s"), /longer than zero/);
});

test("a start is a time with its zone, a time of day, or so long from now", () => {
  const start = startTime(NOW);
  assert.equal(start("2026-12-01T08:00:00+01:00"), "2026-12-01T07:00:00.000Z");
  assert.equal(start("+2h"), "2026-11-23T16:05:00.000Z");
  const clock = new Date(start("14:30"));
  assert.deepEqual([clock.getHours(), clock.getMinutes()], [14, 30]);
  for (const wrong of ["tomorrow", "2026-12-01", "25:00", "+soon", ""])
    assert.throws(() => start(wrong), /Write 2026/, wrong);
});

test("a time of day that has passed means tomorrow's", () => {
  const local = new Date(NOW);
  local.setHours(10, 0, 0, 0);
  const started = Date.parse(startTime(local.getTime())("09:00"));
  assert.ok(started > local.getTime() && started - local.getTime() < 24 * 3_600_000);
});

test("a moment looked back to is a time with its zone, a day, a time of today, or so long ago or ahead", () => {
  const at = momentText(NOW);
  assert.equal(at("2026-11-23T08:00:00+01:00"), "2026-11-23T07:00:00.000Z");
  for (const ago of ["2h", "-2h"]) assert.equal(at(ago), "2026-11-23T12:05:00.000Z");
  assert.equal(at("+30m"), "2026-11-23T14:35:00.000Z");
  assert.equal(at("2026-01-31"), new Date(2026, 0, 31).toISOString());
  const clock = new Date(at("09:30"));
  assert.deepEqual([clock.getDate(), clock.getHours(), clock.getMinutes()], [new Date(NOW).getDate(), 9, 30]);
  for (const wrong of ["yesterday", "2026-02-30", "2026-13-01", "24:00", "", "2026-01-31T12:00:00"])
    assert.throws(() => at(wrong), /Write 2026/, wrong);
});

test("an entitlement is a resource and what is wanted on it", () => {
  assert.equal(entitlementName("orders-db:read"), "orders-db:read");
  assert.throws(() => entitlementName("orders-db"), /such as orders-db:read/);
  assert.throws(() => entitlementName("a:b:c"), /such as orders-db:read/);
});

test("an id of the wrong thing is told apart from no id at all", () => {
  assert.equal(requestIdText("rq_0123456789abcdef"), "rq_0123456789abcdef");
  assert.throws(() => requestIdText("gr_0123456789abcdef"), /This is a grant\. Write the id of a request/);
  assert.throws(() => grantIdText("rq_0123456789abcdef"), /This is a request\. Write the id of a grant/);
  assert.throws(() => grantIdText("gr_short"), /^.*Write the id of a grant/);
});

test("numbers are whole and within bounds, words are among those that exist", () => {
  assert.equal(wholeNumber(1, 200)("50"), 50);
  for (const wrong of ["0", "201", "1.5", "-1", "x", ""])
    assert.throws(() => wholeNumber(1, 200)(wrong), /from 1 to 200/);
  assert.equal(wordsOf(["a", "b"])("b,a"), "b,a");
  assert.throws(() => wordsOf(["a", "b"])("a,c"), /one or more of a, b/);
});
