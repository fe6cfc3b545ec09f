/** Rules and circumstances for the tests of policy. */
import type { PrincipalId } from "../base/ids.ts";
import type { Circumstances } from "./circumstances.ts";
import { entitlementRef, type Risk } from "./entitlement.ts";
import { compilePolicy } from "./evaluate.ts";
import type { ApproveRule, DenyRule, Rule } from "./policy.ts";
import type { Resource } from "./resource.ts";

export const HOUR = 3_600_000;

export const deny = (name: string, condition: string): DenyRule => ({ kind: "deny", name, condition });
export const approve = (name: string, when: string | null, more: Partial<ApproveRule> = {}): ApproveRule => ({
  kind: "approve",
  name,
  when,
  approve: "automatically",
  maxDurationMs: null,
  ticketRequired: false,
  reasonMinLength: null,
  ...more,
});

const resource = (labels: Record<string, string> = { env: "prod", team: "payments" }): Resource => ({
  name: "orders-db",
  connector: "postgres",
  title: "Orders database",
  labels,
  owners: ["group:payments-leads"],
  connection: {},
  entitlements: {},
});
// The second resource has a label that the first lacks, and one whose name JavaScript objects have of their own.
export const resources = { "orders-db": resource(), other: resource({ "cost-center": "7", constructor: "x" }) };

export type Given = {
  user?: Partial<Circumstances["user"]>;
  request?: Partial<Circumstances["request"]>;
  tier?: number;
  risk?: Risk;
  nowMs?: number;
  resource?: Resource;
};

export const given = (over: Given = {}): Circumstances => ({
  user: {
    id: "pr_0000000000000000" as PrincipalId,
    kind: "user",
    handle: "alice",
    name: "Alice Archer",
    email: "alice@example.com",
    type: "employee",
    groups: ["payments"],
    ...over.user,
  },
  resource: over.resource ?? resource(),
  entitlement: {
    ref: entitlementRef("orders-db", "read"),
    resource: "orders-db",
    name: "read",
    title: "Read orders",
    risk: over.risk ?? "medium",
    maxDurationMs: 8 * HOUR,
    scope: {},
    scopeHash: "",
    narrower: [],
    describe: [],
  },
  request: {
    durationMs: HOUR,
    reason: "checking slow checkouts",
    ticket: "OPS-7",
    emergency: false,
    startMs: null,
    ...over.request,
  },
  oncall: { tier: over.tier ?? 0 },
  nowMs: over.nowMs ?? Date.parse("2026-03-08T02:30:00Z"),
});

export const policy = (...policies: Rule[]) => compilePolicy({ resources, policies });
