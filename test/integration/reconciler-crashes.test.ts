/** A replica that dies at any point of a grant's life, and one that is stopped and wakes too late. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { GrantId } from "../../src/base/ids.ts";
import { type Connector, TargetError } from "../../src/connector/connector.ts";
import { memory } from "../../src/connectors/memory.ts";
import type { Grant } from "../../src/domain/grant.ts";
import { revokeGrant } from "../../src/operations/revoke-grant.ts";
import { CALL_DEADLINE_MS } from "../../src/reconciler/host.ts";
import { releaseAllClaims } from "../../src/store/due.ts";
import { leaseOf } from "../../src/store/leases.ts";
import { automatically, configuration, directoryResource, person } from "../support/configuration.ts";
import { Gate, startMortal } from "../support/mortal-process.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

async function setting(t: TestContext): Promise<World> {
  const world = await createWorld({ server, t });
  world.directory.members.set("admins", new Set());
  const dir = directoryResource("dir", world.directoryName, { admins: { group: "admins" } });
  await world.configure(
    configuration({ principals: [person("alice")], policies: [automatically("all")], resources: [dir] }),
  );
  return world;
}

const isOver = (grant: Grant): boolean =>
  (grant.state === "revoked" || grant.state === "failed") && grant.confirmMs === null;

/** One grant from request to confirmed receipt, taken back as soon as it is active; the replica dies on the way. */
async function liveThroughDeath(
  world: World,
  diesAt: number | null,
  restart: "only process" | "replica",
): Promise<{ id: GrantId; passed: number; died: boolean }> {
  const alice = await world.principal("alice");
  const gate = new Gate(diesAt);
  let replica = startMortal(world, gate);
  const id = await world.granted("alice", "dir:admins");
  let died = false;
  world.directory.fail = async (verb) => {
    // 3: nothing is made before a durable lease holds its name.
    if (verb === "provision")
      assert.ok((await leaseOf(world.store.db, id)) !== null, "a lease is there before anything is made");
  };
  await until(
    async () => {
      if (gate.dead && !died) {
        died = true;
        await replica.stop(0);
        if (restart === "only process") await releaseAllClaims(world.store.db);
        replica = startMortal(world, new Gate());
      }
      const grant = await world.grant(id);
      // 1: whoever is a member has a grant that is live or openly being revoked.
      if (grant.state === "revoked" && grant.confirmMs === null) assert.deepEqual(world.members("admins"), []);
      if (grant.state === "active") await revokeGrant(world.context, alice, id, "done");
      return isOver(grant);
    },
    { what: `grant ${id} to be over after a death at ${diesAt}` },
  );
  await replica.stop(0);
  return { id, passed: gate.passed, died };
}

const LIFE = [
  "grant.created",
  "grant.provisioning",
  "lease.written",
  "grant.active",
  "grant.revoking",
  "grant.revoked",
  "grant.confirmed",
];

async function checkEnd(world: World, id: GrantId, at: string): Promise<void> {
  assert.deepEqual(world.members("admins"), [], at);
  const grant = await world.grant(id);
  assert.ok(grant.state === "revoked", `${grant.state} ${at}`);
  assert.equal(grant.receipt.evidence.kind, "gone", at);
  assert.equal((await leaseOf(world.store.db, id))?.state, "released", at);
  const kinds = (await world.entries()).filter(({ leaf }) => leaf.refs.grant === id).map(({ leaf }) => leaf.kind);
  assert.deepEqual(
    kinds.filter((kind) => LIFE.includes(kind)),
    LIFE,
    at,
  );
  const { rows } = await world.store.pool.query("select id from sealed_secrets");
  assert.deepEqual(rows, [], at);
}

const LANES = 4;
/** Every point takes a minute; odd, so that calls are cut off both before they are done and after. */
const STRIDE = process.env["TIDEGATE_LONG"] === undefined ? 9 : 1;

test("9, rows 1–3: killed at any point, before or after any call to store or target, it ends in the same state", async (t) => {
  const worlds = await Promise.all(Array.from({ length: LANES }, () => setting(t)));
  const [first] = worlds;
  assert.ok(first !== undefined);
  const whole = await liveThroughDeath(first, null, "replica");
  await checkEnd(first, whole.id, "without a death");
  assert.ok(whole.passed > 100, `only ${whole.passed} points: this looks at nothing`);
  const points = Array.from({ length: whole.passed }, (_, i) => i + 1).filter((point) => point % STRIDE === 0);
  const wanted = points.length;
  let deaths = 0;
  const lane = async (world: World): Promise<void> => {
    for (let point = points.shift(); point !== undefined; point = points.shift()) {
      const { id, died } = await liveThroughDeath(world, point, point % 3 === 0 ? "replica" : "only process");
      if (died) deaths += 1;
      await checkEnd(world, id, `after a death at point ${point}`);
    }
  };
  await Promise.all(worlds.map(lane));
  assert.ok(deaths > wanted / 2, `only ${deaths} of ${wanted} died`);
});

/** A target that, like PostgreSQL, ends older admin sessions of a grant when a newer one signs in. */
function fenced(): Connector {
  const newest = new Map<string, number>();
  const plain = memory as Connector;
  return {
    ...plain,
    open: async (connection, context) => {
      const { grant, fence } = context.actor;
      newest.set(String(grant), Math.max(fence, newest.get(String(grant)) ?? 0));
      const target = await plain.open(connection, context);
      const own = (): void => {
        if (fence < (newest.get(String(grant)) ?? 0)) throw new TargetError("unreachable", "the session was ended");
      };
      return {
        ...target,
        provision: async (...inputs) => {
          own();
          return target.provision(...inputs);
        },
      };
    },
  };
}

/** A replica is stopped just before it makes the access; another takes over, and the grant is revoked. */
async function stoppedBeforeMaking(t: TestContext, connector: Connector) {
  const world = await setting(t);
  const gate = new Gate();
  const stopping: Connector = {
    ...connector,
    open: async (connection, context) => {
      const target = await connector.open(connection, context);
      return {
        ...target,
        provision: async (...inputs) => {
          gate.freeze();
          await gate.pass();
          return target.provision(...inputs);
        },
      };
    },
  };
  const stopped = startMortal(world, gate, { connector: stopping });
  const id = await world.granted("alice", "dir:admins");
  await until(async () => (await leaseOf(world.store.db, id)) !== null, { what: "the lease" });
  await revokeGrant(world.context, await world.principal("alice"), id, "changed my mind");
  world.reconciler({ claimLifetimeMs: 300, connectors: [connector] });
  return { world, gate, stopped, id };
}

test("S29, row 12: a stopped worker wakes after `revoked`: its session on the target was ended, its writes are refused, nothing is made", async (t) => {
  const { world, gate, stopped, id } = await stoppedBeforeMaking(t, fenced());
  await world.grantWhen(id, isOver, "revoked and confirmed");
  const before = await world.entries();
  gate.thaw();
  await until(() => stopped.health().inFlight === 0, { what: "the late worker to give up" });
  assert.deepEqual(world.members("admins"), []);
  assert.deepEqual(
    (await world.entries()).map(({ leaf }) => leaf.id),
    before.map(({ leaf }) => leaf.id),
  );
  await until(() => stopped.logged.some(({ what }) => what === "claim-lost"), { what: "it to say so" });
  await stopped.stop(0);
});

test("S29, row 12: where a target cannot end the stopped worker's session, the second probe sees what it made: live again, loud, then gone", async (t) => {
  const { world, gate, stopped, id } = await stoppedBeforeMaking(t, memory as Connector);
  // The second probe comes when the late worker has made what it makes, not before.
  const made = Promise.withResolvers<void>();
  world.directory.fail = async (verb) => {
    if (verb === "probe" && (await world.grant(id)).state === "revoked") await made.promise;
  };
  await world.grantWhen(id, ({ state }) => state === "revoked", "revoked");
  gate.thaw();
  await until(() => world.members("admins").includes("alice"), { what: "the late worker to have made it" });
  made.resolve();
  await world.grantWhen(id, isOver, "revoked again and confirmed");
  assert.deepEqual(world.members("admins"), []);
  const kinds = (await world.entries()).filter(({ leaf }) => leaf.refs.grant === id).map(({ leaf }) => leaf.kind);
  assert.deepEqual(kinds.slice(kinds.indexOf("grant.revoking")), [
    "grant.revoking",
    "grant.revoked",
    "grant.reopened",
    "grant.revoked",
    "grant.confirmed",
  ]);
  await stopped.stop(0);
});

test("a worker that cannot reach the store any more is stopped once its claim may be another's, long before its deadline", async (t) => {
  const world = await setting(t);
  const gate = new Gate();
  const plain = memory as Connector;
  let stopped = false;
  const hanging: Connector = {
    ...plain,
    open: async (connection, context) => ({
      ...(await plain.open(connection, context)),
      provision: () => {
        gate.dead = true;
        const { promise, reject } = Promise.withResolvers<never>();
        context.signal.addEventListener("abort", () => {
          stopped = true;
          reject(new Error("stopped"));
        });
        return promise;
      },
    }),
  };
  const cut = startMortal(world, gate, { connector: hanging });
  await world.granted("alice", "dir:admins");
  await until(() => stopped, { what: "the worker to be stopped", timeoutMs: CALL_DEADLINE_MS / 2 });
  gate.die();
  await cut.stop(0);
});
