/** Grants for tests of the domain, in every state, by the transitions themselves. */
import { assert } from "../base/assert.ts";
import { type GrantId, grantId, type LeaseId, leaseId, principalId, requestId, secretId } from "../base/ids.ts";
import { entitlementRef } from "./entitlement.ts";
import type { Evidence } from "./evidence.ts";
import { createGrant, provisioned, type ScheduledGrant, startGrant } from "./grant.ts";
import type { Lease } from "./lease.ts";
import type { Activation } from "./request.ts";

export const NOW_MS = 1_800_000_000_000;
export const HOUR_MS = 3_600_000;
export const OWNER = principalId.make();
export const GONE: Evidence = {
  kind: "gone",
  target: { identity: "memory:d", position: "1" },
  observations: [],
  coveredBy: [],
};

export function scheduledGrant(
  wanted: { activation?: Activation; durationMs?: number; startMs?: number | null; activateWithinMs?: number } = {},
): ScheduledGrant {
  const { activation = "on-approval", durationMs = HOUR_MS, startMs = null, activateWithinMs = HOUR_MS } = wanted;
  const request = {
    id: grantId.make(),
    requestId: requestId.make(),
    principalId: OWNER,
    resource: "dir",
    entitlement: entitlementRef("dir", "admins"),
    scope: { group: "admins" },
    scopeHash: "hash",
    activation,
    durationMs,
    startMs,
    configVersion: 1,
    createdMs: NOW_MS,
  };
  return createGrant(request, activateWithinMs, { principal: OWNER }).grant;
}

export const provisioningGrant = () => startGrant(scheduledGrant()).grant;
export const activeGrant = (credential: "none" | "ready" = "none") =>
  provisioned(provisioningGrant(), credential, NOW_MS).grant;

export function leaseFor(grant: GrantId, more: Partial<Lease> = {}): Lease {
  assert(grant.startsWith("gr_"), "a lease is for a grant");
  const id: LeaseId = leaseId.make();
  return {
    id,
    grantId: grant,
    rightKey: "memory:d/member/admins/alice",
    names: { group: "admins", account: "alice" },
    origin: "made",
    scope: { group: "admins" },
    scopeHash: "hash",
    account: { handle: "alice", email: null },
    connector: { kind: "memory", resource: "dir", connection: {}, sealedConnection: secretId.make() },
    target: GONE.target,
    state: "made",
    details: {},
    delivery: null,
    secretId: null,
    fence: 1,
    createdMs: NOW_MS,
    ...more,
  };
}
