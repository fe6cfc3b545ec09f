/** Random calls of the port, and what a ledger answers to them in words that do not depend on which ledger it is. */
import fc from "fast-check";
import { type SecretId, secretId } from "../../../src/base/ids.ts";
import type { Grant } from "../../../src/domain/grant.ts";
import { type Claim, ClaimLost } from "../../../src/store/grants.ts";
import type { Ledger } from "../../../src/store/ledger.ts";
import { aLease, aPerson, BEGIN_MS, INSTALLATION, LIVES } from "./ledger-fixture.ts";

export const LONG_MS = 3_600_000;
const PASSED_MS = -1_000;
/** Later than any test runs. */
const LATER_MS = Date.UTC(2100, 0, 1);

/** A call of the port, by numbers: of grants, of claims that were got, of rights. */
export type Call =
  | {
      do: "make" | "next" | "back" | "trouble" | "lease" | "second-lease" | "lease-without-secret" | "drop-lease";
      grant: number;
    }
  | { do: "bad"; grant: number; what: "no-duration" | "no-end" | "ends-first" | "no-request" }
  | { do: "claim"; resource: string; places: number; lives: boolean; owner: string }
  | { do: "ended"; limit: number }
  | { do: "hasten"; resource: string }
  | { do: "renew" | "release" | "write" | "put-off" | "is-claimed" | "lock" | "details"; claim: number }
  | { do: "right" | "drop-right"; claim: number; right: number; lives: boolean }
  | { do: "look" | "holders"; right: number };

export const GRANTS = 5;
const [CLAIMS, RIGHTS] = [6, 3];
const nth = (limit: number) => fc.nat(limit - 1);
export const call: fc.Arbitrary<Call> = fc.oneof(
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
export const begun = fc.array(fc.nat(6), { minLength: GRANTS, maxLength: GRANTS });

/** When something is tried again is not the same moment for two; whether it is now or later is. */
const timeless = (answer: unknown): unknown =>
  JSON.parse(
    JSON.stringify(answer ?? null, (key, value: unknown) => (key === "retryMs" ? Number(value) > LATER_MS : value)),
  );

/** Makes calls of one ledger, and says what it answered in words that do not depend on which ledger it is. */
export class Caller {
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
    // One at a time: of several that are due at the same moment each ledger may claim another first.
    if (it.do === "hasten") return this.#ledger.hasten(it.resource, 1);
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
    // Well after what was put off, so that no answer hangs on a millisecond.
    const starting = await this.#ledger.dueToStart("dir", id, (await this.#ledger.nowMs()) + 2 * LONG_MS);
    const live = (await this.#ledger.transaction((tx) => tx.lockLive(id))).map((it) => [it.grant.id, it.leaseWritten]);
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
          requests: [],
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
        const troubled = LIVES.troubled(now, LATER_MS + it.grant * LONG_MS);
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
