/** The life of a grant under any sequence of commands: what must hold after each of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isRefusal, type Refusal } from "../base/problem.ts";
import { END_CAUSES } from "./end-cause.ts";
import {
  activateGrant,
  askRotation,
  cancelGrant,
  closeGrant,
  confirmGrant,
  deliverCredential,
  type Ending,
  extendedOnTarget,
  extendGrant,
  type Grant,
  type GrantChange,
  isLive,
  provenGone,
  provisioned,
  reopenGrant,
  revokeGrant,
  rotated,
  startGrant,
  withTrouble,
} from "./grant.ts";
import { activeGrant, GONE, HOUR_MS, NOW_MS, OWNER, provisioningGrant, scheduledGrant } from "./grant-fixture.ts";
import { actionFor } from "./plan.ts";

const ACTOR = { principal: OWNER } as const;
const MAX_MS = 8 * HOUR_MS;
const ending = (cause: Ending["cause"]): Ending => ({ cause, by: OWNER, reason: "enough" });

type Command =
  | { do: "wait"; ms: number }
  | { do: "extend"; ms: number }
  | { do: "revoke"; cause: Ending["cause"] }
  | {
      do:
        | "activate"
        | "start"
        | "provisioned"
        | "told"
        | "deliver"
        | "rotate"
        | "rotated"
        | "prove"
        | "close"
        | "confirm"
        | "reopen"
        | "trouble"
        | "due";
    };

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 2 * HOUR_MS }) }),
  fc.record({ do: fc.constant("extend" as const), ms: fc.integer({ min: 1_000, max: 3 * HOUR_MS }) }),
  fc.record({ do: fc.constant("revoke" as const), cause: fc.constantFrom(...END_CAUSES) }),
  fc.record({
    do: fc.constantFrom(
      "activate",
      "start",
      "provisioned",
      "told",
      "deliver",
      "rotate",
      "rotated",
      "prove",
      "close",
      "confirm",
      "reopen",
      "trouble",
      "due",
    ),
  }) as fc.Arbitrary<Command>,
);

type Model = { grant: Grant; nowMs: number; leaseWritten: boolean; addedMs: number };
type Step = { grant: Grant; entry: GrantChange["entry"] | null } | Refusal | null;

/** One command as the operations and the reconciler would give it: guarded by what `plan` and the store guard. */
function step({ grant, nowMs, leaseWritten }: Model, it: Command): Step {
  switch (it.do) {
    case "wait":
      return null;
    case "activate":
      return activateGrant(grant, ACTOR, nowMs);
    case "start":
      return grant.state === "scheduled" && grant.activateByMs === null && nowMs >= grant.startsMs
        ? startGrant(grant)
        : null;
    case "provisioned":
      return grant.state === "provisioning" && nowMs < grant.expiresMs ? provisioned(grant, "ready", nowMs) : null;
    case "extend":
      return extendGrant(grant, it.ms, { maxDurationMs: MAX_MS }, ACTOR, "more", nowMs);
    case "told":
      return grant.state === "active" && grant.extendTarget ? extendedOnTarget(grant) : null;
    case "deliver":
      return deliverCredential(grant, ACTOR, nowMs);
    case "rotate":
      return askRotation(grant, ACTOR, nowMs);
    case "rotated":
      return grant.state === "active" && grant.rotateCredential ? rotated(grant) : null;
    case "revoke":
      return revokeGrant(grant, ending(it.cause), ACTOR, { leaseWritten });
    case "prove":
      return grant.state === "revoking" && !grant.accessGone ? provenGone(grant, {}) : null;
    case "close":
      return grant.state === "revoking" ? closeGrant(grant, GONE, nowMs, 4_000) : null;
    case "confirm":
      return (grant.state === "revoked" || grant.state === "failed") && grant.confirmMs !== null
        ? confirmGrant(grant, {})
        : null;
    case "reopen":
      return grant.state === "revoked" || grant.state === "failed" ? reopenGrant(grant, {}) : null;
    case "trouble":
      return grant.state === "cancelled"
        ? null
        : withTrouble(grant, { code: "unreachable", message: "no answer" }, nowMs, nowMs + 500);
    case "due":
      return dueStep(grant, nowMs, leaseWritten);
  }
}

/** What the reconciler does of itself when it looks. */
function dueStep(grant: Grant, nowMs: number, leaseWritten: boolean): Step {
  const action = actionFor(grant, nowMs);
  if (action?.do === "lapse" && grant.state === "scheduled") return cancelGrant(grant, ending("lapsed"), ACTOR);
  if (action?.do === "expire") return revokeGrant(grant, ending("expired"), ACTOR, { leaseWritten });
  if (action?.do === "give-up") return revokeGrant(grant, ending("provisioning-failed"), ACTOR, { leaseWritten });
  return null;
}

const ORDER = ["scheduled", "provisioning", "active", "revoking", "revoked", "failed", "cancelled"];
const hasEnded = (grant: Grant): boolean => ORDER.indexOf(grant.state) >= ORDER.indexOf("revoking");

function checkInvariants(before: Grant, after: Grant, model: Model, entry: GrantChange["entry"] | null): void {
  // 4: a finite end, no later than what was approved and extended.
  const approvedMs = HOUR_MS + model.addedMs;
  assert.ok(Number.isFinite(after.expiresMs) && after.expiresMs > after.startsMs);
  const latestStartMs = after.activateByMs ?? after.startsMs;
  assert.ok(after.expiresMs <= latestStartMs + approvedMs, "no longer than approved and extended");
  assert.ok(after.expiresMs - after.startsMs <= MAX_MS + HOUR_MS);
  assert.ok(after.extensions === 0 ? model.addedMs === 0 : model.addedMs > 0);
  // 6: what has ended stays ended.
  if (hasEnded(before)) assert.ok(hasEnded(after), `${before.state} → ${after.state}`);
  if (before.state === "cancelled") assert.equal(after, before);
  if (before.state === "revoked") assert.ok(["revoked", "revoking"].includes(after.state));
  // What was approved never changes.
  for (const key of ["id", "requestId", "principalId", "scope", "scopeHash", "entitlement", "createdMs"] as const)
    assert.equal(after[key], before[key]);
  // 12: a change of state brings an entry that names the grant and tells the new state.
  if (after.state !== before.state) assert.ok(entry !== null);
  if (entry !== null) {
    assert.equal(entry.refs.grant, after.id);
    assert.equal(entry.data["state"], after.state);
  }
  assert.equal(hasEnded(after), "ending" in after);
}

test("whatever is done in whatever order: the end is bounded, what ended stays ended, every change has its entry", () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.boolean(),
      fc.array(command, { minLength: 5, maxLength: 40 }),
      (onUse, leaseWritten, commands) => {
        const model: Model = {
          grant: scheduledGrant({ activation: onUse ? "on-use" : "on-approval" }),
          nowMs: NOW_MS,
          leaseWritten,
          addedMs: 0,
        };
        for (const it of commands) {
          if (it.do === "wait") model.nowMs += it.ms;
          const before = model.grant;
          const result = step(model, it);
          if (result === null || isRefusal(result)) continue;
          if (it.do === "extend") {
            assert.ok(model.nowMs < before.expiresMs, "never extended after the end");
            model.addedMs += it.ms;
          }
          checkInvariants(before, result.grant, model, result.entry);
          model.grant = result.grant;
        }
      },
    ),
    { numRuns: 1_000 },
  );
});

test("revoking is idempotent: a grant that is not live any more is not changed", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...END_CAUSES),
      fc.constantFrom(...END_CAUSES),
      fc.boolean(),
      (first, second, leaseWritten) => {
        for (const grant of [scheduledGrant(), provisioningGrant(), activeGrant()]) {
          const once = revokeGrant(grant, ending(first), ACTOR, { leaseWritten });
          assert.ok(once !== null && !isLive(once.grant));
          assert.equal(revokeGrant(once.grant, ending(second), ACTOR, { leaseWritten }), null);
        }
      },
    ),
  );
});

test("what was never made is cancelled at once; what may have been made is revoked with proof", () => {
  assert.equal(
    revokeGrant(scheduledGrant(), ending("withdrawn"), ACTOR, { leaseWritten: false })?.grant.state,
    "cancelled",
  );
  assert.equal(
    revokeGrant(provisioningGrant(), ending("withdrawn"), ACTOR, { leaseWritten: false })?.grant.state,
    "cancelled",
  );
  assert.equal(
    revokeGrant(provisioningGrant(), ending("withdrawn"), ACTOR, { leaseWritten: true })?.grant.state,
    "revoking",
  );
  assert.equal(
    revokeGrant(activeGrant(), ending("withdrawn"), ACTOR, { leaseWritten: false })?.grant.state,
    "revoking",
  );
});

test("a grant is extended only while it is active and before its end, and never beyond the longest time", () => {
  const grant = activeGrant();
  const extend = (nowMs: number, addMs: number) =>
    extendGrant(grant, addMs, { maxDurationMs: MAX_MS }, ACTOR, "more", nowMs);
  const longer = extend(grant.expiresMs - 1, HOUR_MS);
  assert.ok(!isRefusal(longer));
  assert.equal(longer.grant.expiresMs, grant.expiresMs + HOUR_MS);
  for (const [nowMs, addMs, code] of [
    [grant.expiresMs, HOUR_MS, "grant-ended"],
    [grant.expiresMs + 1, HOUR_MS, "grant-ended"],
    [NOW_MS, MAX_MS, "policy-denied"],
  ] as const) {
    const refused = extend(nowMs, addMs);
    assert.ok(isRefusal(refused));
    assert.equal(refused.refused, code);
  }
});

test("a secret is delivered once, until a rotation has made a new one", () => {
  const first = deliverCredential(activeGrant("ready"), ACTOR, NOW_MS);
  assert.ok(!isRefusal(first));
  const again = deliverCredential(first.grant, ACTOR, NOW_MS);
  assert.ok(isRefusal(again) && again.refused === "credential-delivered");
  const asked = askRotation(first.grant, ACTOR, NOW_MS);
  assert.ok(!isRefusal(asked));
  const meanwhile = deliverCredential(asked.grant, ACTOR, NOW_MS);
  assert.ok(isRefusal(meanwhile) && meanwhile.refused === "grant-not-active");
  assert.ok(!isRefusal(deliverCredential(rotated(asked.grant).grant, ACTOR, NOW_MS)));
});

test("nothing is delivered, rotated or activated after the end, also while nobody has revoked it yet", () => {
  const grant = activeGrant("ready");
  for (const answer of [deliverCredential(grant, ACTOR, grant.expiresMs), askRotation(grant, ACTOR, grant.expiresMs)]) {
    assert.ok(isRefusal(answer));
    assert.equal(answer.refused, "grant-ended");
  }
  const waiting = scheduledGrant({ activation: "on-use" });
  assert.ok(waiting.activateByMs !== null);
  const late = activateGrant(waiting, ACTOR, waiting.activateByMs);
  assert.ok(isRefusal(late) && late.refused === "grant-ended");
});

test("the window of an on-use grant starts with its first use and is as long as approved", () => {
  const waiting = scheduledGrant({ activation: "on-use", startMs: NOW_MS + HOUR_MS });
  assert.ok(isRefusal(activateGrant(waiting, ACTOR, NOW_MS)));
  const used = activateGrant(waiting, ACTOR, NOW_MS + HOUR_MS + 7);
  assert.ok(!isRefusal(used));
  assert.deepEqual([used.grant.startsMs, used.grant.expiresMs], [NOW_MS + HOUR_MS + 7, NOW_MS + 2 * HOUR_MS + 7]);
  assert.ok(isRefusal(activateGrant(used.grant, ACTOR, NOW_MS + HOUR_MS + 8)));
});

test("a start in the past is now: nobody gets less, or more, than was approved", () => {
  const grant = scheduledGrant({ startMs: NOW_MS - 50_000 });
  assert.deepEqual([grant.startsMs, grant.expiresMs], [NOW_MS, NOW_MS + HOUR_MS]);
});

test("only the first trouble of a kind is an entry; each attempt is counted, and since when it lasts is kept", () => {
  const error = { code: "unreachable", message: "no answer" };
  const first = withTrouble(activeGrant(), error, NOW_MS, NOW_MS + 1);
  const second = withTrouble(first.grant, error, NOW_MS + 5, NOW_MS + 9);
  assert.equal(first.entry?.kind, "grant.trouble");
  assert.equal(second.entry, null);
  assert.deepEqual(second.grant.trouble, { sinceMs: NOW_MS, attempts: 2, lastError: error, retryMs: NOW_MS + 9 });
  assert.ok(withTrouble(second.grant, { code: "failed", message: "" }, NOW_MS, NOW_MS).entry !== null);
});

test("what a person wrote is personal, what Tidegate says is a fact", () => {
  const byPerson = revokeGrant(activeGrant(), ending("revoked"), ACTOR, { leaseWritten: true });
  assert.deepEqual(byPerson?.entry.personal, { reason: "enough" });
  assert.ok(!JSON.stringify(byPerson?.entry.data).includes("enough"));
  const bySystem = revokeGrant(activeGrant(), { cause: "expired", by: null, reason: "ended" }, ACTOR, {
    leaseWritten: true,
  });
  assert.equal(bySystem?.entry.data["because"], "ended");
});
