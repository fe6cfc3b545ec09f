/** Several grants of one right, what stood there before them, and several replicas that work on them at once. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { GrantId } from "../../src/base/ids.ts";
import type { Grant } from "../../src/domain/grant.ts";
import { revokeGrant } from "../../src/operations/revoke-grant.ts";
import { leaseOf } from "../../src/store/leases.ts";
import { automatically, configuration, directoryResource, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { until } from "../support/until.ts";
import { variant } from "../support/variant.ts";
import { createWorld, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const PEOPLE = ["alice", ...Array.from({ length: 12 }, (_, i) => `p${i}`)];

async function setting(t: TestContext, connector = "memory"): Promise<World> {
  const world = await createWorld({ server, t });
  world.directory.members.set("admins", new Set());
  const dir = directoryResource("dir", world.directoryName, { admins: { group: "admins" } }, { connector });
  await world.configure(
    configuration({ principals: PEOPLE.map((it) => person(it)), policies: [automatically("all")], resources: [dir] }),
  );
  return world;
}

async function active(world: World, more: Parameters<World["ask"]>[2] = {}, handle = "alice"): Promise<GrantId> {
  const id = await world.granted(handle, "dir:admins", more);
  await world.grantWhen(id, ({ state }) => state === "active", "active");
  return id;
}
const revoke = async (world: World, id: GrantId, handle = "alice") =>
  revokeGrant(world.context, await world.principal(handle), id, "done");
const revoked = (world: World, id: GrantId) => world.grantWhen(id, ({ state }) => state === "revoked", "revoked");
const confirmed = (world: World, id: GrantId) =>
  world.grantWhen(id, (grant) => "confirmMs" in grant && grant.confirmMs === null, "confirmed");
const evidenceOf = (grant: Grant) => (grant.state === "revoked" ? grant.receipt.evidence : null);
const kindsOf = async (world: World, id: GrantId): Promise<string[]> =>
  (await world.entries()).filter(({ leaf }) => leaf.refs.grant === id).map(({ leaf }) => leaf.kind);

/** Every change of a membership, as the directory itself sees it. */
function watch(world: World): string[] {
  const changes: string[] = [];
  const group = world.directory.members.get("admins");
  assert.ok(group !== undefined);
  const [add, remove] = [group.add.bind(group), group.delete.bind(group)];
  group.add = (who) => {
    if (!group.has(who)) changes.push(`+${who}`);
    return add(who);
  };
  group.delete = (who) => {
    if (group.has(who)) changes.push(`-${who}`);
    return remove(who);
  };
  return changes;
}

test("S07, row 33: a shared membership: the first end keeps it and says for whom, the last removes it", async (t) => {
  const world = await setting(t);
  world.reconciler();
  const changes = watch(world);
  const [first, second] = [await active(world), await active(world)];
  await revoke(world, first);
  assert.deepEqual(evidenceOf(await revoked(world, first))?.kind, "covered");
  assert.deepEqual(evidenceOf(await world.grant(first))?.coveredBy, [second]);
  await confirmed(world, first);
  assert.deepEqual(world.members("admins"), ["alice"]);
  await revoke(world, second);
  assert.deepEqual(evidenceOf(await revoked(world, second))?.kind, "gone");
  await confirmed(world, second);
  assert.deepEqual(changes, ["+alice", "-alice"]);
});

test("S07 no gap when the second starts as the first ends, for more of them than one target has places", async (t) => {
  const world = await setting(t);
  const people = PEOPLE.slice(1);
  world.reconciler();
  const firsts = await Promise.all(people.map((who) => world.granted(who, "dir:admins")));
  for (const id of firsts) await world.grantWhen(id, ({ state }) => state === "active", "active");
  const startMs = Date.now() + 3_600_000;
  const seconds = await Promise.all(people.map((who) => world.granted(who, "dir:admins", { startMs })));
  const changes = watch(world);
  // Exactly where the first ends, the second starts.
  await world.store.pool.query(
    `update grants set due_at = $1, expires_at = $1::timestamptz + (case when id = any($2) then 0 else 600000 end) * interval '1 ms',
       starts_at = case when id = any($2) then starts_at else $1 end`,
    [new Date(Date.now() + 1_000).toISOString(), firsts],
  );
  world.context.wake();
  for (const id of firsts) assert.equal(evidenceOf(await revoked(world, id))?.kind, "covered");
  for (const id of seconds) assert.equal((await world.grant(id)).state, "active");
  assert.deepEqual(changes, [], "nobody was ever without it");
  const troubles = (await world.entries()).filter(({ leaf }) => leaf.kind === "grant.trouble");
  assert.deepEqual(
    troubles.map(({ leaf }) => leaf.data),
    [],
    "waiting for a successor is no trouble",
  );
});

test("8: a slow revocation never takes the right from a grant that began meanwhile, though it lasts longer than a claim", async (t) => {
  const world = await setting(t, "slow");
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  let revoking = false;
  const connector = variant("slow", (target) => ({
    revoke: async (order, options) => {
      revoking = true;
      await gate;
      return target.revoke(order, options);
    },
  }));
  const LIFETIME_MS = 1_000;
  world.reconciler({ connectors: [connector], claimLifetimeMs: LIFETIME_MS });
  world.reconciler({ connectors: [connector], claimLifetimeMs: LIFETIME_MS });
  const first = await active(world);
  await revoke(world, first);
  await until(() => revoking, { what: "the slow revocation" });
  const second = await world.granted("alice", "dir:admins");
  await world.grantWhen(second, ({ state }) => state === "provisioning", "provisioning");
  // The right is still the first's, several lifetimes later.
  const since = performance.now();
  await until(() => performance.now() - since > 4 * LIFETIME_MS, { what: "several lifetimes" });
  assert.equal(await leaseOf(world.store.db, second), null, "it waits for the right");
  open();
  await revoked(world, first);
  await world.grantWhen(second, ({ state }) => state === "active", "active");
  assert.deepEqual(world.members("admins"), ["alice"], "an active grant has what it gives");
  assert.ok(!(await kindsOf(world, second)).includes("grant.trouble"));
});

test("S27, row 43: a membership that stood before the grant still stands after it, and is told as standing", async (t) => {
  const world = await setting(t);
  world.directory.members.get("admins")?.add("alice");
  const changes = watch(world);
  world.reconciler();
  const [first, second] = [await active(world), await active(world)];
  for (const id of [first, second]) {
    await revoke(world, id);
    assert.equal(evidenceOf(await revoked(world, id))?.kind, "standing");
    await confirmed(world, id);
  }
  assert.deepEqual([world.members("admins"), changes], [["alice"], []]);
});

test("S27 what stood before was taken away by its owner meanwhile: what we made after that does not stay", async (t) => {
  for (const order of ["first ends first", "second ends first"]) {
    const world = await setting(t);
    world.directory.members.get("admins")?.add("alice");
    world.reconciler();
    const first = await active(world);
    world.directory.members.get("admins")?.delete("alice");
    const second = await active(world);
    for (const id of order === "first ends first" ? [first, second] : [second, first]) {
      await revoke(world, id);
      await confirmed(world, id);
    }
    assert.deepEqual(world.members("admins"), [], order);
    assert.equal(evidenceOf(await world.grant(order === "first ends first" ? second : first))?.kind, "gone", order);
  }
});

test("S27 evidence never says that access stands when the probe saw that it is gone", async (t) => {
  const world = await setting(t);
  world.directory.members.get("admins")?.add("alice");
  world.reconciler();
  const id = await active(world);
  world.directory.members.get("admins")?.delete("alice");
  await revoke(world, id);
  assert.equal(evidenceOf(await revoked(world, id))?.kind, "gone");
});

test("6: the second probe of a closed grant does not raise the alarm for access that another one is just losing", async (t) => {
  const world = await setting(t, "stuck");
  let stuck = false;
  const connector = variant("stuck", (target) => ({
    revoke: async (order, options) => (stuck ? undefined : target.revoke(order, options)),
  }));
  world.reconciler({ connectors: [connector], claimLifetimeMs: 300 });
  const [first, second] = [await active(world), await active(world)];
  await revoke(world, first);
  await revoked(world, first);
  stuck = true;
  await revoke(world, second);
  await confirmed(world, first);
  assert.ok(!(await kindsOf(world, first)).includes("grant.reopened"));
  assert.equal((await world.grant(second)).state, "revoking", "that alarm is the second's");
  stuck = false;
  await confirmed(world, second);
  assert.deepEqual(world.members("admins"), []);
});

test("6: a second probe that sees access makes the grant live again; it ends with a new receipt", async (t) => {
  const world = await setting(t);
  world.reconciler({ claimLifetimeMs: 400 });
  const id = await active(world);
  // It comes back after the receipt, and before the second probe looks.
  let back = false;
  world.directory.fail = async (verb) => {
    if (verb !== "probe" || back || (await world.grant(id)).state !== "revoked") return;
    back = true;
    world.directory.members.get("admins")?.add("alice");
  };
  await revoke(world, id);
  await confirmed(world, id);
  assert.deepEqual(world.members("admins"), []);
  const kinds = await kindsOf(world, id);
  assert.deepEqual(kinds.slice(kinds.indexOf("grant.revoked")), [
    "grant.revoked",
    "grant.reopened",
    "grant.revoked",
    "grant.confirmed",
  ]);
});

for (const replicas of [2, 3])
  test(`S22 ${replicas} replicas on one store: each grant is made once and taken away once`, async (t) => {
    const world = await setting(t, "counting");
    const calls: string[] = [];
    const connector = variant("counting", (target) => ({
      provision: (order, grant) => {
        calls.push(`provision ${order.grant}`);
        return target.provision(order, grant);
      },
      revoke: (order, options) => {
        calls.push(`revoke ${order.grant}`);
        return target.revoke(order, options);
      },
    }));
    for (let i = 0; i < replicas; i += 1)
      world.reconciler({ connectors: [connector], pollMs: 20, claimLifetimeMs: 30_000 });
    const ids = await Promise.all(
      PEOPLE.flatMap((who) => [world.granted(who, "dir:admins"), world.granted(who, "dir:admins")]),
    );
    for (const id of ids) await world.grantWhen(id, ({ state }) => state === "active", "active");
    assert.deepEqual(world.members("admins"), [...PEOPLE].sort());
    await Promise.all(
      (await world.grants()).map(async (grant) =>
        world.store.pool.query(
          "update grants set expires_at = clock_timestamp(), due_at = clock_timestamp() where id = $1",
          [grant.id],
        ),
      ),
    );
    for (const id of ids) await revoked(world, id);
    assert.deepEqual(world.members("admins"), []);
    assert.deepEqual(calls.sort(), ids.flatMap((id) => [`provision ${id}`, `revoke ${id}`]).sort());
    for (const id of ids) {
      const kinds = await kindsOf(world, id);
      for (const kind of ["grant.active", "grant.revoking", "grant.revoked"])
        assert.equal(kinds.filter((it) => it === kind).length, 1, `${kind} of ${id}`);
    }
  });
