import type { JsonObject } from "../base/canonical.ts";
import type { Brand } from "../base/ids.ts";

/** `orders-db:read`: resource and entitlement. */
export type EntitlementRef = Brand<string, "entitlement-ref">;

export const RISKS = ["low", "medium", "high"] as const;
export type Risk = (typeof RISKS)[number];

/** A named, narrow permission on a resource. */
export type Entitlement = {
  readonly ref: EntitlementRef;
  readonly resource: string;
  readonly name: string;
  readonly title: string;
  readonly risk: Risk;
  readonly maxDurationMs: number;
  /** What it allows, in the connector's own terms. */
  readonly scope: JsonObject;
  /** Hash of connector kind and scope. Approvals and leases bind to it: an edited scope is another scope. */
  readonly scopeHash: string;
  /** Names of the entitlements of the resource that allow no more than this one: what an approver may offer instead. */
  readonly narrower: readonly string[];
  /** What it allows, in plain words; written by the connector. */
  readonly describe: readonly string[];
};

/** Names of resources, entitlements, rules, people and the like. */
export const NAME_PATTERN = "^[a-z0-9][a-z0-9_.-]{0,62}$";
const NAME = new RegExp(NAME_PATTERN);

export const isName = (text: string): boolean => NAME.test(text);

export const entitlementRef = (resource: string, name: string): EntitlementRef =>
  `${resource}:${name}` as EntitlementRef;
