/** What a token may be narrowed to. The words are API: they stand in configurations and in tokens that were given out. */
export const SCOPES = {
  "requests:read": "see requests, grants and what there is to ask for, be told, ask what policy would say",
  "requests:write": "ask, edit, comment and take back",
  access: "use access that was given: activate, take the credential, extend, end",
  reviews: "decide on what others ask",
  "audit:read": "read the log, the policy, versions of the configuration, access reviews, evidence, panics and drift",
  "health:read": "read figures, health and targets",
  operate: "press the panic button and lift it, look at targets now, decide on configurations, say who is away",
  account: "their own absence and sessions; this very token: look, rotate, revoke",
} as const;
export type Scope = keyof typeof SCOPES;
export const SCOPE_NAMES = Object.keys(SCOPES) as [Scope, ...Scope[]];

/** What a route asks of a token that has scopes: one of them, nothing, or what no such token has. */
export type NeededScope = Scope | "any" | "none";

/** Null: a token without scopes may do whatever its owner may. */
export const allows = (scopes: readonly Scope[] | null, needed: NeededScope): boolean =>
  scopes === null || needed === "any" || (needed !== "none" && scopes.includes(needed));
