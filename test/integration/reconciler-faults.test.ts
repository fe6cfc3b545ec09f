/** Targets that are down, lie, hang, fail halfway or are not what they were; rows that cannot be read. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { GrantId } from "../../src/base/ids.ts";
import { TargetError } from "../../src/connector/connector.ts";
import { memoryDirectory } from "../../src/connectors/memory.ts";
import type { Grant } from "../../src/domain/grant.ts";
import type { Resource } from "../../src/domain/resource.ts";
import { acceptTarget } from "../../src/operations/accept-target.ts";
import { revokeGrant } from "../../src/operations/revoke-grant.ts";
import { automatically, configuration, directoryResource, freshName, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { until } from "../support/until.ts";
import { variant } from "../support/variant.ts";
import { createWorld, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const ADMINS = { admins: { group: "admins" } };
const configure = (world: World, ...resources: readonly Resource[]) =>
  world.configure(
    configuration({ principals: [person("alice"), person("bob")], policies: [automatically("all")], resources }),
  );

async function setting(t: TestContext, connector = "memory"): Promise<World> {
  const world = await createWorld({ server, t });
  world.directory.members.set("admins", new Set());
  await configure(world, directoryResource("dir", world.directoryName, ADMINS, { connector }));
  return world;
}

async function active(
  world: World,
  more: Parameters<World["ask"]>[2] = {},
  handle = "alice",
  ref = "dir:admins",
): Promise<GrantId> {
  const id = await world.granted(handle, ref, more);
  await world.grantWhen(id, ({ state }) => state === "active", "active");
  return id;
}
const revoke = async (world: World, id: GrantId, handle = "alice") =>
  revokeGrant(world.context, await world.principal(handle), id, "done");
const revoked = (world: World, id: GrantId) => world.grantWhen(id, ({ state }) => state === "revoked", "revoked");
const confirmed = (world: World, id: GrantId) =>
  world.grantWhen(id, (grant) => "confirmMs" in grant && grant.confirmMs === null, "confirmed");
const troubled = (world: World, id: GrantId, attempts = 1) =>
  world.grantWhen(id, ({ trouble }) => (trouble?.attempts ?? 0) >= attempts, `tried ${attempts} times`);
const kindsOf = async (world: World, id: GrantId): Promise<string[]> =>
  (await world.entries()).filter(({ leaf }) => leaf.refs.grant === id).map(({ leaf }) => leaf.kind);
const unreachable = () => {
  throw new TargetError("unreachable", "no answer");
};

function stillLive(grant: Grant): void {
  assert.ok(grant.state === "revoking");
  assert.equal(grant.accessGone, false, "it says that access lives");
}

test("S02, row 18: the target is down at the end: revoking, still live, with the error and since when; once it is back, revoked without a human", async (t) => {
  const world = await setting(t);
  world.reconciler();
  const id = await active(world);
  world.directory.fail = unreachable;
  await world.endNow(id);
  const down = await troubled(world, id, 2);
  stillLive(down);
  assert.deepEqual(down.trouble?.lastError, { code: "unreachable", message: "no answer" });
  assert.deepEqual(world.members("admins"), ["alice"]);
  world.directory.fail = null;
  const grant = await revoked(world, id);
  assert.ok(grant.state === "revoked");
  assert.deepEqual([grant.ending.cause, grant.receipt.evidence.kind, grant.trouble], ["expired", "gone", null]);
  assert.deepEqual(world.members("admins"), []);
  const kinds = await kindsOf(world, id);
  assert.equal(
    kinds.filter((kind) => kind === "grant.trouble").length,
    1,
    "the alarm is one entry, however often it is tried",
  );
});

test("work that is broken off, because the process ends, is no trouble of the target; the next process finishes it", async (t) => {
  const world = await setting(t, "slow");
  let asked = 0;
  const hanging = variant("slow", () => ({
    revoke: () => {
      asked += 1;
      return Promise.withResolvers<never>().promise;
    },
  }));
  const id = await world.granted("alice", "dir:admins");
  const first = world.reconciler({ connectors: [hanging], claimLifetimeMs: 60_000 });
  await world.grantWhen(id, ({ state }) => state === "active", "active");
  await revoke(world, id);
  await until(() => asked > 0, { what: "the revocation that hangs" });
  await first.stop(0);
  const left = await world.grant(id);
  assert.deepEqual([left.state, left.trouble], ["revoking", null]);
  world.reconciler({ connectors: [variant("slow", () => ({}))] });
  await revoked(world, id);
  assert.ok(!(await kindsOf(world, id)).includes("grant.trouble"));
});

test("S03 a revoke that returns success and does nothing closes nothing; mended, the grant is closed", async (t) => {
  const world = await setting(t, "lying");
  let lying = true;
  const connector = variant("lying", (target) => ({
    revoke: async (order, options) => (lying ? undefined : target.revoke(order, options)),
  }));
  world.reconciler({ connectors: [connector] });
  const id = await active(world);
  await revoke(world, id);
  const live = await troubled(world, id, 2);
  stillLive(live);
  assert.match(live.trouble?.lastError.message ?? "", /still sees access/);
  lying = false;
  await revoked(world, id);
  assert.deepEqual(world.members("admins"), []);
});

test("S03 a probe that knows nothing closes nothing", async (t) => {
  const world = await setting(t, "blind");
  let blind = true;
  const connector = variant("blind", (target) => ({
    probe: async (order) =>
      blind ? { own: "unknown", right: "unknown", remains: [], observations: [] } : target.probe(order),
  }));
  world.reconciler({ connectors: [connector] });
  const id = await active(world);
  await revoke(world, id);
  stillLive(await troubled(world, id, 2));
  blind = false;
  await revoked(world, id);
});

test("access gone and clean-up pending are told apart; access that comes back during the clean-up is live again", async (t) => {
  const world = await setting(t, "untidy");
  let remains = ["a table nobody takes"];
  const connector = variant("untidy", (target) => ({
    probe: async (order) => ({ ...(await target.probe(order)), remains }),
  }));
  world.reconciler({ connectors: [connector] });
  const id = await active(world);
  await revoke(world, id);
  const pending = await world.grantWhen(
    id,
    (grant) => grant.state === "revoking" && grant.accessGone && grant.trouble !== null,
    "access gone",
  );
  assert.match(pending.trouble?.lastError.message ?? "", /a table nobody takes/);
  let kept = true;
  world.directory.fail = (verb) => {
    if (verb === "probe" && kept) world.directory.members.get("admins")?.add("alice");
  };
  await world.grantWhen(id, (grant) => grant.state === "revoking" && !grant.accessGone, "live again");
  kept = false;
  remains = [];
  await revoked(world, id);
  assert.deepEqual(world.members("admins"), []);
  assert.deepEqual((await kindsOf(world, id)).filter((kind) => kind === "grant.reopened").length, 1);
});

test("S14, row 34: provisioning fails for good after the membership was made: it is undone, with proof, and the requester sees why", async (t) => {
  const world = await setting(t, "half");
  const connector = variant("half", (target) => ({
    provision: async (order, grant) => {
      await target.provision(order, grant);
      throw new TargetError("no-such-object", "step 2 of 3: there is no such table");
    },
  }));
  world.reconciler({ connectors: [connector] });
  const id = await world.granted("alice", "dir:admins");
  const grant = await world.grantWhen(id, ({ state }) => state === "failed", "failed");
  assert.ok(grant.state === "failed");
  assert.deepEqual([grant.ending.cause, grant.receipt.evidence.kind], ["provisioning-failed", "gone"]);
  assert.match(grant.ending.reason, /step 2 of 3: there is no such table/);
  assert.deepEqual(world.members("admins"), []);
  await confirmed(world, id);
});

test("S14 provisioning fails for a while: it is tried again under the same lease until it succeeds", async (t) => {
  const world = await setting(t);
  let failures = 3;
  world.directory.fail = (verb) => {
    if (verb === "provision" && failures-- > 0) unreachable();
  };
  world.reconciler();
  const id = await active(world);
  assert.equal((await kindsOf(world, id)).filter((kind) => kind === "lease.written").length, 1);
  assert.equal((await world.grant(id)).trouble, null);
});

test("what cannot be made before the end is given up at the end, and undone", async (t) => {
  const world = await setting(t);
  world.directory.fail = (verb) => {
    if (verb === "provision") unreachable();
  };
  world.reconciler();
  const id = await world.granted("alice", "dir:admins");
  await troubled(world, id);
  await world.endNow(id);
  const grant = await world.grantWhen(id, ({ state }) => state === "failed", "failed");
  assert.ok(grant.state === "failed" && grant.ending.cause === "provisioning-failed");
});

test("S26, row 42: the scope is widened while the grant lives: the grant keeps its own, also when it is made again and revoked", async (t) => {
  const world = await setting(t);
  world.directory.members.set("everything", new Set());
  world.reconciler();
  const id = await active(world);
  await configure(world, directoryResource("dir", world.directoryName, { admins: { group: "everything" } }));
  assert.deepEqual((await world.grant(id)).scope, { group: "admins" });
  await revoke(world, id);
  await revoked(world, id);
  assert.deepEqual([world.members("admins"), world.members("everything")], [[], []]);
});

test("row 11: rows that cannot be read are reported and kept apart; the others go on", async (t) => {
  const world = await setting(t);
  const broken = [];
  const damages = [
    "scope = 'null'",
    "scope = '{}'",
    'trouble = \'{"retryMs": "soon"}\'',
    "trouble = '[]'",
    "config_version = config_version, trouble = '7'",
  ];
  for (const damage of damages) {
    const id = await world.granted("bob", "dir:admins");
    await world.store.pool.query(`update grants set ${damage} where id = $1`, [id]);
    broken.push(id);
  }
  await world.store.pool.query("alter table grants drop constraint grants_state_check");
  const unknown = await world.granted("bob", "dir:admins");
  await world.store.pool.query("update grants set state = 'melting' where id = $1", [unknown]);
  const reconciler = world.reconciler();
  const id = await active(world);
  await revoke(world, id);
  await revoked(world, id);
  await until(() => reconciler.logged.some(({ what, grant }) => what === "reconcile-failed" && grant === unknown), {
    what: "the report",
  });
  // So that the world can list its grants again.
  await world.store.pool.query("update grants set state = 'scheduled', due_at = null where id = $1", [unknown]);
});

test("row 11: a grant of the same right that cannot be read does not keep access alive", async (t) => {
  const world = await setting(t);
  world.reconciler();
  const [first, second] = [await active(world), await active(world)];
  await world.store.pool.query("alter table grants drop constraint grants_state_check");
  await world.store.pool.query("update grants set state = 'melting', due_at = null where id = $1", [second]);
  await revoke(world, first);
  await revoked(world, first);
  await world.store.pool.query("update grants set state = 'active', due_at = clock_timestamp() where id = $1", [
    second,
  ]);
  await revoke(world, second);
  await revoked(world, second);
  assert.deepEqual(world.members("admins"), []);
});

test("15, row 19: targets that hang, more of them than there are places, delay no other target", async (t) => {
  const world = await setting(t);
  const { promise: hanging, resolve: letGo } = Promise.withResolvers<void>();
  const stuck = Array.from({ length: 9 }, () => freshName("stuck"));
  for (const name of stuck) {
    memoryDirectory(name).members.set("admins", new Set());
    memoryDirectory(name).fail = () => hanging;
  }
  const resources = stuck.map((name, i) => directoryResource(`stuck-${i}`, name, ADMINS));
  await configure(world, directoryResource("dir", world.directoryName, ADMINS), ...resources);
  for (const { name } of resources) for (let i = 0; i < 8; i += 1) await world.granted("bob", `${name}:admins`);
  const reconciler = world.reconciler();
  await until(() => reconciler.health().inFlight >= 64, { what: "every place to be taken" });
  const id = await active(world);
  await revoke(world, id);
  await revoked(world, id);
  const stuckGrants = (await world.grants()).filter(({ resource }) => resource !== "dir");
  assert.ok(
    stuckGrants.every(({ trouble }) => trouble === null),
    "it did not wait for their deadline",
  );
  letGo();
});

test("row 21: the resource is removed during the grant: revoked all the same, from what the lease kept", async (t) => {
  const world = await setting(t);
  world.reconciler();
  const id = await active(world);
  await configure(world);
  await revoke(world, id);
  await confirmed(world, id);
  assert.deepEqual(world.members("admins"), []);
});

test("row 21: the resource is moved to another connector kind during the grant: revoked on the recorded target", async (t) => {
  const world = await setting(t);
  world.reconciler({ connectors: [variant("other", () => ({}))] });
  const id = await active(world);
  await configure(world, directoryResource("dir", freshName("elsewhere"), ADMINS, { connector: "other" }));
  await revoke(world, id);
  await confirmed(world, id);
  assert.deepEqual(world.members("admins"), []);
});

test("row 22: the address leads to another server: its absence proves nothing; back on the recorded one, revoked", async (t) => {
  const world = await setting(t);
  world.reconciler();
  const id = await active(world);
  const { identity } = world.directory;
  world.directory.identity = "memory:stranger";
  await revoke(world, id);
  const lost = await troubled(world, id, 2);
  stillLive(lost);
  assert.equal(lost.trouble?.lastError.code, "moved");
  assert.deepEqual(world.members("admins"), ["alice"]);
  world.directory.identity = identity;
  await revoked(world, id);
});

test("row 22: a copy of the server from before the access was made is not taken for the server without it", async (t) => {
  const world = await setting(t);
  world.directory.position = 100;
  world.reconciler();
  const id = await active(world);
  // The copy has neither the change nor the position that came with it.
  world.directory.position = 100;
  world.directory.members.get("admins")?.delete("alice");
  await revoke(world, id);
  stillLive(await troubled(world, id, 2));
  world.directory.position = 101;
  world.directory.members.get("admins")?.add("alice");
  await revoked(world, id);
  assert.deepEqual(world.members("admins"), []);
});

test("row 22: a move that was accepted binds every grant to the server that answers, and whoever worked on one loses the claim", async (t) => {
  const world = await setting(t);
  world.reconciler();
  const [ends, goesOn] = [await active(world), await active(world, {}, "bob")];
  world.directory.identity = "memory:moved";
  await revoke(world, ends);
  stillLive(await troubled(world, ends, 1));
  const accept = () => {
    const seen = { identity: "memory:moved", position: String(world.directory.position) };
    return acceptTarget(world.context, { resource: "dir", seen, reason: "new machine", osUser: "root" });
  };
  const bound = await accept();
  assert.deepEqual(bound.map(({ grant }) => grant).sort(), [ends, goesOn].sort());
  await revoked(world, ends);
  assert.deepEqual(world.members("admins"), ["bob"]);
  await revoke(world, goesOn, "bob");
  await revoked(world, goesOn);
  assert.deepEqual(await accept(), []);
  const kinds = (await world.entries()).map(({ leaf }) => leaf.kind);
  assert.equal(kinds.filter((kind) => kind === "lease.rebound").length, 2);
  assert.equal(kinds.filter((kind) => kind === "target.accepted").length, 1);
});
