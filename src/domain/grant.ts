/**
 * The life of a grant, as pure transitions. Every function takes the grant as it is and answers the grant as it must
 * become together with the one audit entry of that change, or a refusal. Nothing here knows of time but what it is told.
 *
 *   scheduled → provisioning → active → revoking → revoked
 *       ↓            ↓  (no lease yet)     ↓ ↑        ↓ (a later probe sees access)
 *   cancelled    cancelled              failed     revoking
 */
import { assert } from "../base/assert.ts";
import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import type { GrantId, PrincipalId, RequestId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import type { EntryActor, EntryDraft, EntryKind } from "./audit.ts";
import type { EndCause } from "./end-cause.ts";
import type { EntitlementRef } from "./entitlement.ts";
import type { Evidence } from "./evidence.ts";
import { telling } from "./message.ts";
import type { Activation } from "./request.ts";
import { tellEndedEarly } from "./tell.ts";

/** What keeps a grant from going on, and when it is tried again. */
export type Trouble = {
  readonly sinceMs: number;
  readonly attempts: number;
  readonly lastError: { readonly code: string; readonly message: string };
  readonly retryMs: number;
};

export type Receipt = { readonly verifiedMs: number; readonly evidence: Evidence };

export type Ending = {
  readonly cause: EndCause;
  /** Who ended it; null where time or Tidegate did. */
  readonly by: PrincipalId | null;
  readonly reason: string;
};

type Base = {
  readonly id: GrantId;
  readonly requestId: RequestId;
  readonly principalId: PrincipalId;
  readonly resource: string;
  readonly entitlement: EntitlementRef;
  /** As approved. A configuration edited later changes nothing here. */
  readonly scope: JsonObject;
  readonly scopeHash: string;
  readonly activation: Activation;
  /** Length as approved, with every extension. */
  readonly durationMs: number;
  readonly startsMs: number;
  /** For on-use grants not yet used: lapses then. */
  readonly activateByMs: number | null;
  readonly expiresMs: number;
  readonly extensions: number;
  readonly configVersion: number;
  readonly createdMs: number;
  readonly trouble: Trouble | null;
};

export type ScheduledGrant = Base & { readonly state: "scheduled" };
export type ProvisioningGrant = Base & { readonly state: "provisioning" };
export type ActiveGrant = Base & {
  readonly state: "active";
  /** The target has not been told of the new end yet. */
  readonly extendTarget: boolean;
  /** A new secret was asked for. */
  readonly rotateCredential: boolean;
  readonly credential: "none" | "ready" | "delivered";
};
export type RevokingGrant = Base & {
  readonly state: "revoking";
  readonly ending: Ending;
  readonly leadsTo: "revoked" | "failed";
  /** False: still live, as far as anybody has proven. True: access is gone, clean-up pending. */
  readonly accessGone: boolean;
};
export type RevokedGrant = Base & {
  readonly state: "revoked" | "failed";
  readonly ending: Ending;
  readonly revokedMs: number;
  readonly receipt: Receipt;
  /** When a second probe must confirm; null once it has. */
  readonly confirmMs: number | null;
};
export type CancelledGrant = Base & { readonly state: "cancelled"; readonly ending: Ending };

export type Grant = ScheduledGrant | ProvisioningGrant | ActiveGrant | RevokingGrant | RevokedGrant | CancelledGrant;
export type GrantState = Grant["state"];

/** A transition: the grant as it must become, and its one entry. */
export type GrantChange<G extends Grant = Grant> = { readonly grant: G; readonly entry: EntryDraft };

/** Provisioning gives up this long after the start. */
export const PROVISION_WITHIN_MS = 10 * 60_000;

/** However often: one grant is extended at most this many times. */
const EXTENSIONS_MAX = 10;

const RECONCILER: EntryActor = { system: "reconciler" };

const entryOf = (
  grant: Grant,
  kind: EntryKind,
  actor: EntryActor,
  data: JsonObject = {},
  personal?: Record<string, string>,
): EntryDraft => ({
  kind,
  actor,
  refs: { grant: grant.id, request: grant.requestId, principal: grant.principalId },
  data: { state: grant.state, entitlement: grant.entitlement, ...data },
  ...(personal === undefined ? {} : { personal }),
});

const changed = <G extends Grant>(
  grant: G,
  kind: EntryKind,
  actor: EntryActor,
  data: JsonObject = {},
  personal?: Record<string, string>,
): GrantChange<G> => ({ grant, entry: entryOf(grant, kind, actor, data, personal) });

/** Its entry says why it ends, and whoever did not foresee it is told. */
function ends<G extends CancelledGrant | RevokingGrant>(grant: G, kind: EntryKind, actor: EntryActor): GrantChange<G> {
  const entry = entryOf(grant, kind, actor, causeOf(grant.ending), personalOf(grant.ending));
  return { grant, entry: telling(entry, tellEndedEarly(grant, grant.ending)) };
}

function base(grant: Grant): Base {
  const { id, requestId, principalId, resource, entitlement, scope, scopeHash, activation, durationMs } = grant;
  const { startsMs, activateByMs, expiresMs, extensions, configVersion, createdMs } = grant;
  return {
    ...{ id, requestId, principalId, resource, entitlement, scope, scopeHash, activation, durationMs },
    ...{ startsMs, activateByMs, expiresMs, extensions, configVersion, createdMs, trouble: null },
  };
}

export const isLive = (grant: Grant): grant is ScheduledGrant | ProvisioningGrant | ActiveGrant =>
  grant.state === "scheduled" || grant.state === "provisioning" || grant.state === "active";

/** Approval makes the grant: wanted, nothing more. */
export function createGrant(
  wanted: Omit<Base, "startsMs" | "expiresMs" | "activateByMs" | "extensions" | "trouble"> & { startMs: number | null },
  activateWithinMs: number,
  actor: EntryActor,
): GrantChange<ScheduledGrant> {
  const { startMs, ...rest } = wanted;
  const startsMs = Math.max(startMs ?? rest.createdMs, rest.createdMs);
  const activateByMs = rest.activation === "on-use" ? startsMs + activateWithinMs : null;
  const expiresMs = (activateByMs ?? startsMs) + rest.durationMs;
  const grant: ScheduledGrant = {
    ...rest,
    state: "scheduled",
    startsMs,
    activateByMs,
    expiresMs,
    extensions: 0,
    trouble: null,
  };
  return changed(grant, "grant.created", actor, {
    scopeHash: grant.scopeHash,
    startsAt: toTimestamp(startsMs),
    expiresAt: toTimestamp(expiresMs),
    duration: formatDuration(grant.durationMs),
    activation: grant.activation,
  });
}

/** The person begins to use an on-use grant: the window starts now. */
export function activateGrant(grant: Grant, actor: EntryActor, nowMs: number): GrantChange | Refusal {
  if (grant.state !== "scheduled" || grant.activateByMs === null)
    return isLive(grant)
      ? refuse("grant-not-scheduled", `This grant is ${grant.state}; there is nothing to activate.`, {
          state: grant.state,
        })
      : ended(grant);
  if (nowMs < grant.startsMs)
    return refuse("grant-not-scheduled", `This grant can be activated from ${toTimestamp(grant.startsMs)} on.`, {
      state: grant.state,
    });
  if (nowMs >= grant.activateByMs)
    return refuse("grant-ended", "The time to activate this grant has passed; ask again.", { state: grant.state });
  const activated: ScheduledGrant = {
    ...grant,
    startsMs: nowMs,
    activateByMs: null,
    expiresMs: nowMs + grant.durationMs,
    trouble: null,
  };
  return changed(activated, "grant.activated", actor, { expiresAt: toTimestamp(activated.expiresMs) });
}

/** The last look before anything is made said yes. */
export function startGrant(grant: ScheduledGrant): GrantChange<ProvisioningGrant> {
  return changed({ ...base(grant), state: "provisioning" }, "grant.provisioning", RECONCILER);
}

/** Ends a grant of which nothing was ever made. */
export function cancelGrant(
  grant: ScheduledGrant | ProvisioningGrant,
  ending: Ending,
  actor: EntryActor,
): GrantChange<CancelledGrant> {
  return ends({ ...base(grant), state: "cancelled", ending }, "grant.cancelled", actor);
}

export function provisioned(
  grant: ProvisioningGrant,
  credential: "none" | "ready",
  nowMs: number,
): GrantChange<ActiveGrant> {
  assert(Number.isFinite(grant.expiresMs) && grant.expiresMs > nowMs, "a grant becomes active only before its end");
  return changed(
    { ...base(grant), state: "active", extendTarget: false, rotateCredential: false, credential },
    "grant.active",
    RECONCILER,
    { expiresAt: toTimestamp(grant.expiresMs) },
  );
}

/** Why the grant cannot get that much more time, whoever agrees; null when it can. Asked when more is wanted, and again when it is approved. */
export function mayNotExtend(
  grant: Grant,
  addMs: number,
  limits: { maxDurationMs: number },
  nowMs: number,
): Refusal | null {
  if (!isLive(grant) || nowMs >= grant.expiresMs) return ended(grant);
  if (grant.state !== "active")
    return refuse("grant-not-active", "Only an active grant can be extended.", { state: grant.state });
  if (grant.extensions >= EXTENSIONS_MAX)
    return refuse("policy-denied", `A grant is extended at most ${EXTENSIONS_MAX} times. Make a new request.`);
  const durationMs = grant.expiresMs + addMs - grant.startsMs;
  if (durationMs <= limits.maxDurationMs) return null;
  return refuse(
    "policy-denied",
    `${grant.entitlement} is for at most ${formatDuration(limits.maxDurationMs)} in all; this would make ${formatDuration(durationMs)}. Ask for less, or make a new request.`,
  );
}

/** More time, before the end. The target is told afterwards; sessions go on. */
export function extendGrant(
  grant: Grant,
  addMs: number,
  limits: { maxDurationMs: number },
  actor: EntryActor,
  reason: string,
  nowMs: number,
): GrantChange<ActiveGrant> | Refusal {
  const no = mayNotExtend(grant, addMs, limits, nowMs);
  if (no !== null || grant.state !== "active") return no ?? ended(grant);
  const expiresMs = grant.expiresMs + addMs;
  const durationMs = expiresMs - grant.startsMs;
  return changed(
    { ...grant, expiresMs, durationMs, extensions: grant.extensions + 1, extendTarget: true, trouble: null },
    "grant.extended",
    actor,
    { expiresAt: toTimestamp(expiresMs), added: formatDuration(addMs), extensions: grant.extensions + 1 },
    { reason },
  );
}

export const extendedOnTarget = (grant: ActiveGrant): GrantChange<ActiveGrant> =>
  changed({ ...grant, extendTarget: false, trouble: null }, "grant.extended-on-target", RECONCILER, {
    expiresAt: toTimestamp(grant.expiresMs),
  });

/** The one way from access. Repeated, it changes nothing (null). What was never made is cancelled at once. */
export function revokeGrant(
  grant: Grant,
  ending: Ending,
  actor: EntryActor,
  facts: { leaseWritten: boolean },
): GrantChange | null {
  if (!isLive(grant)) return null;
  if (grant.state !== "active" && !facts.leaseWritten) return cancelGrant(grant, ending, actor);
  const revoking: RevokingGrant = {
    ...base(grant),
    state: "revoking",
    ending,
    leadsTo: ending.cause === "provisioning-failed" ? "failed" : "revoked",
    accessGone: false,
  };
  return ends(revoking, "grant.revoking", actor);
}

/** The first proof: nobody gets in any more. Clean-up may still be pending. */
export const provenGone = (grant: RevokingGrant, evidence: JsonObject): GrantChange<RevokingGrant> =>
  changed({ ...grant, accessGone: true }, "grant.access-gone", RECONCILER, { evidence });

/** Closed, with the receipt. A second probe is due one claim lifetime later. */
export function closeGrant(
  grant: RevokingGrant,
  evidence: Evidence,
  nowMs: number,
  confirmAfterMs: number,
): GrantChange<RevokedGrant> {
  const closed: RevokedGrant = {
    ...base(grant),
    state: grant.leadsTo,
    ending: grant.ending,
    revokedMs: nowMs,
    receipt: { verifiedMs: nowMs, evidence },
    confirmMs: nowMs + confirmAfterMs,
  };
  return changed(closed, grant.leadsTo === "failed" ? "grant.failed" : "grant.revoked", RECONCILER, {
    cause: grant.ending.cause,
    evidence: evidence as unknown as JsonObject,
    lateMs: grant.ending.cause === "expired" ? Math.max(0, Math.round(nowMs - grant.expiresMs)) : 0,
  });
}

export const confirmGrant = (grant: RevokedGrant, evidence: JsonObject): GrantChange<RevokedGrant> =>
  changed({ ...grant, confirmMs: null, trouble: null }, "grant.confirmed", RECONCILER, { evidence });

/** A later probe saw access: it is live again, and loud. Also where only the clean-up was still to be done. */
export function reopenGrant(grant: RevokedGrant | RevokingGrant, evidence: JsonObject): GrantChange<RevokingGrant> {
  const leadsTo = grant.state === "revoking" ? grant.leadsTo : grant.state;
  return changed(
    { ...base(grant), state: "revoking", ending: grant.ending, leadsTo, accessGone: false },
    "grant.reopened",
    RECONCILER,
    { evidence },
  );
}

/** Asks for a new secret: the reconciler makes it, and the old one is dead from then on. */
export function askRotation(grant: Grant, actor: EntryActor, nowMs: number): GrantChange<ActiveGrant> | Refusal {
  if (!isLive(grant) || nowMs >= grant.expiresMs) return ended(grant);
  if (grant.state !== "active")
    return refuse("grant-not-active", "The grant is not active yet; ask again in a moment.", { state: grant.state });
  if (grant.credential === "none")
    return refuse("invalid-input", "This access has no secret of its own; there is nothing to rotate.");
  return changed({ ...grant, rotateCredential: true, trouble: null }, "credential.rotation-asked", actor);
}

export const rotated = (grant: ActiveGrant): GrantChange<ActiveGrant> =>
  changed({ ...grant, rotateCredential: false, credential: "ready", trouble: null }, "credential.rotated", RECONCILER);

/** Hands the secret over, once. */
export function deliverCredential(grant: Grant, actor: EntryActor, nowMs: number): GrantChange<ActiveGrant> | Refusal {
  if (!isLive(grant) || nowMs >= grant.expiresMs) return ended(grant);
  if (grant.state !== "active" || grant.rotateCredential)
    return refuse("grant-not-active", "The access is still being made; ask again in a moment.", { state: grant.state });
  if (grant.credential === "delivered")
    return refuse(
      "credential-delivered",
      "The secret was handed over already and is kept nowhere. Ask with rotate for a new one; the old one stops working.",
    );
  return changed(
    grant.credential === "none" ? grant : { ...grant, credential: "delivered" },
    "credential.delivered",
    actor,
  );
}

/** First trouble is an entry, each further attempt is not: the grant itself counts them. */
export function withTrouble<G extends Grant>(
  grant: G,
  error: { code: string; message: string },
  nowMs: number,
  retryMs: number,
): { grant: G; entry: EntryDraft | null } {
  const sinceMs = grant.trouble?.sinceMs ?? nowMs;
  const trouble: Trouble = { sinceMs, attempts: (grant.trouble?.attempts ?? 0) + 1, lastError: error, retryMs };
  const isNew = grant.trouble === null || grant.trouble.lastError.code !== error.code;
  const next = { ...grant, trouble };
  return {
    grant: next,
    entry: isNew ? entryOf(next, "grant.trouble", RECONCILER, { code: error.code, message: error.message }) : null,
  };
}

/** The answer to whatever comes too late. */
export function ended(grant: Grant): Refusal {
  const how = "ending" in grant ? ` (${grant.ending.cause})` : "";
  return refuse("grant-ended", `This grant has ended${how}. Make a new request.`, { state: grant.state });
}

/** Tidegate's own words are facts; what a person wrote is personal. */
const causeOf = (ending: Ending): JsonObject => ({
  cause: ending.cause,
  ...(ending.by === null ? { because: ending.reason } : {}),
});
const personalOf = (ending: Ending): Record<string, string> | undefined =>
  ending.by === null || ending.reason === "" ? undefined : { reason: ending.reason };
