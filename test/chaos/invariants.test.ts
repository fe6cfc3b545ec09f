/** Each invariant is broken once, so that none of them is a sentence that always holds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalJson, type JsonObject } from "../../src/base/canonical.ts";
import { toTimestamp } from "../../src/base/clock.ts";
import { entryId, type InstallationId, principalId, reviewId } from "../../src/base/ids.ts";
import { GrowingTree, leafHash } from "../../src/base/merkle.ts";
import type { EntryKind, EntryLeaf } from "../../src/domain/audit.ts";
import type { Grant } from "../../src/domain/grant.ts";
import { activeGrant, GONE, HOUR_MS, leaseFor, NOW_MS, OWNER } from "../../src/domain/grant-fixture.ts";
import type { Review } from "../../src/domain/request.ts";
import { needing, request } from "../../src/domain/request-fixture.ts";
import { GrantsTold, type ToldEntry } from "./grants-told.ts";
import * as invariants from "./invariants.ts";

const IDENTITY = GONE.target.identity;
const RIGHT = "member/admins/alice";
const EVIDENCE = { ...GONE, observations: [{ check: "membership", saw: "no member" }] } as unknown as JsonObject;

const hex = (hash: Uint8Array): string => Buffer.from(hash).toString("hex");

/** One grant, and a log that tells its life as far as wanted. */
class Tale {
  readonly grant: Grant = activeGrant();
  readonly log: ToldEntry[] = [];

  tell(kind: EntryKind, data: JsonObject = {}, atMs = NOW_MS): this {
    const leaf: EntryLeaf = {
      v: 1,
      id: entryId.make(),
      at: toTimestamp(atMs),
      installation: "01234567" as InstallationId,
      kind,
      actor: { system: "reconciler" },
      refs: kind.startsWith("principal.")
        ? { principal: OWNER }
        : { grant: this.grant.id, request: this.grant.requestId, principal: OWNER },
      data,
    };
    const seq = this.log.length + 1;
    const personal = kind === "lease.written" ? { rightKey: `${IDENTITY}/${RIGHT}` } : {};
    this.log.push({ seq, leafHash: hex(leafHash(canonicalJson(leaf))), leaf, personal });
    return this;
  }

  active({ lease = true } = {}): this {
    this.tell("grant.created", { expiresAt: toTimestamp(this.grant.expiresMs) }).tell("grant.provisioning");
    if (lease) this.tell("lease.written", { target: { identity: IDENTITY } });
    return this.tell("grant.active", { expiresAt: toTimestamp(this.grant.expiresMs) });
  }

  revoked(evidence = EVIDENCE): this {
    return this.tell("grant.revoking").tell("grant.revoked", { evidence });
  }

  world(more: Partial<invariants.SeenTarget> = {}, nowMs = NOW_MS): invariants.World {
    const known = { identity: IDENTITY, clearSinceMs: NOW_MS, things: [this.thing()], changes: [] };
    return { nowMs, told: new GrantsTold(this.log), targets: [{ ...known, ...more }] };
  }

  thing(more: Partial<invariants.SeenThing> = {}): invariants.SeenThing {
    return { right: RIGHT, grant: null, usable: true, standing: false, ...more };
  }
}

const broken = (wrong: string[], saying: RegExp): void => {
  assert.equal(wrong.length, 1, wrong.join("; "));
  assert.match(String(wrong[0]), saying);
};

test("an honest life breaks none of them", () => {
  const live = new Tale().active();
  assert.deepEqual(invariants.alwaysTrue(live.world()), []);
  const over = new Tale().active().revoked();
  assert.deepEqual(invariants.alwaysTrue(over.world({ things: [] })), []);
  assert.deepEqual(invariants.nothingIsLeft(over.world({ things: [] }), [], 0), []);
  assert.deepEqual(invariants.headsAreConsistent(over.log, []), []);
});

test("1: access without a live grant is seen, access that stood before is not ours", () => {
  const tale = new Tale().active().revoked();
  broken(invariants.accessIsCovered(tale.world()), /is revoked/);
  assert.deepEqual(invariants.accessIsCovered(tale.world({ things: [tale.thing({ standing: true })] })), []);
  assert.deepEqual(invariants.accessIsCovered(tale.world({ things: [tale.thing({ usable: false })] })), []);
});

test("2: access that outlives its end is seen, and excused while something stands in the way", () => {
  const tale = new Tale().active();
  const lateMs = tale.grant.expiresMs + invariants.LATE_MS_MAX + 1;
  broken(invariants.accessEndsOnTime(tale.world({}, lateMs)), /still open/);
  assert.deepEqual(invariants.accessEndsOnTime(tale.world({ clearSinceMs: null }, lateMs)), []);
  assert.deepEqual(invariants.accessEndsOnTime(tale.world({ clearSinceMs: lateMs }, lateMs)), []);
  const ended = new Tale().active().tell("grant.revoking");
  broken(invariants.accessEndsOnTime(ended.world({}, NOW_MS + invariants.LATE_MS_MAX + 1)), /still open/);
});

test("3: what is made before its lease is seen", () => {
  const tale = new Tale().active({ lease: false });
  const changes = [{ grant: tale.grant.id, atMs: NOW_MS }];
  broken(invariants.leaseComesFirst(tale.world({ things: [], changes })), /no lease/);
});

test("4: an active grant without end, or longer than approved, is seen", () => {
  const { grant } = new Tale();
  const asked = (durationMs: number) =>
    request(OWNER, needing(), { state: "approved", grantId: grant.id, durationMs, id: grant.requestId });
  assert.deepEqual(invariants.activeGrantsEnd([grant], [asked(HOUR_MS)]), []);
  broken(invariants.activeGrantsEnd([grant], [asked(HOUR_MS - 1)]), /were approved/);
  broken(invariants.activeGrantsEnd([{ ...grant, expiresMs: Number.NaN }], [asked(HOUR_MS)]), /no end/);
});

test("5: closing by another server, by seeing nothing, or before the last change is seen", () => {
  const other = { ...EVIDENCE, target: { identity: "memory:other", position: "1" } };
  broken(invariants.closedWithProof(new Tale().active().revoked(other).world({ things: [] })), /is on memory:d/);
  const blind = new Tale().active().revoked({ ...EVIDENCE, observations: [] });
  broken(invariants.closedWithProof(blind.world({ things: [] })), /saw nothing/);
  const tale = new Tale().active().revoked();
  const changes = [{ grant: tale.grant.id, atMs: NOW_MS + 1 }];
  broken(invariants.closedWithProof(tale.world({ things: [], changes })), /changed on its target/);
});

test("6: what comes back after its end is seen", () => {
  broken(invariants.endedStaysEnded(new Tale().active().revoked().tell("grant.active").world()), /and then came/);
});

test("7: a fence that decreases, or is missing, is seen", () => {
  const { grant } = new Tale();
  const writes = (...fences: number[]) => fences.map((fence) => ({ grant: grant.id, fence }));
  assert.deepEqual(invariants.fencesNeverDecrease(writes(1, 1, 4)), []);
  broken(invariants.fencesNeverDecrease(writes(2, 1)), /after 2/);
  broken(invariants.fencesNeverDecrease(writes(0)), /fence 0/);
});

test("8: an active grant that lost what it gives is seen", () => {
  broken(invariants.nobodyElseLoses(new Tale().active().world({ things: [] })), /is not on memory:d/);
});

test("8: what stood there before and is gone is seen", () => {
  const before = [`${IDENTITY}/${RIGHT}`];
  assert.deepEqual(invariants.standingStays(new Tale().world(), before), []);
  broken(invariants.standingStays(new Tale().world({ things: [] }), before), /taken away/);
});

test("9: what is left of an ended grant is seen: on the target, of its lease, of its secrets", () => {
  const tale = new Tale().active().revoked().tell("grant.confirmed");
  broken(invariants.nothingIsLeft(tale.world({ things: [tale.thing({ usable: false })] }), [], 0), /is left of/);
  broken(invariants.nothingIsLeft(tale.world({ things: [] }), [leaseFor(tale.grant.id)], 0), /lease .* is made/);
  broken(invariants.nothingIsLeft(tale.world({ things: [] }), [], 1), /sealed secrets/);
});

test("10: a grant with too few approvals, or with one's own, is seen", () => {
  const { grant } = new Tale();
  const asked = request(OWNER, needing({ by: ["owners"], count: 1 }), {
    id: grant.requestId,
    state: "approved",
    grantId: grant.id,
    scopeHash: grant.scopeHash,
  });
  const by = (reviewer: Review["reviewerId"]): Review => ({
    id: reviewId.make(),
    requestId: asked.id,
    reviewerId: reviewer,
    verdict: "approve",
    comment: "",
    durationMs: null,
    entitlement: asked.entitlement,
    scopeHash: grant.scopeHash,
    createdMs: NOW_MS,
    voidedMs: null,
  });
  assert.deepEqual(invariants.grantsAreApproved([grant], [asked], [by(principalId.make())]), []);
  broken(invariants.grantsAreApproved([grant], [asked], []), /0 approvals/);
  broken(invariants.grantsAreApproved([grant], [asked], [by(OWNER)]), /own requester/);
  broken(invariants.grantsAreApproved([grant], [], []), /no request/);
});

test("11: somebody deactivated with a live grant is seen", () => {
  broken(invariants.deactivatedHaveNothing(new Tale().active().tell("principal.deactivated").world()), /is active/);
});

test("12: a row that the log does not tell, and a change told twice, are seen", () => {
  const tale = new Tale().active();
  assert.deepEqual(invariants.logTellsTheSame(tale.world(), [tale.grant]), []);
  broken(invariants.logTellsTheSame(new Tale().world(), [tale.grant]), /does not know/);
  broken(invariants.logTellsTheSame(tale.tell("grant.active").world(), [tale.grant]), /2 × grant.active/);
  broken(invariants.logTellsTheSame(tale.world(), [{ ...tale.grant, extensions: 1 }]).slice(0, 1), /extended/);
});

test("13: a head that shrinks or disagrees, and an entry that is not what was hashed, are seen", () => {
  const { log } = new Tale().active();
  const head = (size: number) => {
    const tree = new GrowingTree();
    for (const { leaf } of log.slice(0, size)) tree.append(leafHash(canonicalJson(leaf)));
    return { size, root: hex(tree.root()) };
  };
  assert.deepEqual(invariants.headsAreConsistent(log, [head(0), head(1), head(3)]), []);
  broken(invariants.headsAreConsistent(log, [head(3), head(1)]), /shrank/);
  broken(invariants.headsAreConsistent(log, [{ ...head(1), root: "other" }]), /does not agree/);
  const [first, ...rest] = log;
  assert.ok(first !== undefined);
  const edited = { ...first, leaf: { ...first.leaf, data: {} } };
  assert.match(invariants.headsAreConsistent([edited, ...rest], []).join(), /the hash at 1 is not/);
});

test("14: a secret that is handed over twice, to another, or stands in the clear is seen", () => {
  const tale = new Tale().active();
  const handed = { grant: tale.grant.id, to: OWNER, secret: "hunter2hunter2" };
  assert.deepEqual(invariants.secretsAreKept(tale.world(), [handed], ["nothing"]), []);
  broken(invariants.secretsAreKept(tale.world(), [handed, handed], []), /twice/);
  broken(invariants.secretsAreKept(tale.world(), [{ ...handed, to: principalId.make() }], []), /handed to/);
  broken(invariants.secretsAreKept(tale.world(), [handed], ["password=hunter2hunter2"]), /in the clear/);
});

test("15: work that waited for another target is seen", () => {
  assert.deepEqual(invariants.neighboursDoNotWait([{ target: "a", waitedMs: 900 }]), []);
  broken(invariants.neighboursDoNotWait([{ target: "a", waitedMs: 1_100 }]), /waited 1100 ms/);
});
