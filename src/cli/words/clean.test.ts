import assert from "node:assert/strict";
import { test } from "node:test";
import { clean, cleanText } from "./clean.ts";

test("a reason cannot move the cursor, hide text or turn the reading direction", () => {
  assert.equal(cleanText("ok\u001b[1A\u001b[2Kapproved"), "ok�[1A�[2Kapproved");
  assert.equal(cleanText("abc\u202edcba"), "abcdcba");
  assert.equal(cleanText("a\u200bb\u0085c\u009bd"), "ab�c�d");
});

test("line breaks become blanks: one reason is one line", () => {
  assert.equal(cleanText("first\r\nApproved by: bob\tyes"), "first Approved by: bob yes");
});

test("every text in an answer is cleaned, and nothing else is changed", () => {
  const answer = { id: "rq_1", count: 2, none: null, list: [{ reason: "a\u0007b" }], "k\u0007": true };
  assert.deepEqual(clean(answer), { id: "rq_1", count: 2, none: null, list: [{ reason: "a�b" }], "k�": true });
});
