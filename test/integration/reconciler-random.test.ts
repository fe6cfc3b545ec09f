/** Random lives of grants that share rights, with random faults and deaths: what is on the target against the ledger. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import fc from "fast-check";
import type { DurationMs } from "../../src/base/duration.ts";
import type { GrantId, RequestId } from "../../src/base/ids.ts";
import { isRefusal } from "../../src/base/problem.ts";
import { TargetError } from "../../src/connector/connector.ts";
import { extendGrant } from "../../src/operations/extend-grant.ts";
import { revokeGrant } from "../../src/operations/revoke-grant.ts";
import { automatically, configuration, directoryResource, needs, person } from "../support/configuration.ts";
import { Gate, startMortal } from "../support/mortal-process.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { until } from "../support/until.ts";
import { createWorld, NO_FACTS, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const LONG = process.env["TIDEGATE_LONG"] !== undefined;
/** Lives are mostly waiting: several at once take no longer than one. */
const LANES = 6;
const RUNS_PER_LANE = LONG ? 20 : 3;
const SEED = LONG ? Date.now() : 20_260_101;
const SUBJECTS = ["alice", "bob"];
const GROUPS = ["admins", "readers"];
const PEOPLE = [...SUBJECTS.map((it) => person(it)), person("carol", { groups: ["owners"] })];

type Step =
  | { do: "ask" | "ask-approval"; who: string; entitlement: string; forMs: number }
  | { do: "revoke" | "extend" | "approve"; nth: number }
  | { do: "fault"; every: number; lost: boolean }
  | { do: "mend" | "kill" | "settle" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("ask" as const, "ask-approval" as const),
      who: fc.constantFrom(...SUBJECTS),
      entitlement: fc.constantFrom("dir:admins", "dir:readers", "same:admins"),
      forMs: fc.constantFrom(1_000, 600_000),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("revoke" as const, "extend" as const, "approve" as const),
      nth: fc.nat(20),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("fault" as const),
      every: fc.integer({ min: 2, max: 4 }),
      lost: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("mend" as const, "kill" as const, "settle" as const) }) },
);

class Life {
  readonly world: World;
  readonly requests: RequestId[] = [];
  readonly violations: string[] = [];
  #replicas: { gate: Gate; stop: () => Promise<void> }[] = [];
  #calls = 0;

  constructor(world: World) {
    this.world = world;
    for (let i = 0; i < 2; i += 1) this.startReplica();
  }

  startReplica(): void {
    const gate = new Gate();
    const replica = startMortal(this.world, gate, { claimLifetimeMs: 250, pollMs: 30 });
    this.#replicas.push({ gate, stop: () => replica.stop(0) });
  }

  async kill(): Promise<void> {
    const victim = this.#replicas.shift();
    victim?.gate.die();
    await victim?.stop();
    this.startReplica();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#replicas.map(({ stop }) => stop()));
  }

  /** Every so many calls the target does not answer; `lost`: it did what was asked first. */
  fault(every: number, lost: boolean): void {
    const { directory } = this.world;
    const [reply, silence] = lost ? (["probe", "identify"] as const) : (["revoke", "provision"] as const);
    directory.fail = (verb) => {
      this.#calls += 1;
      if (this.#calls % every === 0 || ((verb === reply || verb === silence) && this.#calls % 2 === 0))
        throw new TargetError("unreachable", "no answer");
    };
  }

  async grantIds(): Promise<GrantId[]> {
    return (await this.world.grants()).map(({ id }) => id);
  }

  async take(it: Step): Promise<void> {
    const { world } = this;
    switch (it.do) {
      case "ask":
      case "ask-approval": {
        const ticket = it.do === "ask" ? "NOW" : "";
        const answer = await world.ask(it.who, it.entitlement, { durationMs: it.forMs as DurationMs, ticket });
        assert.ok(!isRefusal(answer), isRefusal(answer) ? answer.detail : "");
        this.requests.push(answer.requestId);
        return;
      }
      case "approve": {
        const id = this.requests[it.nth % Math.max(1, this.requests.length)];
        if (id !== undefined) await world.review("carol", id);
        return;
      }
      case "revoke":
      case "extend": {
        const ids = await this.grantIds();
        const id = ids[it.nth % Math.max(1, ids.length)];
        if (id === undefined) return;
        const { principalId } = await world.grant(id);
        const who = (await Promise.all(SUBJECTS.map((handle) => world.principal(handle)))).find(
          (p) => p.id === principalId,
        );
        assert.ok(who !== undefined);
        if (it.do === "revoke") await revokeGrant(world.context, who, id, "done");
        else await extendGrant(world.context, who, id, { durationMs: 1_000 as DurationMs, reason: "more" }, NO_FACTS);
        return;
      }
      case "fault":
        return this.fault(it.every, it.lost);
      case "mend":
        world.directory.fail = null;
        return;
      case "kill":
        return this.kill();
      case "settle":
        await until(
          async () =>
            (await world.grants()).some(({ state }) => state !== "scheduled") || (await this.grantIds()).length === 0,
          { what: "something to move" },
        );
        return this.look();
    }
  }

  /** 1: whoever is a member has a grant of it that is live, or openly being revoked, or a receipt that is not confirmed yet. */
  async look(): Promise<void> {
    const { world } = this;
    const members = GROUPS.flatMap((group) => world.members(group).map((who) => `${who} in ${group}`));
    const grants = await world.grants();
    for (const member of members) {
      const [who = "", group] = member.split(" in ");
      const { id } = await world.principal(who);
      const own = grants.filter((grant) => grant.principalId === id && grant.scope["group"] === group);
      if (
        !own.some(({ state }) => ["provisioning", "active", "revoking"].includes(state)) &&
        world.members(group ?? "").includes(who)
      )
        this.violations.push(`${member} without a grant: ${own.map(({ state }) => state).join()}`);
    }
  }

  /** One after the other: whoever changes several at once may meet a replica that goes about them in another order. */
  async #ofEach(change: string, where: string): Promise<void> {
    for (const { id } of await this.world.grants())
      await this.world.store.pool.query(`update grants ${change} where id = $1 and ${where}`, [id]);
  }

  /** All faults are mended: everything ends, and what is left on the target is what the ledger says. */
  async finish(): Promise<void> {
    const { world } = this;
    world.directory.fail = null;
    // Nobody waits here for a back-off of many seconds.
    await this.#ofEach("set trouble = null, due_at = clock_timestamp()", "trouble is not null and due_at is not null");
    const settled = async () =>
      (await world.grants()).every(
        (grant) => !["scheduled", "provisioning"].includes(grant.state) && grant.state !== "revoking",
      );
    await until(settled, { what: "everything to be made or gone" });
    const subjects = await Promise.all(SUBJECTS.map((it) => world.principal(it)));
    const grants = await world.grants();
    // From here on nothing is waited for: what ends later than this is still there.
    const nowMs = Date.now();
    for (const grant of grants.filter(({ state, expiresMs }) => state === "active" && expiresMs > nowMs + 500)) {
      const handle = subjects.find(({ id }) => id === grant.principalId)?.handle;
      assert.ok(
        world.members(String(grant.scope["group"])).includes(handle ?? ""),
        `8: ${handle} has an active grant and not what it gives`,
      );
    }
    await this.#ofEach(
      "set expires_at = greatest(starts_at + interval '1 ms', clock_timestamp()), due_at = clock_timestamp()",
      "state = 'active'",
    );
    await until(
      async () =>
        (await world.grants()).every(
          (grant) => grant.state === "cancelled" || ("confirmMs" in grant && grant.confirmMs === null),
        ),
      { what: "everything to end" },
    );
    for (const group of GROUPS) assert.deepEqual(world.members(group), [], `2: nobody is left in ${group}`);
    assert.deepEqual(this.violations, []);
    await this.checkLog();
  }

  async checkLog(): Promise<void> {
    const { world } = this;
    const entries = await world.entries();
    for (const grant of await world.grants()) {
      const kinds = entries.filter(({ leaf }) => leaf.refs.grant === grant.id).map(({ leaf }) => leaf.kind);
      const count = (kind: string) => kinds.filter((it) => it === kind).length;
      for (const kind of [
        "grant.created",
        "grant.provisioning",
        "lease.written",
        "grant.active",
        "grant.revoking",
        "grant.cancelled",
      ])
        assert.ok(count(kind) <= 1, `12: ${count(kind)} × ${kind}`);
      assert.equal(
        count("grant.revoked") + count("grant.failed") + count("grant.cancelled"),
        1 + count("grant.reopened"),
      );
      if (count("lease.written") === 0) assert.equal(count("grant.active"), 0, "3: nothing is made without a lease");
      if (grant.state === "revoked")
        assert.ok(grant.receipt.evidence.target.identity === world.directory.identity, "5: on the recorded target");
    }
    const { rows } = await world.store.pool.query(
      "select id from sealed_secrets union all select id from leases where state <> 'released'",
    );
    assert.deepEqual(rows, [], "no lease and no secret outlives its grant");
  }
}

async function setting(t: TestContext): Promise<World> {
  const world = await createWorld({ server, t });
  for (const group of GROUPS) world.directory.members.set(group, new Set());
  const entitlements = { admins: { group: "admins" }, readers: { group: "readers" } };
  const owners = { owners: ["group:owners" as const] };
  // Two resources that are one directory: their grants share rights as well.
  const resources = [
    directoryResource("dir", world.directoryName, entitlements, owners),
    directoryResource("same", world.directoryName, entitlements, owners),
  ];
  const policies = [automatically("at-once", { when: 'request.ticket == "NOW"' }), needs("one", ["owners"])];
  await world.configure(configuration({ principals: PEOPLE, policies, resources }));
  return world;
}

test("1, 2, 3, 5, 8, 9, 12: random requests, approvals, ends, faults and deaths of two replicas that share rights", async (t) => {
  const property = fc.asyncProperty(fc.array(step, { minLength: 12, maxLength: 30 }), async (steps) => {
    const world = await setting(t);
    const life = new Life(world);
    try {
      for (const it of steps) await life.take(it);
      await life.finish();
    } finally {
      await life.stop();
      await world.stop();
    }
  });
  const lane = (i: number) => fc.assert(property, { numRuns: RUNS_PER_LANE, seed: SEED + i, endOnFailure: true });
  await Promise.all(Array.from({ length: LANES }, (_, i) => lane(i)));
});
