export const CHANGE_ABOUT = [
  "access",
  "resource",
  "entitlement",
  "bundle",
  "rule",
  "principal",
  "role",
  "test",
  "channel",
  "audit",
  "identity",
  "facts",
  "defaults",
] as const;
export const CHANGE_KINDS = ["added", "removed", "changed", "moved", "gained", "lost"] as const;

export type ConfigurationChange = {
  readonly about: (typeof CHANGE_ABOUT)[number];
  readonly kind: (typeof CHANGE_KINDS)[number];
  /** `orders-db`, `orders-db:read`, the rule, the handle, the test; of access the entitlement. */
  readonly name: string;
  /** One sentence. */
  readonly what: string;
  /** More about it, line by line; `- ` before what was, `+ ` before what is. */
  readonly details: readonly string[];
};
