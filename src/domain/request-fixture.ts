/** A request with its resource and people, for tests of what is decided about it. */
import { type PrincipalId, principalId, requestId } from "../base/ids.ts";
import type { Subject } from "./decide-request.ts";
import { type Entitlement, entitlementRef } from "./entitlement.ts";
import { HOUR_MS, NOW_MS } from "./grant-fixture.ts";
import type { Decision, Step } from "./policy.ts";
import type { Principal } from "./principal.ts";
import type { AccessRequest } from "./request.ts";
import type { Resource } from "./resource.ts";

export function principal(handle: string, more: Partial<Principal> = {}): Principal {
  const known = { kind: "user", handle, name: handle, email: null, type: "", groups: [], roles: [] } as const;
  return { ...known, id: principalId.make(), onCallTier: 0, active: true, ...more };
}

export function entitlement(name: string, more: Partial<Entitlement> = {}): Entitlement {
  const known = { resource: "dir", name, title: name, risk: "low", maxDurationMs: 8 * HOUR_MS } as const;
  const ref = entitlementRef(more.resource ?? "dir", name);
  return { ...known, ref, scope: { group: name }, scopeHash: `hash of ${name}`, narrower: [], describe: [], ...more };
}

export function resource(entitlements: readonly Entitlement[], more: Partial<Resource> = {}): Resource {
  const known = {
    name: "dir",
    connector: "memory",
    title: "Directory",
    labels: {},
    owners: [],
    connection: {},
  } as const;
  return { ...known, entitlements: Object.fromEntries(entitlements.map((it) => [it.name, it])), ...more };
}

/** The resource has `admins`, and `readers` and `viewers` that are narrower. */
export function subject(principals: readonly Principal[], more: Partial<Subject> = {}): Subject {
  const admins = entitlement("admins", { narrower: ["readers", "viewers"] });
  const readers = entitlement("readers", { maxDurationMs: 2 * HOUR_MS });
  const known = resource([admins, readers, entitlement("viewers")], { owners: ["group:owners"] });
  return {
    resource: known,
    entitlement: admins,
    principals: principals.filter((it) => it.active),
    activateWithinMs: HOUR_MS,
    configVersion: 1,
    extended: null,
    ...more,
  };
}

export const needing = (...steps: readonly Step[]): Decision => ({
  outcome: "needs-approval",
  rule: "rule",
  steps,
  trace: [],
});

export function request(
  requesterId: PrincipalId,
  decision: Decision,
  more: Partial<AccessRequest> = {},
): AccessRequest {
  return {
    id: requestId.make(),
    parentId: null,
    requesterId,
    extendsGrantId: null,
    entitlement: entitlementRef("dir", "admins"),
    scopeHash: "hash of admins",
    narrowedTo: null,
    emergencyReview: null,
    durationMs: 4 * HOUR_MS,
    reason: "because",
    ticket: "",
    startMs: null,
    activation: "on-approval",
    via: "direct",
    emergency: false,
    state: "pending",
    endedBecause: null,
    decision,
    facts: {},
    configVersion: 1,
    createdMs: NOW_MS,
    editedMs: null,
    expiresMs: NOW_MS + 24 * HOUR_MS,
    decidedMs: null,
    grantId: null,
    ...more,
  };
}
