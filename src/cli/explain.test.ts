import assert from "node:assert/strict";
import { test } from "node:test";
import { aboutWhom } from "./explain.ts";

test("the person may come first or as an option", () => {
  const alice = { user: "alice", entitlement: "orders-db:read" };
  assert.deepEqual(aboutWhom("alice", "orders-db:read", undefined), alice);
  assert.deepEqual(aboutWhom("orders-db:read", undefined, "alice"), alice);
  assert.deepEqual(aboutWhom("orders-db:read", undefined, undefined), { user: null, entitlement: "orders-db:read" });
});

test("two different people at once, or no entitlement, is a usage error", () => {
  assert.throws(() => aboutWhom("alice", "orders-db:read", "bob"), /Two people are named/);
  assert.throws(() => aboutWhom("alice", undefined, undefined), /such as alice:read/);
});
