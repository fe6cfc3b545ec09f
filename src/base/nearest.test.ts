import assert from "node:assert/strict";
import { test } from "node:test";
import { editDistance, nearest, suggest } from "./nearest.ts";

test("a slip of the finger is one step: a letter too many, too few, another, or two swapped", () => {
  for (const word of ["group", "groupss", "groubs", "gruops"]) assert.equal(editDistance(word, "groups"), 1, word);
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(editDistance("same", "same"), 0);
});

test("the nearest name is suggested, and none where none is near", () => {
  assert.equal(nearest("grups", ["name", "groups", "type"]), "groups");
  assert.equal(nearest("Owners", ["owners"]), "owners");
  assert.equal(nearest("x", ["y"]), null);
  assert.equal(nearest("zzz", ["name", "groups"]), null);
  assert.equal(nearest("x".repeat(1_000), ["x".repeat(999)]), null);
  assert.equal(suggest("zzz", ["a", "b"], "known"), "known: a, b");
  assert.equal(suggest("zzz", [], "people"), "there are no people");
});
