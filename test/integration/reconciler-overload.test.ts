/** More than can be done at once: many overdue, many ending together, targets that hang or are silent. Counts and orders, no clocks. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import pg from "pg";
import type { GrantId } from "../../src/base/ids.ts";
import { type Connector, TargetError } from "../../src/connector/connector.ts";
import { memory, memoryDirectory } from "../../src/connectors/memory.ts";
import { BOUNDS } from "../../src/reconciler/bounds.ts";
import { automatically, configuration, directoryResource, freshName, person } from "../support/configuration.ts";
import { makeManyGrants } from "../support/many-grants.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const { perTarget: PER_TARGET, inFlightMax: IN_FLIGHT_MAX } = BOUNDS;
/** Heavy load on the machine must not fail what is only slow. */
const PATIENCE = { timeoutMs: 240_000 };

/** Counts sessions on each directory; `most` are the most there ever were at once. */
function counting(): {
  connector: Connector;
  most: Map<string, number>;
  opened: Map<string, number>;
  mostAtAll: () => number;
} {
  const [live, most, opened] = [new Map<string, number>(), new Map<string, number>(), new Map<string, number>()];
  let mostAtAll = 0;
  const plain = memory as Connector;
  const connector: Connector = {
    ...plain,
    kind: "counted",
    open: async (connection, context) => {
      const { directory } = connection as { directory: string };
      const now = (live.get(directory) ?? 0) + 1;
      live.set(directory, now);
      opened.set(directory, (opened.get(directory) ?? 0) + 1);
      most.set(directory, Math.max(now, most.get(directory) ?? 0));
      mostAtAll = Math.max(
        mostAtAll,
        [...live.values()].reduce((sum, one) => sum + one, 0),
      );
      let open = true;
      const left = (): void => {
        if (open) live.set(directory, (live.get(directory) ?? 1) - 1);
        open = false;
      };
      // One that hangs is closed at its deadline, as the sockets of a real connector are.
      context.signal.addEventListener("abort", left, { once: true });
      try {
        const target = await plain.open(connection, context);
        return { ...target, close: async () => left() };
      } catch (error) {
        left();
        throw error;
      }
    },
  };
  return { connector, most, opened, mostAtAll: () => mostAtAll };
}

type Setting = {
  world: World;
  /** A connection of its own to the world's store: whoever looks takes no place from what is looked at, nor waits for one. */
  looking: pg.Client;
  counts: ReturnType<typeof counting>;
  models: Map<string, GrantId>;
  directories: string[];
};

/** So many resources with a directory each, and one active grant on each from which others are made. */
async function setting(t: TestContext, resources: number): Promise<Setting> {
  const world = await createWorld({ server, t });
  const looking = new pg.Client({ connectionString: world.superuserUrl });
  await looking.connect();
  t.after(() => looking.end());
  const counts = counting();
  const directories = Array.from({ length: resources }, () => freshName("busy"));
  const made = directories.map((name, i) => {
    memoryDirectory(name).members.set("admins", new Set());
    return directoryResource(`r${i}`, name, { admins: { group: "admins" } }, { connector: "counted" });
  });
  await world.configure(
    configuration({ principals: [person("alice"), person("bob")], policies: [automatically("all")], resources: made }),
  );
  const first = world.reconciler({ connectors: [counts.connector] });
  const models = new Map<string, GrantId>();
  for (const { name } of made) models.set(name, await world.granted("alice", `${name}:admins`));
  await until(async () => (await world.grants()).every(({ state }) => state === "active"), {
    what: "the models to be active",
    ...PATIENCE,
  });
  await first.stop();
  for (const map of [counts.most, counts.opened]) map.clear();
  return { world, looking, counts, models, directories };
}

/** Grants that ended long ago, each of a person of its own, who is in the directory. */
async function overdue({ world, models, directories }: Setting, resource: number, from: number, count: number) {
  const members = memoryDirectory(directories[resource] ?? "").members.get("admins");
  for (let i = from; i < from + count; i += 1) members?.add(`u${i}`);
  await makeManyGrants(world.superuserUrl, {
    model: models.get(`r${resource}`) as GrantId,
    from,
    count,
    startsAt: "clock_timestamp() - interval '3 days'",
    expiresAt: "clock_timestamp() - interval '1 day' + i * interval '1 millisecond'",
    dueAt: "clock_timestamp() - interval '1 day' + i * interval '1 millisecond'",
    lease: { replace: "'alice'", by: "'u' || i" },
    requests: true,
  });
}

const countOf = async ({ looking }: Setting, where: string): Promise<number> =>
  (await looking.query<{ n: number }>(`select count(*)::int as n from grants where ${where}`)).rows[0]?.n ?? 0;
const has = (all: Setting, where: string, atLeast: number) => async (): Promise<boolean> =>
  (await countOf(all, where)) >= atLeast;

test("row 10: 50,000 overdue at start: work is bounded, the longest overdue go first, and others are served meanwhile", async (t) => {
  const all = await setting(t, 2);
  const { world, counts } = all;
  await overdue(all, 0, 1, 50_000);
  const reconciler = world.reconciler({ connectors: [counts.connector] });
  await until(has(all, "state = 'revoked'", 100), { what: "the first to be revoked", ...PATIENCE });
  // Somebody asks for something on another target, and gets it while tens of thousands wait.
  const id = await world.granted("bob", "r1:admins");
  await until(async () => (await world.grant(id)).state === "active", { what: "a new grant beside them", ...PATIENCE });
  assert.ok((await countOf(all, "due_at <= clock_timestamp()")) > 40_000, "they wait still");
  await reconciler.stop();
  assert.ok((counts.most.get(all.directories[0] ?? "") ?? 0) <= PER_TARGET);
  assert.ok(counts.mostAtAll() <= IN_FLIGHT_MAX);
  const late = await countOf(
    all,
    "state = 'revoked' and expires_at > (select expires_at from grants where state in ('active', 'revoking') and resource = 'r0' and expires_at < clock_timestamp() order by expires_at limit 1) + interval '400 milliseconds'",
  );
  assert.equal(late, 0, "nobody who ended much later was dealt with before");
});

test("overload: many end together on fifty targets of which three hang: the others are done, and all within bounds", async (t) => {
  const all = await setting(t, 50);
  const { world, counts, directories } = all;
  const { promise: hanging, resolve: letGo } = Promise.withResolvers<void>();
  t.after(() => letGo());
  const [hung, perTarget] = [3, 20];
  for (const name of directories.slice(0, hung)) memoryDirectory(name).fail = () => hanging;
  // Those that hang ended first: they stand at the head of every line.
  for (let resource = 0; resource < directories.length; resource += 1)
    await overdue(all, resource, 1 + resource * perTarget, perTarget);
  world.reconciler({ connectors: [counts.connector] });
  await until(has(all, "state = 'revoked'", (directories.length - hung) * perTarget), {
    what: "everything on the targets that answer",
    ...PATIENCE,
  });
  for (const [n, name] of directories.entries()) {
    assert.ok((counts.most.get(name) ?? 0) <= PER_TARGET, `${counts.most.get(name)} at once on r${n}`);
    const left = memoryDirectory(name).members.get("admins")?.size ?? 0;
    if (n < hung) assert.ok(left > perTarget, "it hangs still");
    else assert.equal(left, 1, "only the model is left");
  }
  assert.ok(counts.mostAtAll() <= IN_FLIGHT_MAX + directories.length);
  for (const name of directories.slice(0, hung)) memoryDirectory(name).fail = null;
  letGo();
  await until(has(all, "state = 'revoked'", directories.length * perTarget), {
    what: "those that hung",
    ...PATIENCE,
  });
});

test("overload: what takes access away goes before what gives it, and that before second looks", async (t) => {
  const all = await setting(t, 1);
  const { world, counts } = all;
  await overdue(all, 0, 1, 150);
  const id = await world.granted("bob", "r0:admins");
  world.reconciler({ connectors: [counts.connector], claimLifetimeMs: 500 });
  await until(has(all, "state = 'revoked' and confirm_at is null", 150), {
    what: "second looks at all",
    ...PATIENCE,
  });
  const kinds = (await world.entries()).map(({ leaf }) => ({ kind: leaf.kind, own: leaf.refs.grant === id }));
  const started = kinds.findIndex(({ kind, own }) => own && kind === "grant.provisioning");
  const before_ = (kind: string, end: number): number => kinds.slice(0, end).filter((it) => it.kind === kind).length;
  assert.ok(before_("grant.revoked", started) >= 150 - PER_TARGET, "revocations first, but for those under way");
  assert.ok(before_("grant.confirmed", started) <= PER_TARGET, "second looks last");
});

test("row 18: a silent target is asked by a few flights; all else waits without trouble, and goes on when it answers", async (t) => {
  const all = await setting(t, 1);
  const { world, counts, directories } = all;
  const [name = ""] = directories;
  await overdue(all, 0, 1, 100);
  memoryDirectory(name).fail = () => {
    throw new TargetError("unreachable", "connection refused");
  };
  const begunMs = performance.now();
  const reconciler = world.reconciler({ connectors: [counts.connector] });
  await until(() => reconciler.health().silent.includes("r0"), { what: "the target to count as silent", ...PATIENCE });
  await until(() => reconciler.health().inFlight === 0, { what: "the first flights to land", ...PATIENCE });
  const [tried, atOnce] = [counts.opened.get(name) ?? 0, counts.most.get(name) ?? 0];
  // A flight tries three ways in. Each of the two that fail before the target counts as silent makes room for another; from
  // then on one flight probes in a second.
  const probes = Math.ceil((performance.now() - begunMs) / 1_000);
  const flights = tried / 3;
  assert.ok(flights <= PER_TARGET + 2 + probes && atOnce <= PER_TARGET, `${flights} flights, ${atOnce} at once`);
  counts.most.clear();
  await until(() => (counts.opened.get(name) ?? 0) >= tried + 4, { what: "it to be asked again", ...PATIENCE });
  assert.ok((counts.most.get(name) ?? 0) <= 3, "by few");
  const troubled = await countOf(all, "trouble is not null");
  assert.ok(troubled < 50, `${troubled} were tried in vain; the others only waited`);
  // One would not be tried for an hour by itself.
  await world.store.pool.query(
    `update grants set due_at = statement_timestamp() + interval '1 hour',
       trouble = trouble || jsonb_build_object('retryMs', floor(extract(epoch from statement_timestamp() + interval '1 hour') * 1000))
     where id = (select id from grants where trouble is not null and claim_until is null limit 1)`,
  );
  memoryDirectory(name).fail = null;
  await until(has(all, "state = 'revoked'", 100), { what: "all of them, that one too", ...PATIENCE });
  assert.deepEqual(reconciler.health().silent, []);
});

test("row 18: a fault of ours says nothing about the target: one that is silent stays so, until it answers", async (t) => {
  const all = await setting(t, 1);
  const { world, counts, directories } = all;
  const directory = memoryDirectory(directories[0] ?? "");
  await overdue(all, 0, 1, 20);
  directory.fail = () => {
    throw new TargetError("unreachable", "connection refused");
  };
  const reconciler = world.reconciler({ connectors: [counts.connector], claimLifetimeMs: 1_000 });
  await until(() => reconciler.health().silent.includes("r0"), { what: "the target to count as silent", ...PATIENCE });
  await until(() => reconciler.health().inFlight === 0, { what: "the first flights to land", ...PATIENCE });
  directory.fail = () => assert.fail("a mistake in the program");
  const fault = () => reconciler.logged.some(({ what }) => what === "reconcile-failed");
  await until(fault, { what: "a flight that fails by our fault", ...PATIENCE });
  assert.deepEqual(reconciler.health().silent, ["r0"]);
  directory.fail = null;
  await until(has(all, "state = 'revoked'", 20), { what: "all of them", ...PATIENCE });
  assert.deepEqual(reconciler.health().silent, []);
});

test("row 11: one row that cannot be read does not keep those that ended with it from being expired together", async (t) => {
  const all = await setting(t, 1);
  const { world, counts } = all;
  await overdue(all, 0, 1, 60);
  await world.store.pool.query(
    "update grants set scope = '[]', resource = 'r0', access_gone = true where id = 'gr_0000000000000007'",
  );
  await world.store.pool.query("update grants set trouble = '5' where id = 'gr_0000000000000007'");
  world.reconciler({ connectors: [counts.connector] });
  await until(has(all, "state = 'revoked'", 59), { what: "the others", ...PATIENCE });
});
