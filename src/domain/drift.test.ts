import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type GrantId, grantId } from "../base/ids.ts";
import {
  DRIFT_KINDS,
  type Drift,
  type DriftKind,
  driftKey,
  END_TOLERANCE_MS,
  findDrift,
  type LedgerGrant,
  type Look,
  remedyFor,
} from "./drift.ts";
import type { Observed } from "./observed.ts";

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;
const SCOPE = "5c0pe";

const active = (more: Partial<LedgerGrant> = {}): LedgerGrant => ({
  id: grantId.make(),
  resource: "orders-db",
  state: "active",
  scopeHash: SCOPE,
  expiresMs: NOW + HOUR,
  closedMs: null,
  extendTarget: false,
  lease: "live",
  ...more,
});
const closed = (more: Partial<LedgerGrant> = {}): LedgerGrant =>
  active({ state: "revoked", lease: "released", closedMs: NOW - HOUR, ...more });

const seenOf = (grant: LedgerGrant, more: Partial<Observed> = {}): Observed => ({
  as: "own",
  name: `tg_${grant.id}`,
  what: "login role",
  grant: grant.id,
  scopeHash: null,
  since: null,
  by: null,
  remainingMs: grant.expiresMs - NOW,
  more: [],
  less: [],
  ...more,
});
const group = (scopeHash: string, more: Partial<Observed> = {}): Observed => ({
  ...seenOf(active(), { as: "shared", name: `tgg_${scopeHash}`, what: "group role", grant: null }),
  scopeHash,
  remainingMs: null,
  ...more,
});

const byId = (grants: readonly LedgerGrant[]): ReadonlyMap<GrantId, LedgerGrant> =>
  new Map(grants.map((grant) => [grant.id, grant]));

/** A look at a world in which nothing is wrong, changed as told. */
function lookAt(grants: readonly LedgerGrant[], more: Partial<Look> = {}): Look {
  const live = grants.filter(({ lease }) => lease === "live");
  return {
    resource: "orders-db",
    beganMs: NOW,
    endedMs: NOW + 50,
    before: byId(live.filter(({ resource }) => resource === "orders-db")),
    seen: [...live.map((grant) => seenOf(grant)), ...(live.length === 0 ? [] : [group(SCOPE)])],
    after: byId(grants),
    scopes: new Set(live.map(({ scopeHash }) => scopeHash)),
    standing: [],
    ...more,
  };
}

const kinds = (drifts: readonly Drift[]): DriftKind[] => drifts.map(({ kind }) => kind);

test("a target that is as the ledger says has no drift, whatever the grants are", () => {
  const grant = fc
    .record({
      resource: fc.constantFrom("orders-db", "billing-db"),
      state: fc.constantFrom("active", "revoking", "provisioning"),
      remaining: fc.integer({ min: 1_000, max: 400 * 24 * HOUR }),
      extendTarget: fc.boolean(),
    })
    .map(
      ({ remaining, ...rest }): LedgerGrant => active({ ...rest, expiresMs: NOW + remaining } as Partial<LedgerGrant>),
    );
  fc.assert(
    fc.property(fc.array(grant, { maxLength: 20 }), fc.array(fc.constant(null), { maxLength: 3 }), (grants, ended) => {
      assert.deepEqual(findDrift(lookAt([...grants, ...ended.map(() => closed())])), []);
    }),
  );
});

/** Each change by hand, and the one thing that is to be told about it. */
const CHANGES: Record<
  string,
  { change: (look: Look, grant: LedgerGrant) => Partial<Look>; tells: [DriftKind, RegExp] }
> = {
  "a login with our mark of a grant that nobody knows": {
    change: (look) => ({ seen: [...look.seen, seenOf(active())] }),
    tells: ["unknown-mark", /in no ledger/],
  },
  "a login with our mark that names no grant": {
    change: (look) => ({ seen: [...look.seen, seenOf(active(), { grant: null })] }),
    tells: ["unknown-mark", /in no ledger/],
  },
  "a group of a scope that nobody uses": {
    change: (look) => ({ seen: [...look.seen, group("other")] }),
    tells: ["unknown-mark", /no grant/],
  },
  "access of a grant that was closed long before": {
    change: (look) => {
      const late = closed();
      return { seen: [...look.seen, seenOf(late)], after: new Map([...look.after, [late.id, late]]) };
    },
    tells: ["left-over", /closed/],
  },
  "a login that was dropped": {
    change: (look, grant) => ({ seen: look.seen.filter((one) => one.grant !== grant.id) }),
    tells: ["missing", /not there/],
  },
  "a login that may more": {
    change: (look, grant) => ({
      seen: look.seen.map((one) => (one.grant === grant.id ? { ...one, more: ["x"] } : one)),
    }),
    tells: ["more", /^x$/],
  },
  "a login that may less": {
    change: (look, grant) => ({
      seen: look.seen.map((one) => (one.grant === grant.id ? { ...one, less: ["y"] } : one)),
    }),
    tells: ["less", /^y$/],
  },
  "a group that gained": {
    change: (look) => ({ seen: look.seen.map((one) => (one.as === "shared" ? { ...one, more: ["z"] } : one)) }),
    tells: ["more", /^z$/],
  },
  "an end that was put off": {
    change: (look, grant) => ({
      seen: look.seen.map((one) => (one.grant === grant.id ? { ...one, remainingMs: Number.POSITIVE_INFINITY } : one)),
    }),
    tells: ["more", /later/],
  },
  "an end that was brought forward": {
    change: (look, grant) => ({
      seen: look.seen.map((one) => (one.grant === grant.id ? { ...one, remainingMs: 0 } : one)),
    }),
    tells: ["less", /earlier/],
  },
  "somebody in the group by hand": {
    change: (look) => ({ seen: [...look.seen, group(SCOPE, { as: "by-hand", name: "bob in tgg", what: "member" })] }),
    tells: ["by-hand", /member/],
  },
  "a function that lends rights": {
    change: (look, grant) => ({ seen: [...look.seen, seenOf(grant, { as: "made", name: "f()", what: "lends" })] }),
    tells: ["made", /lends/],
  },
};

test("each change by hand is told once, and nothing else is, whatever else is there and in whatever order it is seen", () => {
  const others = fc.array(fc.constantFrom("active", "revoking", "provisioning"), { maxLength: 8 });
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.keys(CHANGES)),
      others,
      fc.infiniteStream(fc.nat()),
      (name, states, shuffle) => {
        const changed = CHANGES[name] ?? assert.fail();
        const grant = active();
        const look = lookAt([grant, ...states.map((state) => active({ state } as Partial<LedgerGrant>))]);
        const now = { ...look, ...changed.change(look, grant) };
        const found = findDrift(now);
        assert.deepEqual(kinds(found), [changed.tells[0]], name);
        assert.match(found[0]?.what ?? "", changed.tells[1]);
        const mixed = now.seen
          .map((one) => ({ one, at: shuffle.next().value as number }))
          .sort((a, b) => a.at - b.at)
          .map(({ one }) => one);
        assert.deepEqual(findDrift({ ...now, seen: mixed }).map(driftKey), found.map(driftKey));
      },
    ),
  );
});

test("what may merely have been under way is left to the next sweep", () => {
  const grant = active();
  const unseen = (after: LedgerGrant | null) =>
    findDrift(lookAt([grant], { seen: [group(SCOPE)], after: after === null ? new Map() : byId([after]) }));
  assert.deepEqual(unseen({ ...grant, state: "revoking" }), [], "it ended while somebody looked");
  assert.deepEqual(unseen({ ...grant, state: "revoked", lease: "released", closedMs: NOW + 10 }), []);
  assert.deepEqual(
    findDrift(lookAt([grant], { before: new Map(), seen: [group(SCOPE)] })),
    [],
    "it began while somebody looked",
  );
  const closing = closed({ closedMs: NOW + 10 });
  assert.deepEqual(findDrift(lookAt([closing], { seen: [seenOf(closing)] })), [], "it was closed after it was seen");
  const longer = { ...grant, expiresMs: NOW + 9 * HOUR };
  assert.deepEqual(findDrift(lookAt([longer], { before: byId([grant]), seen: [seenOf(longer), group(SCOPE)] })), []);
  assert.deepEqual(
    findDrift(lookAt([{ ...longer, extendTarget: true }], { seen: [seenOf(grant), group(SCOPE)] })),
    [],
    "the target is still to be told of the later end",
  );
});

test("clocks that differ by less than a minute are no drift", () => {
  const grant = active();
  fc.assert(
    fc.property(fc.integer({ min: -END_TOLERANCE_MS, max: END_TOLERANCE_MS }), (skew) => {
      const seen = [seenOf(grant, { remainingMs: HOUR + skew }), group(SCOPE)];
      assert.deepEqual(findDrift(lookAt([grant], { seen })), []);
    }),
  );
});

test("what another resource on the same target has is that one's to compare", () => {
  const theirs = active({ resource: "billing-db" });
  const seen = [seenOf(theirs, { more: ["x"], remainingMs: 0 }), group(SCOPE, { more: ["z"] })];
  assert.deepEqual(findDrift(lookAt([theirs], { seen })), []);
});

test("more than was approved is taken and closed grants are reopened whatever policy says; nothing else is done unless it says repair", () => {
  const doneUnder = (policy: "report" | "repair") =>
    Object.fromEntries(DRIFT_KINDS.map((kind) => [kind, remedyFor(kind, policy)]));
  assert.deepEqual(doneUnder("report"), {
    "unknown-mark": null,
    "left-over": "reopen",
    missing: null,
    more: "take",
    less: null,
    "by-hand": null,
    made: null,
    standing: null,
  });
  assert.deepEqual(doneUnder("repair"), {
    "unknown-mark": "remove",
    "left-over": "reopen",
    missing: "renew",
    more: "take",
    less: "make",
    "by-hand": "remove",
    made: null,
    standing: null,
  });
});
