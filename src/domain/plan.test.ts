import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isRefusal } from "../base/problem.ts";
import {
  activateGrant,
  cancelGrant,
  closeGrant,
  confirmGrant,
  extendGrant,
  type Grant,
  provenGone,
  reopenGrant,
  revokeGrant,
  withTrouble,
} from "./grant.ts";
import {
  activeGrant,
  GONE,
  HOUR_MS,
  leaseFor,
  NOW_MS,
  OWNER,
  provisioningGrant,
  scheduledGrant,
} from "./grant-fixture.ts";
import { actionFor, dueMs, plan, sharedRight } from "./plan.ts";

const ACTOR = { principal: OWNER } as const;
const ENDING = { cause: "revoked", by: OWNER, reason: "" } as const;

function revoking(): Extract<Grant, { state: "revoking" }> {
  const grant = revokeGrant(activeGrant(), ENDING, ACTOR, { leaseWritten: true })?.grant;
  assert.ok(grant?.state === "revoking");
  return grant;
}

function everyState(): Grant[] {
  const onUse = scheduledGrant({ activation: "on-use", startMs: NOW_MS + HOUR_MS });
  const used = activateGrant(onUse, ACTOR, NOW_MS + HOUR_MS);
  const extended = extendGrant(activeGrant(), HOUR_MS, { maxDurationMs: 8 * HOUR_MS }, ACTOR, "", NOW_MS);
  assert.ok(!isRefusal(used) && !isRefusal(extended));
  const revoked = closeGrant(revoking(), GONE, NOW_MS + 10, 4_000).grant;
  return [
    scheduledGrant(),
    scheduledGrant({ startMs: NOW_MS + HOUR_MS }),
    onUse,
    used.grant,
    provisioningGrant(),
    { ...provisioningGrant(), expiresMs: NOW_MS + 1_000 },
    activeGrant(),
    extended.grant,
    { ...activeGrant("ready"), rotateCredential: true },
    revoking(),
    provenGone(revoking(), {}).grant,
    revoked,
    confirmGrant(revoked, {}).grant,
    reopenGrant(revoked, {}).grant,
    { ...revoked, state: "failed" },
    cancelGrant(scheduledGrant(), ENDING, ACTOR).grant,
  ];
}

const anyGrant = fc
  .tuple(
    fc.integer({ min: 0, max: everyState().length - 1 }),
    fc.option(fc.integer({ min: -HOUR_MS, max: 3 * HOUR_MS })),
  )
  .map(([i, retryMs]): Grant => {
    const grant = everyState()[i] as Grant;
    return retryMs === null || grant.state === "cancelled"
      ? grant
      : withTrouble(grant, { code: "unreachable", message: "" }, NOW_MS, NOW_MS + retryMs).grant;
  });

test("nothing is due before its time, and something is due from then on", () => {
  fc.assert(
    fc.property(anyGrant, fc.integer({ min: 0, max: 48 * HOUR_MS }), (grant, afterMs) => {
      const due = dueMs(grant);
      if (due === null) return assert.equal(actionFor(grant, NOW_MS + 1_000 * HOUR_MS), null);
      assert.ok(Number.isSafeInteger(due));
      assert.equal(actionFor(grant, due - 1), null);
      assert.notEqual(actionFor(grant, due), null);
      assert.notEqual(actionFor(grant, due + afterMs), null);
    }),
    { numRuns: 500 },
  );
});

test("every grant that has not ended is due at its end at the latest, whatever troubles it", () => {
  fc.assert(
    fc.property(anyGrant, (grant) => {
      if (!["scheduled", "provisioning", "active"].includes(grant.state)) return;
      if (grant.state === "scheduled") return assert.ok(dueMs(grant) !== null);
      const due = dueMs(grant);
      assert.ok(due !== null && due <= grant.expiresMs, `${grant.state} is due at ${due}, ends at ${grant.expiresMs}`);
      const verb = actionFor(grant, grant.expiresMs)?.do;
      assert.equal(verb, grant.state === "active" ? "expire" : "give-up");
    }),
    { numRuns: 1_000 },
  );
});

test("the action fits the state, and what ends access goes before what gives it, and that before a second look", () => {
  fc.assert(
    fc.property(fc.array(anyGrant, { maxLength: 12 }), fc.integer({ min: 0, max: 4 * HOUR_MS }), (grants, afterMs) => {
      const actions = plan(grants, NOW_MS + afterMs);
      const kinds = actions.map((action) =>
        action.do === "start" || action.do === "provision" ? "gives" : action.do === "expire" ? "ends" : "other",
      );
      assert.ok(kinds.lastIndexOf("ends") < kinds.indexOf("gives") || !kinds.includes("gives"));
      assert.ok(
        !kinds.includes("gives") ||
          kinds.lastIndexOf("gives") < actions.findIndex((it) => it.do === "confirm") ||
          !actions.some((it) => it.do === "confirm"),
      );
      assert.equal(actions.length, grants.filter((grant) => actionFor(grant, NOW_MS + afterMs) !== null).length);
    }),
  );
});

test("a scheduled grant whose whole window has passed lapses and is never made", () => {
  const grant = scheduledGrant();
  assert.equal(actionFor(grant, grant.expiresMs - 1)?.do, "start");
  assert.equal(actionFor(grant, grant.expiresMs)?.do, "lapse");
});

const holders = fc.array(
  fc.record({
    grant: fc.constantFrom(...everyState()).map((grant): Grant => ({ ...grant, id: scheduledGrant().id })),
    sameRight: fc.boolean(),
    released: fc.boolean(),
  }),
  { maxLength: 6 },
);

test("8: a right stays exactly while another grant that is in use, or about to be, holds the same right", () => {
  fc.assert(
    fc.property(holders, fc.boolean(), (wanted, found) => {
      const own = leaseFor(scheduledGrant().id, { origin: found ? "found" : "made" });
      const others = wanted.map(({ grant, sameRight, released }) => ({
        grant,
        lease: leaseFor(grant.id, {
          ...(sameRight ? {} : { rightKey: "memory:d/member/admins/bob" }),
          state: released ? "released" : "made",
        }),
      }));
      const { coveredBy, standing } = sharedRight(own, [
        ...others,
        { grant: { ...revoking(), id: own.grantId }, lease: own },
      ]);
      const needed = wanted.filter(
        ({ grant, sameRight, released }) =>
          sameRight && !released && (grant.state === "active" || grant.state === "provisioning"),
      );
      assert.deepEqual([...coveredBy].sort(), needed.map(({ grant }) => grant.id).sort());
      assert.equal(standing, found);
    }),
  );
});

test("8: two grants of one right that end together do not wait for each other", () => {
  const [a, b] = [revoking(), revoking()];
  const [ofA, ofB] = [leaseFor(a.id), leaseFor(b.id)];
  const both = [
    { grant: a, lease: ofA },
    { grant: b, lease: ofB },
  ] as const;
  assert.deepEqual([sharedRight(ofA, both).coveredBy, sharedRight(ofB, both).coveredBy], [[], []]);
});

test("of many that are being revoked those that ended first come first, and before them what somebody wants gone now", () => {
  const revokingBy = (cause: "expired" | "revoked", expiresMs: number): number | null => {
    const active = { ...activeGrant(), expiresMs };
    const change = revokeGrant(
      active,
      { cause, by: null, reason: "" },
      { system: "reconciler" },
      { leaseWritten: true },
    );
    return change === null ? null : dueMs(change.grant);
  };
  const endMs = activeGrant().expiresMs;
  assert.equal(revokingBy("expired", endMs), endMs);
  assert.equal(revokingBy("expired", endMs + 1), endMs + 1);
  assert.equal(revokingBy("revoked", endMs), activeGrant().createdMs);
});
