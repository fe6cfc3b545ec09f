/**
 * Drift: what a target and the ledger do not agree on. Pure: the sweep looks, reads the ledger before and after, and asks
 * here. Both readings matter, because the world goes on meanwhile: a lease is committed before anything is made, so what is
 * seen and is in no ledger read *afterwards* is nobody's; and what was active before and after, and was not seen in between,
 * is missing. What may merely have been under way is left to the next sweep.
 */
import { unreachable } from "../base/assert.ts";
import type { FindingId, GrantId } from "../base/ids.ts";
import type { GrantState } from "./grant.ts";
import type { Observed } from "./observed.ts";

/**
 * `unknown-mark`: carries our mark and is in no ledger. `left-over`: of a grant that is closed. `missing`: a grant is active
 * and its access is not there. `more`, `less`: it differs from what was approved. `by-hand`: somebody was put into what we
 * manage. `made`: made during a grant, and may lend its rights past its end. `standing`: found before us, and it stands.
 */
export const DRIFT_KINDS = [
  "unknown-mark",
  "left-over",
  "missing",
  "more",
  "less",
  "by-hand",
  "made",
  "standing",
] as const;
export type DriftKind = (typeof DRIFT_KINDS)[number];

/** What a resource wants done about drift. Access beyond what was approved is taken back under either. */
export const DRIFT_POLICIES = ["report", "repair"] as const;
export type DriftPolicy = (typeof DRIFT_POLICIES)[number];

export type Drift = {
  readonly kind: DriftKind;
  /** What it is called on the target. */
  readonly subject: string;
  /** One thing about it, in words that stay the same for as long as it does. */
  readonly what: string;
  /** The grant in our ledger that it is about, or whose mark it carries. */
  readonly grant: GrantId | null;
  readonly since: string | null;
  readonly by: string | null;
  /** What was seen; null where the point is that nothing was. */
  readonly observed: Observed | null;
};

/** A grant as the sweep reads it. */
export type LedgerGrant = {
  readonly id: GrantId;
  readonly resource: string;
  readonly state: GrantState;
  readonly scopeHash: string;
  readonly expiresMs: number;
  /** When it was closed with proof; null while it is not. */
  readonly closedMs: number | null;
  /** The target is still to be told of a later end. */
  readonly extendTarget: boolean;
  /** `none`: nothing was ever to be made for it. */
  readonly lease: "none" | "live" | "released";
};
export type LedgerGrants = ReadonlyMap<GrantId, LedgerGrant>;

export type Look = {
  readonly resource: string;
  /** Database time before and after looking. */
  readonly beganMs: number;
  readonly endedMs: number;
  /** Every grant of the resource with a live lease on this target, read before looking. */
  readonly before: LedgerGrants;
  readonly seen: readonly Observed[];
  /** Those again, and every grant that was seen a mark of, read afterwards. */
  readonly after: LedgerGrants;
  /** Scope hashes of which somebody had a live lease, before or afterwards, on whatever resource. */
  readonly scopes: ReadonlySet<string>;
  /** Rights that stood before a grant and were seen standing. */
  readonly standing: readonly { readonly grant: GrantId; readonly subject: string; readonly what: string }[];
};

/** Clocks differ, and a target is told of an end some time after it was decided. */
export const END_TOLERANCE_MS = 60_000;
const WHAT_CHARS_MAX = 500;

/** In an order that does not depend on what was seen first. */
export function findDrift(look: Look): Drift[] {
  const found = [...look.seen.flatMap((one) => driftOf(look, one)), ...missing(look), ...standing(look)];
  return found
    .map((one) => ({ ...one, what: one.what.slice(0, WHAT_CHARS_MAX) }))
    .sort((a, b) => compareTexts(driftKey(a), driftKey(b)));
}

/** Two drifts with the same key are the same one, seen again. */
export const driftKey = ({ kind, subject, what }: Pick<Drift, "kind" | "subject" | "what">): string =>
  JSON.stringify([kind, subject, what]);

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function driftOf(look: Look, seen: Observed): Drift[] {
  const grant = seen.grant === null ? undefined : look.after.get(seen.grant);
  const tell = (kind: DriftKind, what: string): Drift => ({
    kind,
    subject: seen.name,
    what,
    grant: grant?.id ?? null,
    since: seen.since,
    by: seen.by,
    observed: seen,
  });
  switch (seen.as) {
    case "own":
      return ofOwn(look, seen, grant, tell);
    case "shared":
      return ofShared(look, seen, tell);
    case "by-hand":
      return [tell("by-hand", seen.what)];
    case "made":
      return [tell("made", seen.what)];
    default:
      return unreachable(seen.as);
  }
}

type Tell = (kind: DriftKind, what: string) => Drift;

function ofOwn(look: Look, seen: Observed, grant: LedgerGrant | undefined, tell: Tell): Drift[] {
  if (grant === undefined || grant.lease === "none")
    return [tell("unknown-mark", `${seen.what} with our mark${forGrant(seen.grant)}, in no ledger`)];
  if (grant.lease === "released") {
    const closedBefore = grant.closedMs !== null && grant.closedMs < look.beganMs;
    return closedBefore ? [tell("left-over", `${seen.what} of a grant that is closed`)] : [];
  }
  const was = look.before.get(grant.id);
  if (was === undefined || !isSteady(look, was, grant)) return [];
  return [...differences(seen, tell), ...ends(look, seen, was, grant, tell)];
}

const forGrant = (grant: GrantId | null): string => (grant === null ? "" : ` for ${grant}`);

/** Active all the while, on this resource: what was seen in between must be as the ledger says. */
const isSteady = (look: Look, was: LedgerGrant, is: LedgerGrant): boolean =>
  was.resource === look.resource && was.state === "active" && is.state === "active" && is.lease === "live";

const differences = (seen: Observed, tell: Tell): Drift[] => [
  ...seen.more.map((what) => tell("more", what)),
  ...seen.less.map((what) => tell("less", what)),
];

function ends(look: Look, seen: Observed, was: LedgerGrant, is: LedgerGrant, tell: Tell): Drift[] {
  if (seen.remainingMs === null || was.extendTarget || is.extendTarget || was.expiresMs !== is.expiresMs) return [];
  // It was looked at somewhere between the two times.
  if (seen.remainingMs > is.expiresMs - look.beganMs + END_TOLERANCE_MS)
    return [tell("more", "its own end on the target is later than the end of its grant")];
  if (seen.remainingMs < is.expiresMs - look.endedMs - END_TOLERANCE_MS)
    return [tell("less", "its own end on the target is earlier than the end of its grant")];
  return [];
}

function ofShared(look: Look, seen: Observed, tell: Tell): Drift[] {
  if (seen.scopeHash === null || !look.scopes.has(seen.scopeHash))
    return [tell("unknown-mark", `${seen.what} with our mark, of which no grant is in the ledger`)];
  return steadyWith(look, seen.scopeHash) === null ? [] : differences(seen, tell);
}

/** A grant of that scope that was active all the while; what is shared is as that one needs it. */
export function steadyWith(look: Look, scopeHash: string): GrantId | null {
  for (const was of look.before.values()) {
    const is = look.after.get(was.id);
    if (was.scopeHash === scopeHash && is !== undefined && isSteady(look, was, is)) return was.id;
  }
  return null;
}

function missing(look: Look): Drift[] {
  const seen = new Set(look.seen.filter((one) => one.as === "own").map(({ grant }) => grant));
  return [...look.before.values()].flatMap((was): Drift[] => {
    const is = look.after.get(was.id);
    if (is === undefined || seen.has(was.id) || !isSteady(look, was, is)) return [];
    const what = "the access of an active grant is not there";
    return [{ kind: "missing", subject: was.id, what, grant: was.id, since: null, by: null, observed: null }];
  });
}

const standing = (look: Look): Drift[] =>
  look.standing.map((one) => ({ kind: "standing", ...one, since: null, by: null, observed: null }));

/**
 * What is done about it. `reopen`: the grant is revoked again, still live, and loud. `take`: what is more than approved goes.
 * `make`: what is less is given again. `renew`: the access is made anew, with a new secret where it has one. `remove`: it is
 * cut and taken away. Null: nothing but to tell; somebody must look.
 */
export type Remedy = "reopen" | "take" | "make" | "renew" | "remove";

export function remedyFor(kind: DriftKind, policy: DriftPolicy): Remedy | null {
  const repairs = policy === "repair";
  switch (kind) {
    case "left-over":
      return "reopen";
    case "more":
      return "take";
    case "less":
      return repairs ? "make" : null;
    case "missing":
      return repairs ? "renew" : null;
    case "unknown-mark":
    case "by-hand":
      return repairs ? "remove" : null;
    case "made":
    case "standing":
      return null;
    default:
      return unreachable(kind);
  }
}

/** A finding: a drift that is kept, from when it was first seen until it is not any more. */
export type DriftFinding = Omit<Drift, "observed"> & {
  readonly id: FindingId;
  readonly resource: string;
  readonly firstSeenMs: number;
  /** The last sweep that saw it before it was resolved; of an open one, the one that found it. */
  readonly lastSeenMs: number;
  /** While it is null, it is seen in every sweep: whenever its resource was last swept. */
  readonly resolvedMs: number | null;
  /** What was done about it; null: nothing. */
  readonly remedy: Remedy | null;
  /** Why nothing could be done; null where nothing was tried, or it worked. */
  readonly problem: string | null;
};
