/** Those who ask for access at the same moment share a transaction, and nobody can tell from what is recorded. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import { sql } from "kysely";
import { type PrincipalId, panicId } from "../../src/base/ids.ts";
import { isRefusal } from "../../src/base/problem.ts";
import { submitRequest } from "../../src/operations/submit-request.ts";
import { notWaitedFor } from "../../src/store/db.ts";
import { putPanic } from "../../src/store/panics.ts";
import { PATIENCE } from "../../src/store/sharing.ts";
import { SqlLedger } from "../../src/store/sql-ledger.ts";
import type { SqlTx } from "../../src/store/sql-tx.ts";
import { automatically, configuration, directoryResource, needs, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { until } from "../support/until.ts";
import { ASKED, createWorld, NO_FACTS, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const HANDLES = ["alice", "bob", "carol", "dave", "erin"];

type Setting = { world: World; ledger: SqlLedger; ids: PrincipalId[] };

/** However slow the machine: none of those who share a transaction gives up. */
const PATIENT = { lateMs: 60_000, lockWaitMs: 60_000 };

async function setting(
  t: TestContext,
  { policies = [needs("one", ["owners"])], patience = PATIENT } = {},
): Promise<Setting> {
  const made = await createWorld({ server, t });
  const ledger = new SqlLedger(made.store.db, patience);
  const world = { ...made, context: { ...made.context, ledger } };
  const dir = directoryResource(
    "dir",
    world.directoryName,
    { admins: { group: "admins" } },
    { owners: ["group:owners"] },
  );
  const principals = [...HANDLES.map((handle) => person(handle)), person("olga", { groups: ["owners"] })];
  await world.configure(configuration({ resources: [dir], principals, policies }));
  const ids = await Promise.all(HANDLES.map(async (handle) => (await world.principal(handle)).id));
  return { world, ledger, ids };
}

const asks = ({ world: { context } }: Setting, requester: PrincipalId, key?: string) =>
  submitRequest(
    context,
    requester,
    { ...ASKED, entitlement: "dir:admins" },
    NO_FACTS,
    key === undefined ? null : { principal: requester, key, call: "the same" },
  );

/** How many transactions wrote the requests that there are. */
async function transactionsOf({ world }: Setting): Promise<number> {
  const { rows } = await world.store.pool.query<{ n: number }>(
    "select count(distinct xmin::text)::int as n from requests",
  );
  return rows[0]?.n ?? 0;
}

/** How many connections wait for a lock. */
async function waiting({ world }: Setting): Promise<number> {
  const { rows } = await world.store.pool.query(
    "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
  );
  return rows.length;
}

test("those who ask at the same moment share a transaction; each request is recorded, told and answered by itself", async (t) => {
  const all = await setting(t);
  const answers = await Promise.all(all.ids.map((id) => asks(all, id)));
  assert.equal(await transactionsOf(all), 1);
  const told = (await all.world.entries()).filter(({ leaf }) => leaf.kind === "request.submitted");
  for (const [i, answer] of answers.entries()) {
    assert.ok(!isRefusal(answer));
    const request = await all.world.request(answer.requestId);
    assert.deepEqual([request.requesterId, request.state], [all.ids[i], "pending"]);
    const own = told.filter(({ leaf }) => leaf.refs.request === request.id);
    assert.deepEqual(
      own.map(({ leaf, personal }) => [leaf.refs.principal, personal["reason"]]),
      [[all.ids[i], ASKED.reason]],
    );
  }
  assert.equal(told.length, all.ids.length);
});

test("in a shared transaction, too, a limit holds: of those who would all be the last one only one is", async (t) => {
  const limit = { count: 1, withinMs: 86_400_000, per: "rule" } as const;
  const all = await setting(t, { policies: [automatically("first-come", { limit }), needs("one", ["owners"])] });
  const [alice = "" as PrincipalId] = all.ids;
  const answers = await Promise.all([...all.ids, alice, alice].map((id) => asks(all, id)));
  const states = await Promise.all(
    answers.map(async (answer) =>
      isRefusal(answer) ? answer.refused : (await all.world.request(answer.requestId)).state,
    ),
  );
  assert.equal(await transactionsOf(all), 1);
  assert.deepEqual(states.toSorted(), ["approved", ...Array.from({ length: 6 }, () => "pending")]);
});

test("nobody waits long in a shared transaction: while somebody else counts under a limit, each waits by itself", async (t) => {
  const limit = { count: 1, withinMs: 86_400_000, per: "rule" } as const;
  const policies = [automatically("first-come", { limit }), needs("one", ["owners"])];
  const all = await setting(t, { policies, patience: PATIENCE });
  const { promise: counted, resolve: isCounted } = Promise.withResolvers<void>();
  const { promise: goOn, resolve: letGo } = Promise.withResolvers<void>();
  const counting = all.ledger.transaction(async (tx) => {
    await tx.countUses("first-come all", 0, null);
    isCounted();
    await goOn;
  });
  await counted;
  const asking = Promise.all(all.ids.map((id) => asks(all, id)));
  await until(async () => (await waiting(all)) === all.ids.length, {
    what: "each to wait by itself",
    timeoutMs: 9_000,
  });
  letGo();
  await counting;
  const answers = await asking;
  assert.equal(await transactionsOf(all), all.ids.length);
  const states = answers.map(async (answer) =>
    isRefusal(answer) ? "" : (await all.world.request(answer.requestId)).state,
  );
  assert.deepEqual((await Promise.all(states)).toSorted(), ["approved", "pending", "pending", "pending", "pending"]);
});

test("whoever must wait, since somebody else holds them, keeps none of the others waiting", async (t) => {
  const all = await setting(t, { patience: PATIENCE });
  const [alice = "" as PrincipalId, ...others] = all.ids;
  const { promise: held, resolve: isHeld } = Promise.withResolvers<void>();
  const { promise: goOn, resolve: letGo } = Promise.withResolvers<void>();
  const holding = all.ledger.transaction(async (tx) => {
    await tx.lockPrincipal(alice);
    isHeld();
    await goOn;
  });
  await held;
  let done = false;
  const waits = asks(all, alice).finally(() => {
    done = true;
  });
  for (const answer of await Promise.all(others.map((id) => asks(all, id)))) assert.ok(!isRefusal(answer));
  for (const answer of await Promise.all(others.map((id) => asks(all, id)))) assert.ok(!isRefusal(answer));
  assert.equal(done, false);
  letGo();
  await holding;
  assert.ok(!isRefusal(await waits));
});

test("the same call twice in a shared transaction is done once, and answered twice", async (t) => {
  const all = await setting(t);
  const [alice = "" as PrincipalId, bob = "" as PrincipalId] = all.ids;
  const answers = await Promise.all([asks(all, alice, "k-1"), asks(all, bob), asks(all, alice, "k-1")]);
  assert.deepEqual(answers[0], answers[2]);
  assert.equal(await transactionsOf(all), 1);
  assert.equal((await all.world.entries()).filter(({ leaf }) => leaf.kind === "request.submitted").length, 2);
});

/** What wrote each request, as PostgreSQL counts statements of a transaction: those of one statement have the same number. */
async function statementsOf({ world }: Setting): Promise<number> {
  const { rows } = await world.store.pool.query<{ n: number }>(
    "select count(distinct (xmin::text, cmin::text))::int as n from requests",
  );
  return rows[0]?.n ?? 0;
}

test("what operations that share a transaction write goes in one statement", async (t) => {
  const all = await setting(t);
  for (const answer of await Promise.all(all.ids.map((id) => asks(all, id)))) assert.ok(!isRefusal(answer));
  assert.deepEqual([await transactionsOf(all), await statementsOf(all)], [1, 1]);
});

test("what one of them wrote is seen by whatever the next asks of the store, and what both write of one thing is written in order", async (t) => {
  const all = await setting(t);
  const [alice = "" as PrincipalId, bob = "" as PrincipalId] = all.ids;
  const asked = await asks(all, alice);
  assert.ok(!isRefusal(asked));
  const request = await all.world.request(asked.requestId);
  const reasoned = (tx: SqlTx, reason: string) =>
    tx.write(
      all.world.context.installation,
      {
        ...{ entries: [], requests: [{ ...request, reason }], grants: [], leases: [], discarded: [], released: null },
      },
      0,
    );
  const seen = await Promise.all([
    all.ledger.sharedTransaction(alice, (tx) => reasoned(tx, "first")),
    all.ledger.sharedTransaction(bob, async (tx) => (await tx.findRequest(request.id))?.reason),
    all.ledger.sharedTransaction(alice, (tx) => reasoned(tx, "second")),
    all.ledger.sharedTransaction(bob, (tx) => reasoned(tx, "third")),
  ]);
  assert.equal(seen[1], "first");
  assert.equal((await all.world.request(request.id)).reason, "third");
});

test("writes that are not waited for one by one are all written, in order", async (t) => {
  const all = await setting(t);
  const [alice = "" as PrincipalId] = all.ids;
  const requests = await Promise.all(
    all.ids.slice(0, 2).map(async (id) => {
      const answer = await asks(all, id);
      return all.world.request(isRefusal(answer) ? assert.fail() : answer.requestId);
    }),
  );
  const [one, other] = requests;
  if (one === undefined || other === undefined) return assert.fail();
  const written = (request: typeof one, reason: string) => ({
    ...{ entries: [], requests: [{ ...request, reason }], grants: [], leases: [], discarded: [], released: null },
  });
  const { installation } = all.world.context;
  await all.ledger.sharedTransaction(alice, (tx) =>
    Promise.all([
      tx.write(installation, written(one, "first"), 0),
      tx.write(installation, written(one, "second"), 0),
      tx.write(installation, written(other, "of the other"), 0),
    ]),
  );
  const reasons = await Promise.all(requests.map(async ({ id }) => (await all.world.request(id)).reason));
  assert.deepEqual(reasons, ["second", "of the other"]);
});

test("of one whose rows the store refuses the others do not hear, though all were written in one statement", async (t) => {
  const all = await setting(t);
  const results = await Promise.allSettled(
    all.ids.map((id, i) =>
      submitRequest(
        all.world.context,
        id,
        { ...ASKED, entitlement: "dir:admins", ticket: i === 2 ? "T".repeat(201) : "" },
        NO_FACTS,
      ),
    ),
  );
  assert.deepEqual(
    results.map((one) => (one.status === "fulfilled" ? !isRefusal(one.value) : /ticket/.test(String(one.reason)))),
    [true, true, true, true, true],
  );
  assert.equal(results[2]?.status, "rejected");
  assert.equal((await all.world.entries()).filter(({ leaf }) => leaf.kind === "request.submitted").length, 4);
});

/** Tells in the log that somebody was here. */
const note = ({ world: { context } }: Setting, tx: SqlTx, principal: PrincipalId): Promise<unknown> =>
  tx.appendEntries(
    context.installation,
    [{ kind: "operation.refused", actor: { principal }, refs: { principal }, data: {} }],
    0,
  );
const noted = async ({ world }: Setting): Promise<(string | undefined)[]> =>
  (await world.entries())
    .filter(({ leaf }) => leaf.data["operation"] === undefined && leaf.kind === "operation.refused")
    .map(({ leaf }) => leaf.refs.principal);

const FAILING: Record<string, (tx: SqlTx) => Promise<unknown>> = {
  "by a mistake in the program": () => Promise.reject(new Error("division by zero, in a way")),
  "by what the store refuses": (tx) => sql`select 1 / 0`.execute(tx.sql),
  "by what the store refuses at the commit": (tx) => sql`${notWaitedFor} select 1 / ${0}::int`.execute(tx.sql),
};
for (const [how, fail] of Object.entries(FAILING))
  test(`of one that fails ${how} the others do not hear, and nothing of it is left`, async (t) => {
    const all = await setting(t);
    const runs = new Map<PrincipalId, number>();
    const results = await Promise.allSettled(
      all.ids.map((id, i) =>
        all.ledger.sharedTransaction(id, async (tx) => {
          runs.set(id, (runs.get(id) ?? 0) + 1);
          await note(all, tx, id);
          if (i === 2) await fail(tx);
          return i;
        }),
      ),
    );
    assert.deepEqual(
      results.map((one) => (one.status === "fulfilled" ? one.value : /division by zero/.test(String(one.reason)))),
      [0, 1, true, 3, 4],
    );
    assert.deepEqual((await noted(all)).toSorted(), all.ids.filter((_, i) => i !== 2).toSorted());
    assert.equal(runs.get(all.ids[0] as PrincipalId), 2, "first together, then by itself");
  });

test("a commit that was not answered is told to all, and done again for nobody", async (t) => {
  const all = await setting(t);
  await all.world.store.pool.query("create table last_words (n int)");
  await all.world.store.pool.query(`create function break_off() returns trigger language plpgsql as $$ begin
    perform pg_terminate_backend(pg_backend_pid()); return null; end $$`);
  await all.world.store.pool.query(`create constraint trigger break_off after insert on last_words
    deferrable initially deferred for each row execute function break_off()`);
  let runs = 0;
  const results = await Promise.allSettled(
    all.ids.map((id) =>
      all.ledger.sharedTransaction(id, async (tx) => {
        runs += 1;
        await sql`insert into last_words values (1)`.execute(tx.sql);
      }),
    ),
  );
  assert.deepEqual(
    results.map(({ status }) => status),
    all.ids.map(() => "rejected"),
  );
  assert.equal(runs, all.ids.length);
});

test("whoever asks while decisions are halted is held as they are after it, with what is in force then", async (t) => {
  const all = await setting(t);
  const { ledger } = all;
  const [alice = "" as PrincipalId, bob = "" as PrincipalId] = all.ids;
  const panic = {
    id: panicId.make(),
    scope: { on: "all" },
    startedBy: bob,
    startedMs: 0,
    reason: "drill",
    lifted: null,
  } as const;
  const { promise: halted, resolve: isHalted } = Promise.withResolvers<void>();
  const { promise: goOn, resolve: letGo } = Promise.withResolvers<void>();
  const halting = ledger.transaction(async (tx) => {
    await tx.haltDecisions();
    isHalted();
    await goOn;
    await sql`update principals set active = false, deactivated_at = now() where id = ${alice}`.execute(tx.sql);
    await putPanic(tx.sql, panic);
  });
  await halted;
  const held = ledger.transaction((tx) => tx.holdAsker(alice));
  await until(async () => (await waiting(all)) > 0, { what: "whoever asks to wait" });
  letGo();
  await halting;
  const { person: who, panics, version } = await held;
  assert.deepEqual([who?.active, panics.map(({ id }) => id), version], [false, [panic.id], 1]);
});
