/** Which scope a token needs for which route: the one table. A route without a row does not compile. */
import type { NeededScope } from "../base/scope.ts";
import type { Contract } from "./contract.ts";

/** Groups of routes that answer without a token. */
export type OpenGroup = "service" | "login";

export const NEEDED_SCOPES: {
  readonly [G in Exclude<keyof Contract, OpenGroup>]: { readonly [R in keyof Contract[G]]: NeededScope };
} = {
  requests: {
    submit: "requests:write",
    list: "requests:read",
    get: "requests:read",
    edit: "requests:write",
    review: "reviews",
    comment: "requests:write",
    cancel: "requests:write",
  },
  emergencies: { list: "requests:read", review: "reviews" },
  bundles: { submit: "requests:write", get: "requests:read", review: "reviews", cancel: "requests:write" },
  grants: {
    list: "requests:read",
    get: "requests:read",
    receipt: "requests:read",
    activate: "access",
    extend: "access",
    revoke: "access",
    credential: "access",
  },
  away: { list: "account", set: "account", back: "account", send: "operate", recall: "operate" },
  people: { erase: "operate" },
  panics: { start: "operate", list: "audit:read", get: "audit:read", lift: "operate" },
  drift: { list: "audit:read", sweep: "operate", others: "audit:read" },
  catalog: { resources: "requests:read", explain: "requests:read" },
  eligibility: { people: "audit:read", access: "audit:read" },
  policy: { read: "audit:read", requests: "audit:read" },
  review: { read: "audit:read" },
  evidence: { ask: "audit:read" },
  config: {
    versions: "audit:read",
    diff: "audit:read",
    waiting: "audit:read",
    confirm: "operate",
    reject: "operate",
  },
  audit: {
    list: "audit:read",
    checkpoint: "audit:read",
    keys: "audit:read",
    inclusion: "audit:read",
    consistency: "audit:read",
    export: "audit:read",
  },
  events: { stream: "requests:read" },
  messages: { list: "requests:read", get: "requests:read" },
  identity: { me: "any" },
  sessions: { list: "account", end: "account" },
  stepups: { get: "account" },
  passkeys: { list: "account", remove: "account" },
  // What has scopes makes nothing that could do more than itself.
  tokens: { list: "account", issue: "none", rotate: "account", revoke: "account" },
  metrics: { read: "health:read" },
  health: { read: "health:read" },
  targets: { list: "health:read" },
};

/** Of a route by its names; what no token needs a scope for is "any". */
export const neededScope = (group: string, name: string): NeededScope =>
  (NEEDED_SCOPES as Readonly<Record<string, Readonly<Record<string, NeededScope>>>>)[group]?.[name] ?? "any";
