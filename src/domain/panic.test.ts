import assert from "node:assert/strict";
import { test } from "node:test";
import { type PrincipalId, panicId, principalId } from "../base/ids.ts";
import { forbiddenBy, type Panic, type PanicScope } from "./panic.ts";

const ALICE = principalId.make();
const BOB = principalId.make();

const panic = (scope: PanicScope, lifted = false): Panic => ({
  id: panicId.make(),
  scope,
  startedBy: BOB,
  startedMs: 1_000,
  reason: "alice's laptop was stolen",
  lifted: lifted ? { by: BOB, atMs: 2_000, reason: "found" } : null,
});
const forbids = (one: Panic, resource: string, person: PrincipalId) =>
  forbiddenBy([one], { resource, principalId: person }) !== null;

test("a panic over everything forbids everything", () => {
  assert.ok(forbids(panic({ on: "all" }), "orders-db", ALICE));
});

test("a panic over a resource forbids that resource to everybody, and nothing else", () => {
  const one = panic({ on: "resource", resource: "orders-db" });
  assert.ok(forbids(one, "orders-db", ALICE));
  assert.ok(!forbids(one, "billing-db", ALICE));
});

test("a panic over a person forbids them everything, and nobody else anything", () => {
  const one = panic({ on: "principal", principalId: ALICE });
  assert.ok(forbids(one, "billing-db", ALICE));
  assert.ok(!forbids(one, "billing-db", BOB));
});

test("a panic that was lifted forbids nothing", () => {
  assert.ok(!forbids(panic({ on: "all" }, true), "orders-db", ALICE));
});

test("the refusal names the panic and what ends it, and never its reason", () => {
  const one = panic({ on: "principal", principalId: ALICE });
  const refusal = forbiddenBy([panic({ on: "all" }, true), one], { resource: "orders-db", principalId: ALICE });
  assert.equal(refusal?.refused, "panic-in-force");
  assert.match(refusal?.detail ?? "", new RegExp(`since 1970-01-01T00:00:01.000Z.*an admin lifts it \\(${one.id}\\)`));
  assert.doesNotMatch(JSON.stringify(refusal), /laptop/);
});
