/** What a sweep sees on a target: what carries our mark, and who has access without one. */
import type { GrantId } from "../base/ids.ts";

/**
 * `own`: the access of one grant. `shared`: what the grants of one scope have in common, such as a group role.
 * `by-hand`: somebody was put into what we manage, by whoever did it. `made`: a person made it while they had access, and it
 * may give access past the end of their grant.
 */
export const OBSERVED_AS = ["own", "shared", "by-hand", "made"] as const;

/** One thing on the target that carries our installation's mark, or hangs on one that does. */
export type Observed = {
  readonly as: (typeof OBSERVED_AS)[number];
  /** What it is called there. Of all that is seen in one look, no two have the same `as` and name. */
  readonly name: string;
  /** In words, without the name: `login role`, `member of group role tgg_…`. */
  readonly what: string;
  /** The grant that the mark names; null where it is no grant's own, or cannot be read from it. */
  readonly grant: GrantId | null;
  /** Of what is shared: the scope that it stands for, in full or as much of its hash as the target keeps; null elsewhere. */
  readonly scopeHash: string | null;
  /** RFC 3339; null where the target does not tell. */
  readonly since: string | null;
  /** Who made it, as the target names them; null where it does not tell. */
  readonly by: string | null;
  /** How long until it stops working by itself, by the target's clock; Infinity: never; null: such a thing has no end of its own. */
  readonly remainingMs: number | null;
  /** What it gives or may beyond its order, in words. Empty where `observe` was given no order for it. */
  readonly more: readonly string[];
  /** What its order says and it lacks, in words. */
  readonly less: readonly string[];
};

/** Somebody who has, without any mark of ours, what an entitlement gives. */
export type OtherAccess = {
  /** As the target names them. */
  readonly who: string;
  /** `orders-db:read`. */
  readonly entitlement: string;
  /** What of it they have, in words; several things that they have in the same way are one line. */
  readonly access: string;
  /** Through what: directly, as a member of what, as owner, superuser, everybody. */
  readonly how: string;
  /** RFC 3339, and who gave it; null where the target does not tell. */
  readonly since: string | null;
  readonly by: string | null;
  /** How many sessions they have now, and when the last of these did something (RFC 3339); null where nobody can tell. */
  readonly sessions: number | null;
  readonly lastActivity: string | null;
};
