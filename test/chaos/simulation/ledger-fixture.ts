/** Rows for the suite of both ledgers: the same ones for each, so that answers can be compared. */
import type { InstallationId, LeaseId, PrincipalId, RequestId } from "../../../src/base/ids.ts";
import { type EntitlementRef, entitlementRef } from "../../../src/domain/entitlement.ts";
import {
  closeGrant,
  confirmGrant,
  createGrant,
  type Grant,
  provisioned,
  revokeGrant,
  startGrant,
  withTrouble,
} from "../../../src/domain/grant.ts";
import { GONE, leaseFor } from "../../../src/domain/grant-fixture.ts";
import type { Lease } from "../../../src/domain/lease.ts";
import type { Principal } from "../../../src/domain/principal.ts";
import type { AccessRequest } from "../../../src/domain/request.ts";
import { needing, principal, request } from "../../../src/domain/request-fixture.ts";
import { CONFIGURATIONS } from "./setting.ts";

export const CONFIGURATION = CONFIGURATIONS[0] as NonNullable<(typeof CONFIGURATIONS)[number]>;

export const INSTALLATION = "01234567" as InstallationId;
const HOUR_MS = 3_600_000;
/** Long ago, so that everything is due; each a little later than the one before, so that there is an order. */
export const BEGIN_MS = Date.UTC(2026, 0, 1);

const people = new Map<string, Principal>();
export function aPerson(handle: string): Principal {
  const known = people.get(handle) ?? principal(handle);
  people.set(handle, known);
  return known;
}

const numbered = (prefix: string, number: number): string => `${prefix}_${String(number).padStart(16, "0")}`;

export function aGrant(person: Principal, number: number, resource = "dir"): Grant {
  const wanted = {
    id: numbered("gr", number) as Grant["id"],
    requestId: numbered("rq", number) as RequestId,
    principalId: person.id as PrincipalId,
    resource,
    entitlement: entitlementRef(resource, "admins"),
    scope: { group: "admins" },
    scopeHash: "hash",
    activation: "on-approval" as const,
    durationMs: HOUR_MS,
    startMs: null,
    configVersion: 1,
    createdMs: BEGIN_MS + number * 1_000,
  };
  return createGrant(wanted, HOUR_MS, { principal: person.id }).grant;
}

export const aRequest = (grant: Grant): AccessRequest =>
  request(grant.principalId, needing(), {
    id: grant.requestId,
    entitlement: grant.entitlement as EntitlementRef,
    state: "approved",
    decidedMs: BEGIN_MS,
    grantId: grant.id,
  });

export const aLease = (grant: Grant, rightKey = "right"): Lease =>
  leaseFor(grant.id, { id: grant.id.replace("gr_", "le_") as LeaseId, rightKey, fence: 0 });

/** What a grant becomes, step by step; and what it must never become. */
export const LIVES = {
  next(grant: Grant): Grant | null {
    switch (grant.state) {
      case "scheduled":
        return startGrant(grant).grant;
      case "provisioning":
        return provisioned(grant, "none", grant.createdMs).grant;
      case "active": {
        const ending = { cause: "expired", by: null, reason: "" } as const;
        return revokeGrant(grant, ending, { system: "reconciler" }, { leaseWritten: true })?.grant ?? null;
      }
      case "revoking":
        return closeGrant(grant, GONE, grant.expiresMs, HOUR_MS).grant;
      case "revoked":
        return grant.confirmMs === null ? null : confirmGrant(grant, {}).grant;
      case "failed":
      case "cancelled":
        return null;
    }
  },
  /** Waits, because its target did not answer. */
  troubled(grant: Grant, retryMs: number): Grant {
    return withTrouble(grant, { code: "unreachable", message: "no answer" }, BEGIN_MS, retryMs).grant;
  },
  active(scheduled: Grant): Grant {
    const provisioning = LIVES.next(scheduled);
    return (provisioning === null ? null : LIVES.next(provisioning)) ?? scheduled;
  },
  bad(grant: Grant, what: "no-duration" | "no-end" | "ends-first" | "no-request"): Grant {
    switch (what) {
      case "no-duration":
        return { ...grant, durationMs: 0 };
      case "no-end":
        return { ...grant, expiresMs: Number.NaN };
      case "ends-first":
        return { ...grant, expiresMs: grant.startsMs };
      case "no-request":
        return { ...grant, requestId: "rq_zzzzzzzzzzzzzzzz" as RequestId };
    }
  },
  otherLease: (number: number): LeaseId => numbered("le", 900 + number) as LeaseId,
};
