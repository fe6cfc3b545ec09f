import assert from "node:assert/strict";
import { test } from "node:test";
import { identifier, isIdentifier, literal, qualified } from "./quote.ts";

test("an identifier means exactly itself", () => {
  assert.equal(identifier("orders"), '"orders"');
  assert.equal(identifier('a"; drop table b; --'), '"a""; drop table b; --"');
  assert.equal(qualified("Sales", "select"), '"Sales"."select"');
});

test("a literal means exactly itself", () => {
  assert.equal(literal("it's"), "'it''s'");
  assert.equal(literal("a\\'"), " E'a\\\\'''");
});

test("a name that the server would cut, or cannot hold, is never sent", () => {
  assert.equal(isIdentifier("ä".repeat(31)), true);
  assert.equal(isIdentifier("ä".repeat(32)), false);
  assert.throws(() => identifier("x".repeat(64)));
  assert.throws(() => identifier("a\0b"));
  assert.throws(() => identifier(""));
  assert.throws(() => literal("a\0b"));
});
