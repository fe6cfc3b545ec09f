/**
 * What must hold whatever fails: the fifteen invariants, each a function over what a harness has seen of the world. The
 * simulation asks them after every event; tests that kill and stop real servers ask them of what is in the store and in
 * the targets' catalogs. A function answers what is wrong, one sentence each, and nothing where it holds.
 *
 * Access is what was seen on the targets, independent of our ledger; grants are as the audit log tells them. Rows of the
 * ledger are looked at only where the invariant is about rows.
 */

import { canonicalJson } from "../../src/base/canonical.ts";
import type { GrantId, PrincipalId } from "../../src/base/ids.ts";
import { GrowingTree, leafHash } from "../../src/base/merkle.ts";
import type { Grant } from "../../src/domain/grant.ts";
import type { Lease } from "../../src/domain/lease.ts";
import { type AccessRequest, bindingApprovals, type Review } from "../../src/domain/request.ts";
import type { GrantsTold, ToldEntry, ToldGrant } from "./grants-told.ts";

/** Something on a target that gives access or did: a login, a membership, an open session. */
export type SeenThing = {
  /** As the connector names the right; with the target's identity before it, it is the right key of a lease. */
  readonly right: string;
  /** The grant whose mark it carries; null for a membership, which carries none. */
  readonly grant: GrantId | null;
  /** Whether somebody can get in by it now, or is in. A login that is switched off is there and not usable. */
  readonly usable: boolean;
  /** It was there before us. */
  readonly standing: boolean;
};

/** A change on a target that carried the mark of a grant. */
export type SeenChange = { readonly grant: GrantId; readonly atMs: number };

export type SeenTarget = {
  readonly identity: string;
  /**
   * Since when nothing stands in our way here, by database time: the target answers, the store is there, a replica runs, and
   * whatever earlier trouble left behind (a deadline, a back-off, a dead worker's claim) is over. Null while something does.
   */
  readonly clearSinceMs: number | null;
  readonly things: readonly SeenThing[];
  readonly changes: readonly SeenChange[];
};

export type World = {
  /** Database time. */
  readonly nowMs: number;
  readonly told: GrantsTold;
  readonly targets: readonly SeenTarget[];
};

/** δ: access may outlive its end by this long where nothing stands in our way. */
export const LATE_MS_MAX = 5_000;
/** A target that fails may make work on another one wait this long. */
export const NEIGHBOUR_MS_MAX = 1_000;

const holds = (grant: ToldGrant, target: SeenTarget, thing: SeenThing): boolean =>
  thing.grant === null ? grant.lease?.rightKey === `${target.identity}/${thing.right}` : grant.id === thing.grant;

const holdersOf = ({ told }: World, target: SeenTarget, thing: SeenThing): ToldGrant[] =>
  [...told.grants.values()].filter((grant) => holds(grant, target, thing));

/** Everything that lets somebody in, without what stood there before us. */
const accesses = (world: World): { target: SeenTarget; thing: SeenThing; holders: ToldGrant[] }[] =>
  world.targets.flatMap((target) =>
    target.things
      .filter((thing) => thing.usable && !thing.standing)
      .map((thing) => ({ target, thing, holders: holdersOf(world, target, thing) })),
  );

const WITH_ACCESS: readonly string[] = ["provisioning", "active", "revoking"];

/** 1. Access implies a live grant that covers it, or an open revocation. */
export const accessIsCovered = (world: World): string[] =>
  accesses(world)
    .filter(({ holders }) => !holders.some(({ state }) => WITH_ACCESS.includes(state)))
    .map(
      ({ target, thing, holders }) =>
        `there is access to ${target.identity}/${thing.right} and no grant for it (${holders.map(({ id, state }) => `${id} is ${state}`).join(", ") || "none ever was"})`,
    );

/** When access by this grant is over: at its end, or when somebody ended it. */
const endOf = ({ expiresMs, endedMs }: ToldGrant): number => Math.min(expiresMs, endedMs ?? expiresMs);

/** 2. Where nothing stands in our way, access is gone δ after its end. */
export const accessEndsOnTime = (world: World): string[] =>
  accesses(world).flatMap(({ target, thing, holders }) => {
    if (target.clearSinceMs === null) return [];
    const dueMs = Math.max(target.clearSinceMs, ...holders.map(endOf));
    const lateMs = world.nowMs - dueMs;
    return lateMs <= LATE_MS_MAX
      ? []
      : [`${target.identity}/${thing.right} is still open, ${lateMs} ms after it had to end`];
  });

/** 3. Nothing is on a target before a lease holds its name. */
export const leaseComesFirst = (world: World): string[] =>
  world.targets.flatMap(({ identity, things, changes }) =>
    [...new Set([...things, ...changes].map(({ grant }) => grant))]
      .filter((grant) => grant !== null && (world.told.grants.get(grant)?.lease ?? null) === null)
      .map((grant) => `something of ${grant} was made on ${identity} and there is no lease for it`),
  );

/** 4. An active grant ends, and no later than everything that was approved for it. */
export function activeGrantsEnd(grants: readonly Grant[], requests: readonly AccessRequest[]): string[] {
  return grants
    .filter(({ state }) => state === "active")
    .flatMap((grant) => {
      const approved = requests.filter(({ grantId, state }) => grantId === grant.id && state === "approved");
      const approvedMs = approved.reduce((sum, { durationMs }) => sum + durationMs, 0);
      if (!Number.isFinite(grant.expiresMs)) return [`${grant.id} is active and has no end`];
      if (grant.expiresMs - grant.startsMs <= approvedMs) return [];
      return [`${grant.id} is active for ${grant.expiresMs - grant.startsMs} ms; ${approvedMs} ms were approved`];
    });
}

/** 5. Closed only on a probe of the recorded target, after the last change there. */
export const closedWithProof = (world: World): string[] =>
  [...world.told.grants.values()].flatMap((grant) => {
    const { id, state, lease, receipts } = grant;
    const closed = state === "revoked" || state === "failed";
    const latest = receipts.at(-1);
    if (!closed) return [];
    if (lease === null || latest === undefined) return [`${id} is ${state} without a lease or a receipt`];
    const { evidence, atMs } = latest;
    const wrong: string[] = [];
    if (evidence.target.identity !== lease.identity)
      wrong.push(`${id} was closed by a probe of ${evidence.target.identity}; its access is on ${lease.identity}`);
    if (evidence.observations.length === 0) wrong.push(`${id} was closed by a probe that saw nothing`);
    const lastMs = Math.max(
      0,
      ...world.targets.flatMap(({ changes }) => changes.filter((it) => it.grant === id).map((it) => it.atMs)),
    );
    if (lastMs > atMs) wrong.push(`${id} was closed at ${atMs} and changed on its target at ${lastMs}`);
    return wrong;
  });

const ENDED: readonly string[] = ["grant.revoking", "grant.revoked", "grant.failed", "grant.cancelled"];

/** 6. What has ended never comes back; a closed grant is opened again only by a probe. */
export const endedStaysEnded = ({ told }: World): string[] =>
  [...told.grants.values()].flatMap(({ id, kinds }) => {
    const end = kinds.findIndex((kind) => ENDED.includes(kind));
    const back =
      end < 0 ? [] : kinds.slice(end).filter((kind) => kind === "grant.active" || kind === "grant.provisioning");
    return back.map((kind) => `${id} had ended, and then came ${kind}`);
  });

/** A write of the reconciler that the store accepted, in order. */
export type FencedWrite = { readonly grant: GrantId; readonly fence: number };

/** 7. Every write of the reconciler has a fence, and accepted fences never decrease. */
export function fencesNeverDecrease(writes: readonly FencedWrite[]): string[] {
  const highest = new Map<GrantId, number>();
  return writes.flatMap(({ grant, fence }) => {
    const before = highest.get(grant) ?? 0;
    highest.set(grant, Math.max(before, fence));
    return fence > 0 && fence >= before ? [] : [`a write to ${grant} with fence ${fence} was accepted after ${before}`];
  });
}

/** 8. Who has an active grant has what it gives: no other's end took it away. */
export const nobodyElseLoses = (world: World): string[] =>
  [...world.told.grants.values()]
    .filter(({ state, expiresMs }) => state === "active" && expiresMs > world.nowMs)
    .flatMap((grant) => {
      const target = world.targets.find(({ identity }) => identity === grant.lease?.identity);
      if (target === undefined || target.things.some((thing) => holds(grant, target, thing))) return [];
      return [`${grant.id} is active, and what it gives is not on ${target.identity}`];
    });

/** 8. What stood there before us stays. `before`: right keys that were seen before any grant. */
export const standingStays = (world: World, before: readonly string[]): string[] =>
  before
    .filter(
      (key) => !world.targets.some(({ identity, things }) => things.some((it) => `${identity}/${it.right}` === key)),
    )
    .map((key) => `${key} stood there before us, and was taken away`);

/** 9. Whatever happened on the way, an ended grant leaves nothing: on the target, in the leases, among the sealed secrets. */
export function nothingIsLeft(world: World, leases: readonly Lease[], sealedSecrets: number): string[] {
  const over = ({ state, confirmed }: ToldGrant): boolean => state === "cancelled" || confirmed;
  const left = world.targets.flatMap((target) =>
    target.things
      .filter((thing) => !thing.standing)
      .filter((thing) => holdersOf(world, target, thing).every(over))
      .map((thing) => `${target.identity}/${thing.right} is left of ${thing.grant ?? "a membership"}`),
  );
  const ended = leases.filter(({ grantId, state }) => {
    const grant = world.told.grants.get(grantId);
    return grant !== undefined && over(grant) && state !== "released";
  });
  const all = [...world.told.grants.values()].every(over);
  return [
    ...left,
    ...ended.map(({ id, state }) => `lease ${id} is ${state} and its grant has ended`),
    ...(all && sealedSecrets > 0 ? [`${sealedSecrets} sealed secrets are left`] : []),
  ];
}

/** 10. No grant without enough distinct approvals of exactly what it gives, by others than the requester, in time. */
export function grantsAreApproved(
  grants: readonly Grant[],
  requests: readonly AccessRequest[],
  reviews: readonly Review[],
): string[] {
  return grants.flatMap((grant) => {
    const request = requests.find(({ id }) => id === grant.requestId);
    if (request === undefined) return [`${grant.id} has no request`];
    const { decision, requesterId } = request;
    if (request.state !== "approved" || requesterId !== grant.principalId)
      return [`${grant.id} is of ${grant.principalId}; its request is ${request.state}, of ${requesterId}`];
    if (decision.outcome === "denied") return [`${grant.id} was denied by policy`];
    if (decision.outcome === "automatic") return [];
    const binding = bindingApprovals(
      request,
      reviews.filter(({ requestId }) => requestId === request.id),
    );
    const people = new Set(binding.map(({ reviewerId }) => reviewerId));
    const needed = decision.steps.reduce((sum, { count }) => sum + count, 0);
    const wrong: string[] = [];
    if (people.size < needed) wrong.push(`${grant.id} has ${people.size} approvals; it needs ${needed}`);
    if (people.has(requesterId)) wrong.push(`${grant.id} was approved by its own requester`);
    for (const { scopeHash, createdMs } of binding)
      if (scopeHash !== grant.scopeHash || createdMs > request.expiresMs)
        wrong.push(`${grant.id} was approved for another scope, or too late`);
    return wrong;
  });
}

const LIVE: readonly string[] = ["scheduled", "provisioning", "active"];

/** 11. Who is deactivated has no live grant, and gets none. */
export const deactivatedHaveNothing = ({ told }: World): string[] =>
  [...told.grants.values()]
    .filter(({ principalId, state }) => told.deactivated.has(principalId) && LIVE.includes(state))
    .map(({ id, state, principalId }) => `${principalId} is deactivated and their ${id} is ${state}`);

/** How often each change can be told; a closing may come again after each reopening. */
const ONCE: readonly string[] = [
  "grant.created",
  "grant.provisioning",
  "grant.active",
  "grant.revoking",
  "grant.cancelled",
  "lease.written",
];

/** 12. One change, one entry: the log tells the same as the rows, and no change twice. */
export function logTellsTheSame({ told }: World, grants: readonly Grant[]): string[] {
  return grants.flatMap((grant) => {
    const tale = told.grants.get(grant.id);
    if (tale === undefined) return [`the log does not know ${grant.id}`];
    const wrong: string[] = [];
    if (tale.state !== grant.state) wrong.push(`${grant.id} is ${grant.state}; the log says ${tale.state}`);
    if (tale.extensions !== grant.extensions || tale.expiresMs !== grant.expiresMs)
      wrong.push(`${grant.id} was extended to ${grant.expiresMs}; the log says ${tale.expiresMs}`);
    const count = (kind: string): number => tale.kinds.filter((it) => it === kind).length;
    for (const kind of ONCE) if (count(kind) > 1) wrong.push(`${grant.id}: ${count(kind)} × ${kind}`);
    const closings = count("grant.revoked") + count("grant.failed") + count("grant.cancelled");
    const expected = count("grant.reopened") + (LIVE.includes(grant.state) || grant.state === "revoking" ? 0 : 1);
    // What was opened again before it was closed had no receipt that could be taken back.
    if (closings > expected) wrong.push(`${grant.id}: ${closings} ends for ${expected}`);
    return wrong;
  });
}

/** A signed head of the log; the root in hex. */
export type SeenHead = { readonly size: number; readonly root: string };

/** 13. Heads never shrink, and each is of the tree over the log, whose leaves have the hashes that are told of them. */
export function headsAreConsistent(log: readonly ToldEntry[], heads: readonly SeenHead[]): string[] {
  const wrong: string[] = [];
  const hex = (hash: Uint8Array): string => Buffer.from(hash).toString("hex");
  const tree = new GrowingTree();
  const roots = [hex(tree.root())];
  for (const [i, entry] of log.entries()) {
    const hash = leafHash(canonicalJson(entry.leaf));
    if (entry.seq !== i + 1) wrong.push(`entry ${i + 1} has position ${entry.seq}`);
    if (entry.leafHash !== hex(hash)) wrong.push(`the hash at ${entry.seq} is not that of the entry`);
    tree.append(hash);
    roots.push(hex(tree.root()));
  }
  for (const [i, { size, root }] of heads.entries()) {
    if (size < (heads[i - 1]?.size ?? 0)) wrong.push(`the head shrank to ${size}`);
    if (roots[size] !== root) wrong.push(`the head at ${size} does not agree with the log`);
  }
  return wrong;
}

/** A secret that somebody was handed, once for each time. */
export type Handed = { readonly grant: GrantId; readonly to: PrincipalId; readonly secret: string };

/** 14. A secret is handed over at most once, to its person, and is nowhere in the clear. `texts`: tables, logs, errors, traces. */
export function secretsAreKept({ told }: World, handed: readonly Handed[], texts: Iterable<string>): string[] {
  const wrong: string[] = [];
  const seen = new Set<string>();
  for (const { grant, to, secret } of handed) {
    if (seen.has(secret)) wrong.push(`the secret of ${grant} was handed over twice`);
    if (told.grants.get(grant)?.principalId !== to) wrong.push(`the secret of ${grant} was handed to ${to}`);
    seen.add(secret);
  }
  for (const text of texts)
    for (const secret of seen)
      if (text.includes(secret)) wrong.push(`a secret stands in the clear: ${text.slice(0, 80)}…`);
  return wrong;
}

/** How long due work on a target in good health waited while another target failed. */
export type Wait = { readonly target: string; readonly waitedMs: number };

/** 15. A failing target delays the others by no more than a second. */
export const neighboursDoNotWait = (waits: readonly Wait[]): string[] =>
  waits
    .filter(({ waitedMs }) => waitedMs > NEIGHBOUR_MS_MAX)
    .map(({ target, waitedMs }) => `work on ${target} waited ${waitedMs} ms for another target`);

/** Those that hold at every moment and are cheap to ask: the simulation does so after every event. */
export const alwaysTrue = (world: World): string[] =>
  [
    accessIsCovered,
    accessEndsOnTime,
    leaseComesFirst,
    closedWithProof,
    endedStaysEnded,
    nobodyElseLoses,
    deactivatedHaveNothing,
  ].flatMap((holdsNow) => holdsNow(world));
