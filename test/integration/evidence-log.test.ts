/** Where in the log a period lies: nothing of it is missed, however late an entry got its position, and little else is read. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { PrincipalId } from "../../src/base/ids.ts";
import { ENTRY_KINDS } from "../../src/domain/audit.ts";
import { inOnePicture } from "../../src/store/access-review.ts";
import { appendEntries, readLeaves, sequenceAll } from "../../src/store/audit.ts";
import { CHILDREN, positionsWithin } from "../../src/store/audit-tree.ts";
import { logOfPeople } from "../../src/store/evidence-log.ts";
import { migratedAnew } from "../support/evidence-of-log.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld, type World } from "../support/world.ts";

const PEOPLE = ["pr_0000000000000001", "pr_0000000000000002"] as PrincipalId[];
const ENTRIES = CHILDREN * 4 + 100;
/** After everything that a new store tells by itself, at its first position. */
const START_MS = Date.UTC(2040, 0, 1);
const HOUR_MS = 3_600_000;

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

/** An entry each hour, written in this order. */
async function tellHours(world: World, hours: readonly number[]): Promise<void> {
  const { db } = world.store;
  await db.transaction().execute(async (tx) => {
    for (const hour of hours) {
      const actor = { principal: PEOPLE[hour % 2] ?? assert.fail("nobody") };
      const draft = { kind: "operation.refused", actor, refs: {}, data: { hour } } as const;
      await appendEntries(tx, world.context.installation, [draft], START_MS + hour * HOUR_MS);
    }
  });
  await sequenceAll(db);
}

const span = (from: number, until: number) => ({
  fromMs: START_MS + from * HOUR_MS,
  untilMs: START_MS + until * HOUR_MS,
});

async function assertFound(world: World, from: number, until: number): Promise<void> {
  await inOnePicture(world.store.db, async (tx) => {
    const all = await readLeaves(world.store.db, 0, ENTRIES + 1);
    for (const who of PEOPLE) {
      const wanted = all.filter(({ leaf }) => {
        const hour = leaf.data["hour"] as number;
        return "principal" in leaf.actor && leaf.actor.principal === who && hour >= from && hour < until;
      });
      const found = await logOfPeople(tx, span(from, until), [who], { afterSeq: 0, limit: ENTRIES });
      assert.deepEqual(
        found.map(({ seq }) => seq),
        wanted.map(({ seq }) => seq),
        `${from} to ${until}`,
      );
    }
  });
}

test("a period is found whole in a log whose times are out of order, and in one that was migrated", async (t) => {
  const world = await createWorld({ server, t: t as TestContext });
  // One that is far too late, one far too early, and neighbours that changed places.
  const hours = Array.from({ length: ENTRIES }, (_, n) => (n % 3 === 0 ? n + 1 : n % 3 === 1 ? n - 1 : n));
  [hours[5], hours[900]] = [hours[900] ?? 0, hours[5] ?? 0];
  await tellHours(world, hours);
  const spans = [
    [0, ENTRIES],
    [3, 9],
    [250, 260],
    [895, 905],
    [700, 701],
    [1_030, 1_124],
  ] as const;
  for (const [from, until] of spans) await assertFound(world, from, until);
  const nodes = () => world.store.pool.query("select level, index, earliest, latest from audit_nodes order by 1, 2");
  const { rows } = await nodes();
  assert.equal(rows.length, 4);
  await migratedAnew(world.store.pool);
  assert.deepEqual((await nodes()).rows, rows);
  for (const [from, until] of spans) await assertFound(world, from, until);
});

test("of a long log only the blocks are read in which the period lies, and of what has no block yet the entries", async (t) => {
  const world = await createWorld({ server, t: t as TestContext });
  await tellHours(
    world,
    Array.from({ length: ENTRIES }, (_, n) => n),
  );
  const within = (from: number, until: number) =>
    inOnePicture(world.store.db, (tx) => positionsWithin(tx, span(from, until).fromMs, span(from, until).untilMs));
  assert.deepEqual(await within(300, 301), [{ after: CHILDREN, last: 2 * CHILDREN }]);
  assert.deepEqual(await within(250, 260), [{ after: 0, last: 2 * CHILDREN }]);
  assert.deepEqual(await within(ENTRIES - 1, ENTRIES), [{ after: 4 * CHILDREN, last: 5 * CHILDREN }]);
  assert.deepEqual(await within(ENTRIES, ENTRIES + 9), []);
  // One that is far too late is of its own block, and the blocks between are not read.
  await tellHours(world, [300]);
  assert.deepEqual(await within(300, 301), [
    { after: CHILDREN, last: 2 * CHILDREN },
    { after: 4 * CHILDREN, last: 5 * CHILDREN },
  ]);
});

test("everything of a person is every entry that names them, of whatever kind, whoever wrote it, and once", async (t) => {
  const world = await createWorld({ server, t: t as TestContext });
  const { db } = world.store;
  const [herself, another] = PEOPLE as [PrincipalId, PrincipalId];
  const actors = [{ system: "jobs" }, { principal: another }, { principal: herself }] as const;
  const drafts = ENTRY_KINDS.flatMap((kind) =>
    actors.flatMap((actor) => [herself, another].map((principal) => ({ kind, actor, refs: { principal }, data: {} }))),
  );
  await db.transaction().execute((tx) => appendEntries(tx, world.context.installation, drafts, START_MS));
  await sequenceAll(db);
  const told = ({ leaf }: Awaited<ReturnType<typeof readLeaves>>[number]): boolean =>
    leaf.refs.principal === herself || ("principal" in leaf.actor && leaf.actor.principal === herself);
  const wanted = (await readLeaves(db, 0, ENTRIES)).filter(told);
  assert.equal(wanted.length, ENTRY_KINDS.length * 4);
  const page = { afterSeq: 0, limit: ENTRIES };
  const found = await inOnePicture(db, (tx) => logOfPeople(tx, span(0, 1), [herself], page));
  assert.deepEqual(
    found.map(({ seq }) => seq),
    wanted.map(({ seq }) => seq),
  );
});
