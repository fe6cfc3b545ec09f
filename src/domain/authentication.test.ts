import assert from "node:assert/strict";
import { test } from "node:test";
import { type Demands, demandInWords, demandsNoLess, lacking, notLater, seenByProvider } from "./authentication.ts";

const NOW_MS = Date.parse("2026-01-31T12:00:00Z");
const MINUTE_MS = 60_000;
const seen = (agoMs: number | null, acr: string | null = null) => ({
  ...{ atMs: agoMs === null ? null : NOW_MS - agoMs, acr },
  amr: [],
});

test("a sign-in is fresh up to the very age that is demanded, and what is not known is not fresh", () => {
  const demand = { maxAgeMs: 15 * MINUTE_MS };
  assert.equal(lacking(demand, seen(15 * MINUTE_MS), NOW_MS), null);
  assert.deepEqual(lacking(demand, seen(15 * MINUTE_MS + 1), NOW_MS), demand);
  for (const unknown of [null, seen(null), seen(Number.NaN)])
    assert.deepEqual(lacking(demand, unknown, NOW_MS), demand);
});

test("of several kinds one must be, letter by letter; all that is demanded must hold", () => {
  const demand = { acr: ["phr", "phrh"], maxAgeMs: MINUTE_MS };
  assert.equal(lacking(demand, seen(0, "phrh"), NOW_MS), null);
  for (const shown of [seen(0), seen(0, "PHR"), seen(0, "phr phrh"), seen(2 * MINUTE_MS, "phr")])
    assert.deepEqual(lacking(demand, shown, NOW_MS), demand);
  assert.equal(demandInWords(demand), "a sign-in no older than 1m of the kind phr or phrh (acr)");
});

test("a passkey answers for five minutes; beside a sign-in only what is missing is demanded", () => {
  const demand = { passkey: true, maxAgeMs: MINUTE_MS } as const;
  const answered = (agoMs: number) => ({ ...seen(0), passkeyMs: NOW_MS - agoMs });
  assert.equal(lacking(demand, answered(5 * MINUTE_MS), NOW_MS), null);
  assert.deepEqual(lacking(demand, answered(5 * MINUTE_MS + 1), NOW_MS), { passkey: true });
  assert.deepEqual(lacking(demand, { ...seen(null), passkeyMs: NOW_MS }, NOW_MS), { maxAgeMs: MINUTE_MS });
  assert.deepEqual(lacking({ passkey: true }, null, NOW_MS), { passkey: true });
  assert.deepEqual(lacking(demand, seen(0), NOW_MS), { passkey: true }, "kept before there were any");
  assert.equal(demandInWords({ passkey: true }), "a passkey that answers for this very act");
});

test("what a provider says is taken as it stands, and what is no time is none", () => {
  const at = NOW_MS / 1_000;
  assert.deepEqual(seenByProvider({ auth_time: at, acr: "phr", amr: ["hwk", 1] }), {
    ...{ atMs: NOW_MS, acr: "phr", amr: ["hwk"] },
  });
  for (const auth_time of ["1", 1.5, -1, 0, null, undefined, Number.MAX_VALUE])
    assert.equal(seenByProvider({ auth_time }).atMs, null, String(auth_time));
});

test("a provider whose clock is a little ahead saw it now; one that saw what is yet to come saw nothing", () => {
  assert.equal(notLater(seen(-20_000), NOW_MS).atMs, NOW_MS);
  assert.equal(notLater(seen(-31_000), NOW_MS).atMs, null);
  assert.equal(notLater(seen(5_000), NOW_MS).atMs, NOW_MS - 5_000);
});

test("demands no less: shorter, of fewer kinds, or where there was nothing", () => {
  const before: Demands = { request: { maxAgeMs: 15 * MINUTE_MS }, review: { acr: ["a", "b"] } };
  const noLess: readonly Demands[] = [
    before,
    { ...before, request: { maxAgeMs: MINUTE_MS } },
    { ...before, review: { acr: ["b"], maxAgeMs: MINUTE_MS } },
  ];
  const less: readonly (Demands | undefined)[] = [
    undefined,
    {},
    { request: before.request ?? {} },
    { ...before, request: { maxAgeMs: 16 * MINUTE_MS } },
    { ...before, request: { acr: ["a"] } },
    { ...before, review: { acr: ["a", "c"] } },
  ];
  for (const after of noLess) assert.equal(demandsNoLess(before, after), true, JSON.stringify(after));
  for (const after of less) assert.equal(demandsNoLess(before, after), false, JSON.stringify(after));
  assert.equal(demandsNoLess(undefined, before), true);
  const passkey: Demands = { request: { passkey: true } };
  assert.equal(demandsNoLess(passkey, { request: { passkey: true, maxAgeMs: MINUTE_MS } }), true);
  assert.equal(demandsNoLess(passkey, before), false);
});
