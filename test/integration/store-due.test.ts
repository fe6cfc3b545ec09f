/** Finding and claiming what is due: in which order, and that it costs by what is due and not by how many grants there are. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import type { GrantId } from "../../src/base/ids.ts";
import { NO_OUTLETS } from "../../src/domain/sink.ts";
import { appendEntries, sequenceAll } from "../../src/store/audit.ts";
import type { Db, Tables } from "../../src/store/db.ts";
import { claimDue, dueResources, dueToStart, msUntilDue, releaseAllClaims } from "../../src/store/due.ts";
import { readFigures } from "../../src/store/figures.ts";
import { readLedgerFacts } from "../../src/store/health-figures.ts";
import { overdueRequestIds, requestsToLookAt } from "../../src/store/requests.ts";
import { automatically, configuration, directoryResource, person } from "../support/configuration.ts";
import { makeActive } from "../support/drive.ts";
import { idOf, makeManyGrants, type Wanted } from "../support/many-grants.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

type Setting = { world: World; make: (wanted: Omit<Wanted, "model">) => Promise<void> };

/** One active grant that is due tomorrow, and as many copies of it as a test wants. */
async function setting(t: TestContext): Promise<Setting> {
  const world = await createWorld({ server, t });
  const dir = directoryResource("dir", world.directoryName, { admins: { group: "admins" } });
  await world.configure(
    configuration({ principals: [person("alice")], policies: [automatically("all")], resources: [dir] }),
  );
  const model = await world.granted("alice", "dir:admins", { durationMs: 28_800_000 as never });
  await makeActive(world, model);
  return { world, make: (wanted) => makeManyGrants(world.superuserUrl, { model, ...wanted }) };
}

const AGO = (seconds: string) => `clock_timestamp() - ${seconds} * interval '1 second'`;
const ACTIVE = { expiresAt: "clock_timestamp() + interval '1 day'", dueAt: "clock_timestamp() + interval '1 day'" };
const ENDED = {
  startsAt: "clock_timestamp() - interval '3 days'",
  expiresAt: AGO("(100000 - i)"),
  dueAt: AGO("(100000 - i)"),
};

test("what takes access away is claimed before what gives it, and of each kind what is due longest", async (t) => {
  const { world, make } = await setting(t);
  // Those to be made are due longest, and still come last.
  await make({ from: 1, count: 3, state: "'scheduled'", dueAt: AGO("(1000 - i)") });
  await make({ from: 11, count: 3, state: "'active'", dueAt: AGO("(100 - i)") });
  await make({ from: 21, count: 3, state: "'active'", resource: "'other'", dueAt: AGO("(100 - i)") });
  const { db } = world.store;
  const ids = async (places: number, owner: string): Promise<GrantId[]> =>
    (await claimDue(db, [{ resource: "dir", places }], owner, 60_000)).map(({ claim }) => claim.grant).toSorted();
  assert.deepEqual(
    (await dueResources(db)).toSorted((a, b) => a.resource.localeCompare(b.resource)),
    [
      { resource: "dir", urgency: 0 },
      { resource: "other", urgency: 0 },
    ],
  );
  assert.deepEqual(await ids(2, "one"), [11, 12].map(idOf));
  assert.deepEqual(await ids(3, "two"), [1, 2, 13].map(idOf), "the last of the first kind, then the next kind");
  assert.deepEqual(await dueResources(db), [
    { resource: "dir", urgency: 1 },
    { resource: "other", urgency: 0 },
  ]);
  assert.deepEqual(await ids(9, "three"), [3].map(idOf), "what is claimed is left alone");
  assert.deepEqual(await dueResources(db), [{ resource: "other", urgency: 0 }]);
});

test("several resources are claimed in one go, each up to its own places, and no grant twice", async (t) => {
  const { world, make } = await setting(t);
  await make({ count: 200, resource: "'r' || (i % 4)", ...ENDED });
  const { db } = world.store;
  const wanted = [1, 2, 3].map((places) => ({ resource: `r${places}`, places }));
  const rounds = await Promise.all(["a", "b", "c"].map((owner) => claimDue(db, wanted, owner, 60_000)));
  for (const round of rounds)
    for (const { resource, places } of wanted)
      assert.equal(round.filter((it) => it.resource === resource).length, places);
  const all = rounds.flat().map(({ claim }) => claim.grant);
  assert.equal(new Set(all).size, 18);
  const fences = rounds.flat().map(({ claim }) => claim.fence);
  assert.equal(new Set(fences).size, 18, "each has a fence of its own");
});

test("the next look is when the first grant is due that nobody works on, or when its claim runs out", async (t) => {
  const { world, make } = await setting(t);
  const { db, pool } = world.store;
  assert.ok(((await msUntilDue(db)) ?? 0) > 28_000_000);
  await make({ count: 2, dueAt: "clock_timestamp() + i * interval '1 minute'" });
  const soon = (await msUntilDue(db)) ?? 0;
  assert.ok(soon > 0 && soon <= 60_000);
  await pool.query("update grants set claim_until = clock_timestamp() + interval '90 seconds' where id = $1", [
    idOf(1),
  ]);
  const later = (await msUntilDue(db)) ?? 0;
  assert.ok(later > 60_000 && later <= 90_000);
  await pool.query("update grants set due_at = clock_timestamp() - interval '1 second' where id = $1", [idOf(2)]);
  assert.ok(((await msUntilDue(db)) ?? 1) <= 0);
});

test("claims of the dead are freed, whatever became due meanwhile", async (t) => {
  const { world, make } = await setting(t);
  await make({ count: 5, ...ENDED });
  const { db, pool } = world.store;
  await claimDue(db, [{ resource: "dir", places: 3 }], "dead", 60_000);
  await releaseAllClaims(db);
  const { rowCount } = await pool.query(
    "select 1 from grants where claim_until is not null or claim_owner is not null",
  );
  assert.equal(rowCount, 0);
  assert.equal((await claimDue(db, [{ resource: "dir", places: 9 }], "alive", 60_000)).length, 5);
});

type PlanNode = {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Shared Hit Blocks": number;
  readonly "Shared Read Blocks": number;
  readonly Plans?: readonly PlanNode[];
};
type Cost = { readonly blocks: number; readonly scannedWhole: readonly string[] };

/** Runs the statements of `work` and what each costs: blocks of the store that were touched, and tables read from end to end. */
async function costOf(url: string, work: (db: Db) => Promise<unknown>): Promise<Cost> {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  const asked: { sql: string; parameters: readonly unknown[] }[] = [];
  const db = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool }),
    log: ({ query }) => void asked.push({ sql: query.sql, parameters: query.parameters }),
  });
  await work(db);
  const client = await pool.connect();
  let [blocks, scannedWhole] = [0, [] as string[]];
  for (const { sql, parameters } of asked) {
    await client.query("begin");
    const { rows } = await client.query<{ "QUERY PLAN": [{ Plan: PlanNode }] }>(
      `explain (analyze, buffers, format json) ${sql}`,
      [...parameters],
    );
    await client.query("rollback");
    const plan = rows[0]?.["QUERY PLAN"][0].Plan;
    assert.ok(plan !== undefined);
    blocks += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"];
    const visit = (node: PlanNode): void => {
      if (node["Node Type"] === "Seq Scan") scannedWhole = [...scannedWhole, node["Relation Name"] ?? "?"];
      for (const child of node.Plans ?? []) visit(child);
    };
    visit(plan);
  }
  client.release();
  await db.destroy();
  return { blocks, scannedWhole };
}

const RESOURCES = 20;
const wantedEverywhere = Array.from({ length: RESOURCES }, (_, n) => ({ resource: `r${n}`, places: 2 }));

/** Everything that is asked again and again, whether or not anything is due. */
const PERIODIC: Readonly<Record<string, (world: World) => (db: Db) => Promise<unknown>>> = {
  "which resources have something due": () => dueResources,
  "claiming it": () => (db) => claimDue(db, wantedEverywhere, "somebody", 60_000),
  "when to look next": () => msUntilDue,
  "what starts as another ends": (world) => async (db) =>
    dueToStart(db, "r1", (await world.principal("alice")).id, Date.parse("2100-01-01")),
  "figures of what is late": () => readFigures,
  "how well it is": () => async (db) =>
    readLedgerFacts(db, await readFigures(db), { resources: [], outlets: NO_OUTLETS }),
  "requests that nobody decided": () => (db) => overdueRequestIds(db, Date.parse("2000-01-01"), 100),
  "requests that others may decide by now": () => (db) => requestsToLookAt(db, Date.parse("2000-01-01"), 100),
};

/** A few pages of an index that is one level deeper, and of rows that lie elsewhere. */
const BLOCKS_MORE = 1.5;

test("what is asked again and again costs the same with a thousand grants as with forty thousand", async (t) => {
  const { world, make } = await setting(t);
  // Half of the resources have something due; of the others only grants that will end one day.
  const due = { count: 100, resource: `'r' || (i % ${RESOURCES / 2})`, requests: true, ...ENDED };
  const costs = async () => {
    const of: Record<string, Cost> = {};
    for (const [what, ask] of Object.entries(PERIODIC)) of[what] = await costOf(world.superuserUrl, ask(world));
    await world.store.pool.query(
      "update grants set claim_until = null, claim_owner = null where claim_until is not null",
    );
    return of;
  };
  await make({ from: 1, ...due });
  await make({ from: 1_001, count: 1_000, resource: `'r' || (i % ${RESOURCES})`, requests: true, ...ACTIVE });
  const few = await costs();
  await make({ from: 100_001, count: 40_000, resource: `'r' || (i % ${RESOURCES})`, requests: true, ...ACTIVE });
  const many = await costs();
  for (const what of Object.keys(PERIODIC)) {
    const [before_, after_] = [few[what], many[what]];
    assert.ok(before_ !== undefined && after_ !== undefined);
    assert.deepEqual(
      after_.scannedWhole.filter((table) => ["grants", "leases", "requests"].includes(table)),
      [],
      `${what}: no table is read from end to end`,
    );
    assert.ok(
      after_.blocks <= before_.blocks * BLOCKS_MORE + 60,
      `${what}: ${before_.blocks} blocks with a thousand, ${after_.blocks} with forty thousand`,
    );
  }
});

test("row 10: with 50,000 overdue, finding and claiming touch no more than what is claimed", async (t) => {
  const { world, make } = await setting(t);
  await make({ count: 50_000, resource: `'r' || (i % ${RESOURCES})`, ...ENDED });
  const [found, claimed, next] = [
    await costOf(world.superuserUrl, dueResources),
    await costOf(world.superuserUrl, (db) => claimDue(db, wantedEverywhere, "somebody", 60_000)),
    await costOf(world.superuserUrl, msUntilDue),
  ];
  for (const cost of [found, claimed, next]) assert.deepEqual(cost.scannedWhole, []);
  assert.ok(found.blocks < 40 * RESOURCES, `${found.blocks} blocks to find`);
  // Two writes of a row each, and its way through the index; far from the thousands of pages that are there.
  assert.ok(claimed.blocks < 60 * 2 * RESOURCES, `${claimed.blocks} blocks to claim`);
  assert.ok(next.blocks < 1_100, `${next.blocks} blocks to look ahead`);
});

test("entries get their positions in the order in which they were written, whatever the length of the queue", async (t) => {
  const { world } = await setting(t);
  const { db, installation } = world.context;
  const draft = (n: number) => ({
    kind: "operation.refused" as const,
    actor: { system: "jobs" as const },
    refs: {},
    data: { n },
  });
  for (let batch = 0; batch < 12; batch += 1)
    await db.transaction().execute((tx) =>
      appendEntries(
        tx,
        installation,
        Array.from({ length: 100 }, (_, n) => draft(batch * 100 + n)),
        0,
      ),
    );
  await sequenceAll(db);
  const numbers = (await world.entries()).flatMap(({ leaf }) => ("n" in leaf.data ? [leaf.data["n"]] : []));
  assert.deepEqual(
    numbers,
    Array.from({ length: 1_200 }, (_, n) => n),
  );
});
