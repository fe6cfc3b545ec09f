import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import {
  REASON_CHARS_MAX as STORED_REASON_MAX,
  TICKET_CHARS_MAX as STORED_TICKET_MAX,
} from "../operations/submit-request.ts";
import { durationIn, numberIn, REASON_CHARS_MAX, someOf, TICKET_CHARS_MAX, text, timeIn } from "./values.ts";

describe("texts", () => {
  test("a text is trimmed, and what PostgreSQL or a terminal could not bear is refused", () => {
    assert.equal(text(20).parse("  two\n\tlines  "), "two\n\tlines");
    for (const bad of ["\u0000", "a\u0000b", "\u001b[2J", "a\u007fb", "a\u0085b", "\ud800", "\udc00x", "x".repeat(21)])
      assert.equal(text(20).safeParse(bad).success, false, JSON.stringify(bad));
    assert.equal(text(20).parse("naïve 日本 👍 שלום"), "naïve 日本 👍 שלום");
  });

  test("whatever is accepted is well-formed, holds no NUL, and is not too long", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 30 }), (written) => {
        const parsed = text(20).safeParse(written);
        if (!parsed.success) return;
        assert.ok(parsed.data.isWellFormed() && !parsed.data.includes("\u0000") && parsed.data.length <= 20);
      }),
    );
  });

  test("the edge and the operations agree on how long a text may be", () => {
    assert.equal(REASON_CHARS_MAX, STORED_REASON_MAX);
    assert.equal(TICKET_CHARS_MAX, STORED_TICKET_MAX);
  });
});

describe("durations, times, numbers, lists", () => {
  test("a duration becomes milliseconds; anything else is told how to write one", () => {
    assert.equal(durationIn.parse("1h30m"), 5_400_000);
    for (const bad of [null, undefined, 0, 90, Number.NaN, "1 fortnight", "-1h", "0s", {}]) {
      const parsed = durationIn.safeParse(bad);
      assert.equal(parsed.success, false);
      assert.match(parsed.error?.issues[0]?.message ?? "", /duration/);
      assert.equal(parsed.error?.issues.length, 1);
    }
  });

  test("a time needs its zone", () => {
    assert.equal(timeIn.parse("2026-01-31T12:00:00+01:00"), Date.parse("2026-01-31T11:00:00Z"));
    for (const bad of ["2026-01-31T12:00:00", "2026-01-31", "tomorrow", ""])
      assert.equal(timeIn.safeParse(bad).success, false);
  });

  test("a list names only words that there are", () => {
    const states = someOf(["pending", "denied"]);
    assert.deepEqual(states.parse("pending,denied"), ["pending", "denied"]);
    for (const bad of ["", "pending,", "open", "pending,open"]) assert.equal(states.safeParse(bad).success, false);
  });

  test("a number is whole and within its bounds", () => {
    assert.equal(numberIn(1, 5).parse("5"), 5);
    for (const bad of ["0", "6", "1.5", "many", "-1", "Infinity"])
      assert.equal(numberIn(1, 5).safeParse(bad).success, false);
  });
});
