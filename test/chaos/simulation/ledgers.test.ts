/**
 * One suite for both ledgers: what the simulation relies on must be what PostgreSQL does. First rules about who waits for
 * whom, then random histories of calls that must be answered alike.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { systemTimers } from "../../../src/base/clock.ts";
import { type GrantId, type SecretId, secretId } from "../../../src/base/ids.ts";
import { Secret } from "../../../src/base/secret.ts";
import type { Grant } from "../../../src/domain/grant.ts";
import { type Claim, ClaimLost } from "../../../src/store/grants.ts";
import type { Ledger, LedgerTx } from "../../../src/store/ledger.ts";
import { KeyRing, sealingKey } from "../../../src/store/sealed.ts";
import { startTestPostgres, type TestPostgres } from "../../support/postgres-server.ts";
import { createWorld } from "../../support/world.ts";
import { aGrant, aLease, aPerson, aRequest, BEGIN_MS, CONFIGURATION, INSTALLATION, LIVES } from "./ledger-fixture.ts";
import { MemoryLedger } from "./memory-ledger.ts";

const RING = new KeyRing([sealingKey(Buffer.alloc(32, 3))]);
const LONG_MS = 3_600_000;
const PASSED_MS = -1_000;
/** Later than any test runs. */
const LATER_MS = Date.UTC(2100, 0, 1);
const RUNS = process.env["TIDEGATE_LONG"] === undefined ? 40 : 1_000;

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

type Opened = { readonly ledger: Ledger; readonly close: () => Promise<void> };
const LEDGERS: readonly { readonly name: string; readonly open: () => Promise<Opened> }[] = [
  {
    name: "PostgreSQL",
    open: async () => {
      const world = await createWorld({ server });
      return { ledger: world.context.ledger, close: () => world.stop() };
    },
  },
  { name: "memory", open: async () => ({ ledger: new MemoryLedger({ clock: systemTimers }), close: async () => {} }) },
];

/** One person with one grant, due long ago. */
async function withGrant(ledger: Ledger): Promise<Grant> {
  const grant = aGrant(aPerson("alice"), 0);
  await ledger.transaction(async (tx) => {
    await tx.activateConfig(CONFIGURATION, "test", await tx.nowMs());
    await tx.putPrincipal(aPerson("alice"), await tx.nowMs());
    await tx.putRequest(aRequest(grant));
    await tx.putGrant(grant, null);
  });
  return grant;
}

const claimOf = async (ledger: Ledger): Promise<Claim | undefined> =>
  (await ledger.claimDue([{ resource: "dir", places: 1 }], "one", LONG_MS))[0]?.claim;

/** A transaction that waits before it ends, until it is told to. */
function held(ledger: Ledger, body: (tx: LedgerTx) => Promise<void>) {
  const [begun, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const done = ledger.transaction(async (tx) => {
    await body(tx);
    begun.resolve();
    await go.promise;
  });
  done.catch((error: unknown) => begun.reject(error));
  return {
    begun: begun.promise,
    end: () => {
      go.resolve();
      return done;
    },
  };
}

/** Whether it is still waiting when another question has been answered. */
async function waits(promise: Promise<unknown>, ledger: Ledger): Promise<boolean> {
  let waiting = true;
  const over = (): void => {
    waiting = false;
  };
  promise.then(over, over);
  for (let i = 0; i < 5; i += 1) await ledger.nowMs();
  return waiting;
}

for (const { name, open } of LEDGERS)
  describe(`the ledger in ${name}`, () => {
    let ledger: Ledger;
    let close: () => Promise<void>;
    let grant: Grant;
    const fresh = async (): Promise<void> => {
      ({ ledger, close } = await open());
      grant = await withGrant(ledger);
    };
    const rule = (what: string, body: () => Promise<void>): void =>
      void test(what, async () => {
        await fresh();
        try {
          await body();
        } finally {
          await close();
        }
      });

    rule("who comes second to a grant waits, and then sees what the first wrote", async () => {
      const next = LIVES.next(grant) as Grant;
      const first = held(ledger, async (tx) => {
        await tx.lockGrant(grant.id, null);
        await tx.putGrant(next, null);
      });
      await first.begun;
      const second = ledger.transaction((tx) => tx.lockGrant(grant.id, null));
      assert.ok(await waits(second, ledger), "it waits");
      assert.equal((await ledger.grantNow(grant.id))?.grant.state, grant.state, "nobody sees what is not committed");
      await first.end();
      assert.equal((await second)?.grant.state, next.state);
    });

    rule("time is read after the lock", async () => {
      const first = held(ledger, async (tx) => void (await tx.lockGrant(grant.id, null)));
      await first.begun;
      const second = ledger.transaction((tx) => tx.lockGrant(grant.id, null));
      await waits(second, ledger);
      const beforeMs = await ledger.nowMs();
      await first.end();
      assert.ok(((await second)?.nowMs ?? 0) >= beforeMs);
    });

    rule("a claim passes over what somebody holds", async () => {
      const first = held(ledger, async (tx) => void (await tx.lockGrant(grant.id, null)));
      await first.begun;
      assert.equal(await claimOf(ledger), undefined);
      await first.end();
      assert.equal((await claimOf(ledger))?.grant, grant.id);
    });

    rule("renewing and releasing a claim wait for who holds the grant", async () => {
      const claim = (await claimOf(ledger)) as Claim;
      for (const write of [() => ledger.renewClaims([claim], LONG_MS), () => ledger.releaseClaim(claim)]) {
        const first = held(ledger, async (tx) => void (await tx.lockGrant(grant.id, claim)));
        await first.begun;
        const second = write();
        assert.ok(await waits(second, ledger));
        await first.end();
        await second;
      }
      assert.equal(await ledger.isClaimed(claim), false);
    });

    rule("two that wait for each other both come through: one of them goes again", async () => {
      const other = { ...aGrant(aPerson("alice"), 1) };
      await ledger.transaction(async (tx) => {
        await tx.putRequest(aRequest(other));
        await tx.putGrant(other, null);
      });
      let tries = 0;
      const both = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
      const run = (mine: GrantId, theirs: GrantId, at: 0 | 1) =>
        ledger.transaction(async (tx) => {
          tries += 1;
          await tx.lockGrant(mine, null);
          both[at].resolve();
          await both[1 - at]?.promise;
          await tx.lockGrant(theirs, null);
        });
      await Promise.all([run(grant.id, other.id, 0), run(other.id, grant.id, 1)]);
      assert.equal(tries, 3);
    });

    rule("many may hold the configuration; who changes it waits for all of them", async () => {
      const [one, two] = [held(ledger, (tx) => tx.holdConfig()), held(ledger, (tx) => tx.holdConfig())];
      await Promise.all([one.begun, two.begun]);
      const change = ledger.transaction(async (tx) =>
        tx.activateConfig({ ...CONFIGURATION, policies: [] }, "test", await tx.nowMs()),
      );
      assert.ok(await waits(change, ledger));
      await one.end();
      assert.ok(await waits(change, ledger));
      await two.end();
      assert.equal((await change)?.id, await ledger.activeVersion());
    });

    rule("the same call again waits for the first, and is answered with what that did", async () => {
      const person = aPerson("alice").id;
      const first = held(ledger, async (tx) => {
        assert.equal(await tx.recallCall(person, "key", "hash"), null);
        await tx.rememberCall(person, "key", { said: "yes" });
      });
      await first.begun;
      const second = ledger.transaction((tx) => tx.recallCall(person, "key", "other"));
      assert.ok(await waits(second, ledger));
      await first.end();
      assert.deepEqual(await second, { hash: "hash", result: { said: "yes" } });
    });

    rule("what fails leaves nothing behind", async () => {
      const next = LIVES.next(grant) as Grant;
      await assert.rejects(
        ledger.transaction(async (tx) => {
          await tx.putGrant(next, null);
          await tx.recallCall(aPerson("alice").id, "key", "hash");
          throw new Error("no");
        }),
      );
      assert.equal((await ledger.grantNow(grant.id))?.grant.state, grant.state);
      assert.equal(await ledger.transaction((tx) => tx.recallCall(aPerson("alice").id, "key", "hash")), null);
    });

    rule("a discarded secret is gone from the lease that named it", async () => {
      const secret = await ledger.transaction(async (tx) => {
        const id = await tx.seal(RING, "credential", new Secret("hunter2"), await tx.nowMs());
        await tx.putLease({ ...aLease(grant), secretId: id });
        return id;
      });
      assert.equal((await ledger.unseal(RING, "credential", secret))?.reveal(), "hunter2");
      assert.equal(await ledger.unseal(RING, "connection", secret), null, "a purpose is part of it");
      await ledger.transaction((tx) => tx.discard(secret));
      assert.equal((await ledger.leaseOf(grant.id))?.secretId, null);
      assert.equal(await ledger.unseal(RING, "credential", secret), null);
    });

    rule("details are merged while the claim is ours, and not a moment longer", async () => {
      const claim = (await claimOf(ledger)) as Claim;
      assert.equal(await ledger.mergeDetails(claim, { a: 1 }), false, "there is no lease yet");
      await ledger.transaction((tx) => tx.putLease(aLease(grant)));
      assert.equal(await ledger.mergeDetails(claim, { a: 1, b: 1 }), true);
      assert.equal(await ledger.mergeDetails(claim, { b: 2 }), true);
      assert.deepEqual((await ledger.leaseOf(grant.id))?.details, { a: 1, b: 2 });
      assert.equal((await ledger.leaseOf(grant.id))?.fence, claim.fence);
      await ledger.releaseClaim(claim);
      assert.equal(await ledger.mergeDetails(claim, { c: 3 }), false);
      await assert.rejects(
        ledger.transaction((tx) => tx.lockGrant(grant.id, claim)),
        ClaimLost,
      );
    });
  });

/** A call of the port, by numbers: of grants, of claims that were got, of rights. */
type Call =
  | {
      do: "make" | "next" | "back" | "trouble" | "lease" | "second-lease" | "lease-without-secret" | "drop-lease";
      grant: number;
    }
  | { do: "bad"; grant: number; what: "no-duration" | "no-end" | "ends-first" | "no-request" }
  | { do: "claim"; resource: string; places: number; lives: boolean; owner: string }
  | { do: "ended"; limit: number }
  | { do: "hasten"; resource: string; limit: number }
  | { do: "renew" | "release" | "write" | "put-off" | "is-claimed" | "lock" | "details"; claim: number }
  | { do: "right" | "drop-right"; claim: number; right: number; lives: boolean }
  | { do: "look" | "holders"; right: number };

const [GRANTS, CLAIMS, RIGHTS] = [5, 6, 3];
const nth = (limit: number) => fc.nat(limit - 1);
const call: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("make" as const, "next" as const, "next" as const),
      grant: nth(GRANTS),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("back", "trouble", "trouble", "lease", "second-lease", "lease-without-secret", "drop-lease"),
      grant: nth(GRANTS),
    }) as fc.Arbitrary<Call>,
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("bad" as const),
      grant: nth(GRANTS),
      what: fc.constantFrom("no-duration" as const, "no-end" as const, "ends-first" as const, "no-request" as const),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("claim" as const),
      resource: fc.constantFrom("dir", "other"),
      places: fc.integer({ min: 1, max: 3 }),
      lives: fc.boolean(),
      owner: fc.constantFrom("one", "two"),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("renew", "release", "write", "write", "put-off", "is-claimed", "lock", "details"),
      claim: nth(CLAIMS),
    }) as fc.Arbitrary<Call>,
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("right" as const, "drop-right" as const),
      claim: nth(CLAIMS),
      right: nth(RIGHTS),
      lives: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("ended" as const), limit: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("hasten" as const),
      resource: fc.constantFrom("dir", "other"),
      limit: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("look" as const, "holders" as const), right: nth(RIGHTS) }) },
);

/** How far each grant is at first; 0: it is not there. */
const begun = fc.array(fc.nat(6), { minLength: GRANTS, maxLength: GRANTS });

/** When something is tried again is not the same moment for two; whether it is now or later is. */
const timeless = (answer: unknown): unknown =>
  JSON.parse(
    JSON.stringify(answer ?? null, (key, value: unknown) => (key === "retryMs" ? Number(value) > LATER_MS : value)),
  );

/** Makes calls of one ledger, and says what it answered in words that do not depend on which ledger it is. */
class Caller {
  readonly #ledger: Ledger;
  readonly #grants: readonly Grant[];
  readonly #now = new Map<number, Grant>();
  readonly #claims: Claim[] = [];
  readonly #fences: number[] = [];

  constructor(ledger: Ledger, grants: readonly Grant[]) {
    this.#ledger = ledger;
    this.#grants = grants;
  }

  async make(it: Call): Promise<unknown> {
    try {
      return timeless(await this.#do(it));
    } catch (error) {
      return error instanceof ClaimLost ? "claim lost" : "refused";
    }
  }

  /** Fences come from a sequence; only their order means something. */
  #fence(fence: number): number {
    if (!this.#fences.includes(fence)) this.#fences.push(fence);
    return this.#fences.indexOf(fence);
  }

  #put(grant: Grant, number: number): Promise<string> {
    return this.#ledger.transaction(async (tx) => {
      await tx.putGrant(grant, null);
      this.#now.set(number, grant);
      return grant.state;
    });
  }

  async #do(it: Call): Promise<unknown> {
    if ("claim" in it) return this.#ofClaim(it);
    if ("grant" in it) return this.#ofGrant(it);
    if (it.do === "claim") {
      const lifetimeMs = it.lives ? LONG_MS : PASSED_MS;
      const wanted = [{ resource: it.resource, places: it.places }];
      const claimed = await this.#ledger.claimDue(wanted, it.owner, lifetimeMs);
      const sorted = claimed.sort((a, b) => (a.claim.grant < b.claim.grant ? -1 : 1));
      this.#claims.push(...sorted.map(({ claim }) => claim));
      return sorted.map(({ claim: { grant, owner }, resource, urgency }) => ({ grant, owner, resource, urgency }));
    }
    if (it.do === "hasten") return this.#ledger.hasten(it.resource, it.limit);
    if (it.do === "ended")
      return this.#ledger.transaction(async (tx) => (await tx.lockEnded(it.limit)).map(({ grant }) => grant.id));
    if (it.do === "holders") {
      const held = await this.#ledger.holdersOf(`right ${it.right}`);
      return held.map(({ grant, lease }) => [grant?.state, lease.grantId, lease.state]).sort();
    }
    return this.#look();
  }

  async #look(): Promise<unknown> {
    const due = await this.#ledger.dueResources();
    const ms = await this.#ledger.msUntilDue();
    const { id } = aPerson("alice");
    const starting = await this.#ledger.dueToStart("dir", id, (await this.#ledger.nowMs()) + LONG_MS);
    const live = await this.#ledger.transaction((tx) => tx.liveGrantIds(id));
    const pending = await this.#ledger.transaction((tx) => tx.pendingRequestIds(null));
    return {
      due: due.sort((a, b) => (a.resource < b.resource ? -1 : 1)),
      next: ms === null ? null : ms > 0,
      starting: starting.map((grant) => grant.id).sort(),
      live: live.sort(),
      pending,
    };
  }

  async #ofClaim(it: Extract<Call, { claim: number }>): Promise<unknown> {
    const claim = this.#claims[it.claim % Math.max(1, this.#claims.length)];
    if (claim === undefined) return "no claim";
    switch (it.do) {
      case "renew":
        return [...(await this.#ledger.renewClaims([claim], LONG_MS))];
      case "write": {
        const number = this.#grants.findIndex(({ id }) => id === claim.grant);
        const next = LIVES.next(this.#now.get(number) as Grant);
        if (next === null) return "over";
        this.#now.set(number, next);
        const leases = next.state === "revoked" ? [{ ...aLease(next), state: "released" as const }] : [];
        const written = {
          entries: [],
          grants: [{ grant: next, receipt: null }],
          leases,
          discarded: [],
          released: claim,
        };
        await this.#ledger.transaction((tx) => tx.write(INSTALLATION, written, BEGIN_MS));
        const held = await this.#ledger.claimRight("right 0", { ...claim, fence: claim.fence + 1_000_000 }, PASSED_MS);
        return [(await this.#ledger.grantNow(claim.grant))?.grant, await this.#ledger.isClaimed(claim), held];
      }
      case "release":
        return this.#ledger.releaseClaim(claim);
      case "put-off":
        return this.#ledger.releaseClaim(claim, LONG_MS);
      case "is-claimed":
        return this.#ledger.isClaimed(claim);
      case "lock":
        return this.#ledger.transaction(async (tx) => (await tx.lockGrant(claim.grant, claim))?.grant);
      case "details": {
        const merged = await this.#ledger.mergeDetails(claim, { [`by ${this.#fence(claim.fence)}`]: true });
        const lease = await this.#ledger.leaseOf(claim.grant);
        return [merged, lease?.details, lease === null ? null : this.#fence(lease.fence)];
      }
      case "right":
        return this.#ledger.claimRight(`right ${it.right}`, claim, it.lives ? LONG_MS : PASSED_MS);
      case "drop-right":
        return this.#ledger.releaseRight(claim);
      default:
        throw new Error("no such call");
    }
  }

  async #ofGrant(it: Extract<Call, { grant: number }>): Promise<unknown> {
    const first = this.#grants[it.grant] as Grant;
    const now = this.#now.get(it.grant);
    if (it.do === "make") return this.#put(first, it.grant);
    if (it.do === "bad") return this.#put(LIVES.bad(first, it.what), it.grant);
    if (now === undefined) return "no grant";
    switch (it.do) {
      case "next": {
        const next = LIVES.next(now);
        return next === null ? "over" : this.#put(next, it.grant);
      }
      case "trouble": {
        const troubled = LIVES.troubled(now, LATER_MS + LONG_MS);
        return this.#put(troubled, it.grant);
      }
      case "back":
        return this.#put(LIVES.active(first), it.grant);
      case "lease":
        return this.#ledger.transaction((tx) => tx.putLease(aLease(now, `right ${it.grant % RIGHTS}`)));
      case "second-lease":
        return this.#ledger.transaction((tx) => tx.putLease({ ...aLease(now), id: LIVES.otherLease(it.grant) }));
      case "lease-without-secret":
        return this.#ledger.transaction((tx) => tx.putLease({ ...aLease(now), secretId: NO_SECRET }));
      case "drop-lease":
        return this.#ledger.transaction((tx) => tx.putLease({ ...aLease(now), state: "released" }));
      default:
        throw new Error("no such call");
    }
  }
}

const NO_SECRET: SecretId = secretId.make();

test("random calls are answered alike by both ledgers", async () => {
  const world = await createWorld({ server });
  const property = fc.asyncProperty(begun, fc.array(call, { minLength: 30, maxLength: 80 }), async (steps, calls) => {
    await world.store.pool.query(
      "truncate right_claims, leases, grants, reviews, requests, principals, config_active, config_versions restart identity cascade",
    );
    const opened = [world.context.ledger, new MemoryLedger({ clock: systemTimers })];
    const person = aPerson("alice");
    const grants = Array.from({ length: GRANTS }, (_, i) => aGrant(person, i, i % 2 === 0 ? "dir" : "other"));
    for (const ledger of opened)
      await ledger.transaction(async (tx) => {
        await tx.activateConfig(CONFIGURATION, "test", await tx.nowMs());
        await tx.putPrincipal(person, await tx.nowMs());
        for (const grant of grants) await tx.putRequest(aRequest(grant));
      });
    const callers = opened.map((ledger) => new Caller(ledger, grants));
    const first = steps.flatMap((many, grant): Call[] =>
      many === 0
        ? []
        : [{ do: "make", grant }, ...Array.from({ length: many - 1 }, (): Call => ({ do: "next", grant }))],
    );
    for (const [i, it] of [...first, ...calls].entries()) {
      const [real, inMemory] = await Promise.all(callers.map((caller) => caller.make(it)));
      assert.deepEqual(inMemory, real, `call ${i}: ${JSON.stringify(it)}`);
    }
  });
  try {
    await fc.assert(property, { numRuns: RUNS, endOnFailure: true });
  } finally {
    await world.stop();
  }
});
