import type { GrantId } from "../base/ids.ts";

/** Which server it was: stable identity, and how far along it was (grows for ever; for PostgreSQL the WAL position). */
export type TargetIdentity = {
  readonly identity: string;
  /** A decimal integer, or null where the target has no such thing. */
  readonly position: string | null;
};

/** One thing that was looked at, and what was seen: `{ check: "login", saw: "refused: role … is not permitted to log in", code: "28000" }`. */
export type Observation = { readonly check: string; readonly saw: string; readonly code?: string };

/**
 * What a probe saw that closes a grant. `gone`: nobody has the right any more by our doing. `covered`: the right is held
 * by the other grants named. `standing`: it was there before us and stays. The grant's own credential and sessions are
 * proven ended in each case.
 */
export type Evidence = {
  readonly kind: "gone" | "covered" | "standing";
  readonly target: TargetIdentity;
  readonly observations: readonly Observation[];
  readonly coveredBy: readonly GrantId[];
};
