/**
 * One suite for both ledgers: what the simulation relies on must be what PostgreSQL does. First rules about who waits for
 * whom, then random histories of calls that must be answered alike.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { systemTimers } from "../../../src/base/clock.ts";
import type { GrantId } from "../../../src/base/ids.ts";
import { Secret } from "../../../src/base/secret.ts";
import type { EntryDraft } from "../../../src/domain/audit.ts";
import { END_CAUSES, type EndCause, NOT_GIVEN } from "../../../src/domain/end-cause.ts";
import { cancelGrant, type Grant, type ScheduledGrant } from "../../../src/domain/grant.ts";
import type { Message } from "../../../src/domain/message.ts";
import type { Step } from "../../../src/domain/policy.ts";
import type { AccessRequest } from "../../../src/domain/request.ts";
import { needing, request } from "../../../src/domain/request-fixture.ts";
import { type Claim, ClaimLost } from "../../../src/store/grants.ts";
import type { Ledger, LedgerTx } from "../../../src/store/ledger.ts";
import { listMessages } from "../../../src/store/messages.ts";
import { KeyRing, sealingKey } from "../../../src/store/sealed.ts";
import { startTestPostgres, type TestPostgres } from "../../support/postgres-server.ts";
import { createWorld } from "../../support/world.ts";
import { begun, type Call, Caller, call, GRANTS, LONG_MS } from "./ledger-calls.ts";
import { aGrant, aLease, aPerson, aRequest, BEGIN_MS, CONFIGURATION, INSTALLATION, LIVES } from "./ledger-fixture.ts";
import { MemoryLedger } from "./memory-ledger.ts";

const RING = new KeyRing([sealingKey(Buffer.alloc(32, 3))]);
const RUNS = process.env["TIDEGATE_LONG"] === undefined ? 40 : 1_000;

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

type Opened = {
  readonly ledger: Ledger;
  /** What was written for people, the oldest first. */
  readonly messages: () => Promise<readonly Message[]>;
  readonly close: () => Promise<void>;
};
const LEDGERS: readonly { readonly name: string; readonly open: () => Promise<Opened> }[] = [
  {
    name: "PostgreSQL",
    open: async () => {
      const world = await createWorld({ server });
      const { ledger, db } = world.context;
      const messages = async () => (await listMessages(db, { limit: 100 })).map(({ message }) => message).reverse();
      return { ledger, messages, close: () => world.stop() };
    },
  },
  {
    name: "memory",
    open: async () => {
      const written: Message[] = [];
      const ledger = new MemoryLedger({
        clock: systemTimers,
        committed: (entries) => written.push(...entries.flatMap(({ messages }) => messages)),
      });
      return { ledger, messages: async () => written, close: async () => {} };
    },
  },
];

const NOTHING = { entries: [], requests: [], grants: [], leases: [], discarded: [], released: null };

const putRequest = (tx: LedgerTx, request: AccessRequest): Promise<void> =>
  tx.write(INSTALLATION, { ...NOTHING, requests: [request] }, BEGIN_MS);

/** One person with one grant, due long ago. */
async function withGrant(ledger: Ledger): Promise<Grant> {
  const grant = aGrant(aPerson("alice"), 0);
  await ledger.transaction(async (tx) => {
    await tx.activateConfig(CONFIGURATION, "test", await tx.nowMs());
    await tx.putPrincipal(aPerson("alice"), await tx.nowMs());
    await putRequest(tx, aRequest(grant));
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
    let messages: Opened["messages"];
    let close: Opened["close"];
    let grant: Grant;
    const fresh = async (): Promise<void> => {
      ({ ledger, messages, close } = await open());
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
        await putRequest(tx, aRequest(other));
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

    rule(
      "a pending request is looked at when a step escalates, and when somebody asks for it by a source",
      async () => {
        const owners: Step = { by: ["owners"], count: 1, escalate: { afterMs: 60_000, to: ["group:sre"] } };
        const [first, second] = [owners, { by: ["user:bob"], count: 1 } as const].map((step) =>
          request(aPerson("alice").id, needing(step), { createdMs: BEGIN_MS, expiresMs: BEGIN_MS + 3_600_000 }),
        );
        assert.ok(first !== undefined && second !== undefined);
        await ledger.transaction(async (tx) => {
          await putRequest(tx, first);
          await putRequest(tx, second);
        });
        const dueAt = (afterMs: number) => ledger.requestsToLookAt(BEGIN_MS + afterMs, 10);
        assert.deepEqual(await dueAt(59_999), []);
        assert.deepEqual(await dueAt(60_000), [first.id]);
        assert.deepEqual(await dueAt(3_600_000), [], "what has expired is not looked at");
        await ledger.transaction((tx) => putRequest(tx, { ...first, state: "cancelled", decidedMs: BEGIN_MS }));
        assert.deepEqual(await dueAt(60_000), []);
        for (const [source, found] of [
          ["group:sre", []],
          ["owners", []],
          ["user:bob", [second.id]],
        ] as const) {
          await ledger.transaction((tx) => tx.lookAgainAt(["user:nobody", source]));
          assert.deepEqual(await dueAt(0), found, source);
        }
        // What is asked for while somebody looks stays.
        const looking = held(ledger, (tx) => tx.lookedAt(second.id));
        await looking.begun;
        await ledger.transaction((tx) => tx.lookAgainAt(["user:bob"]));
        await looking.end();
        assert.deepEqual(await dueAt(0), [second.id]);
        await ledger.transaction((tx) => tx.lookedAt(second.id));
        assert.deepEqual(await dueAt(0), []);
      },
    );

    rule(
      "of those that wait for a silent target as many as are asked for are due at once, the first first",
      async () => {
        const grants = [2, 0, 4].map((number) => aGrant(aPerson("alice"), number, "dir"));
        await ledger.transaction(async (tx) => {
          await tx.activateConfig(CONFIGURATION, "test", await tx.nowMs());
          await tx.putPrincipal(aPerson("alice"), await tx.nowMs());
          for (const [nth, grant] of grants.entries()) {
            await putRequest(tx, aRequest(grant));
            await tx.putGrant(
              LIVES.troubled(LIVES.next(LIVES.active(grant)) ?? grant, Date.UTC(2100, 0, 1 + nth)),
              null,
            );
          }
        });
        const claimed = async () => {
          const claims = await ledger.claimDue([{ resource: "dir", places: 3 }], "one", LONG_MS);
          return claims.map(({ claim }) => claim.grant).sort();
        };
        assert.deepEqual(await claimed(), []);
        assert.equal(await ledger.hasten("other", 3), 0);
        assert.equal(await ledger.hasten("dir", 2), 2);
        const [first, second, third] = grants.map(({ id }) => id);
        assert.deepEqual(await claimed(), [first, second].sort());
        assert.equal(await ledger.hasten("dir", 3), 1);
        assert.deepEqual(await claimed(), [third]);
      },
    );

    rule("a limit counts what was approved, unless Tidegate gave nothing in the end", async () => {
      const grant = aGrant(aPerson("alice"), 0);
      const asked = aRequest(grant);
      const count = () => ledger.transaction((tx) => tx.countUses("rule", 0, null));
      const end = (cause: EndCause) => {
        const cancelled = cancelGrant(scheduled, { cause, by: null, reason: "" }, { system: "reconciler" });
        return ledger.transaction((tx) => tx.putGrant(cancelled.grant, null));
      };
      assert.equal(grant.state, "scheduled");
      const scheduled = grant as ScheduledGrant;
      await ledger.transaction(async (tx) => {
        await tx.activateConfig(CONFIGURATION, "test", await tx.nowMs());
        await tx.putPrincipal(aPerson("alice"), await tx.nowMs());
        await putRequest(tx, { ...asked, decision: { ...asked.decision, counted: "rule" } });
        await tx.putGrant(grant, null);
      });
      assert.equal(await count(), 1);
      for (const cause of END_CAUSES) {
        await end(cause);
        assert.equal(await count(), NOT_GIVEN.includes(cause) ? 0 : 1, cause);
      }
    });

    rule("many may hold the configuration; who changes it waits for all of them", async () => {
      const [one, two] = [
        held(ledger, async (tx) => void (await tx.holdConfig())),
        held(ledger, async (tx) => void (await tx.holdConfig())),
      ];
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

    rule("who halts decisions waits for all who hold the configuration, and nobody holds it meanwhile", async () => {
      const holding = held(ledger, async (tx) => void (await tx.holdConfig()));
      await holding.begun;
      const halted = held(ledger, (tx) => tx.haltDecisions());
      assert.ok(await waits(halted.begun, ledger));
      await holding.end();
      await halted.begun;
      const next = ledger.transaction(async (tx) => void (await tx.holdConfig()));
      assert.ok(await waits(next, ledger));
      await halted.end();
      await next;
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
      const anew = held(ledger, async (tx) => {
        await tx.recallCall(person, "key", "hash");
        await tx.rememberCall(person, "key", { said: "no" });
      });
      await anew.begun;
      const third = ledger.transaction((tx) => tx.recallCall(person, "key", "hash"));
      assert.ok(await waits(third, ledger));
      await anew.end();
      assert.deepEqual(await third, { hash: "hash", result: { said: "no" } });
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

    rule("what is to be told is written with its entry, once, and with what fails it is not", async () => {
      const to = [aPerson("alice").id, aPerson("bob").id];
      const data = { entitlement: grant.entitlement, by: aPerson("bob").id, reason: "no longer needed" };
      const entry: EntryDraft = {
        kind: "request.denied",
        actor: { system: "config" },
        refs: { request: grant.requestId },
        data: {},
        tells: [{ kind: "request.denied", to, data }],
      };
      await assert.rejects(
        ledger.transaction(async (tx) => {
          await tx.appendEntries(INSTALLATION, [entry], BEGIN_MS);
          throw new Error("no");
        }),
      );
      assert.deepEqual(await messages(), []);
      const [id] = await ledger.transaction(async (tx) => {
        await tx.write(INSTALLATION, { ...NOTHING, entries: [{ ...entry, tells: [] }, entry] }, BEGIN_MS);
        return tx.appendEntries(INSTALLATION, [entry], BEGIN_MS + 1);
      });
      const [first, second, ...more] = await messages();
      assert.deepEqual(more, []);
      const about = { kind: "request.denied", requestId: grant.requestId, grantId: null, to, data };
      assert.deepEqual(second, { ...about, id: second?.id, entryId: id, atMs: BEGIN_MS + 1 });
      assert.deepEqual(first, { ...about, id: first?.id, entryId: first?.entryId, atMs: BEGIN_MS });
      assert.notEqual(first?.id, second?.id);
      assert.notEqual(first?.entryId, second?.entryId);
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
        for (const grant of grants) await putRequest(tx, aRequest(grant));
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
