/** Steps that escalate, and requests whose approvers leave: on a real store, with several replicas and a row that is broken. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { PrincipalId, RequestId } from "../../src/base/ids.ts";
import { isRefusal, type Refusal } from "../../src/base/problem.ts";
import type { Configuration } from "../../src/domain/configuration.ts";
import type { Step } from "../../src/domain/policy.ts";
import { adoptConfiguration } from "../../src/operations/adopt-config.ts";
import { CatalogCache, type Context } from "../../src/operations/context.ts";
import { deactivatePrincipal } from "../../src/operations/deactivate-principal.ts";
import { lookAgainAtRequests } from "../../src/operations/look-again-at-requests.ts";
import { submitRequest } from "../../src/operations/submit-request.ts";
import { openStore } from "../../src/store/db.ts";
import { listMessages } from "../../src/store/messages.ts";
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

const AFTER_30M: Step = { by: ["owners"], count: 1, escalate: { afterMs: 1_800_000, to: ["group:sre"] } };
const PEOPLE = [
  person("alice"),
  person("bob", { groups: ["owners"] }),
  person("carol", { groups: ["sre"] }),
  person("dave", { groups: ["security"] }),
];

function configured(world: World, step: Step, principals = PEOPLE): Configuration {
  const dir = directoryResource(
    "dir",
    world.directoryName,
    { admins: { group: "admins" } },
    { owners: ["group:owners"] },
  );
  return configuration({ principals, policies: [needs("one", step)], resources: [dir] });
}

async function worldWith(t: TestContext, step: Step): Promise<World> {
  const world = await createWorld({ server, t });
  await world.configure(configured(world, step));
  return world;
}

function accepted(answer: { requestId: RequestId } | Refusal): RequestId {
  assert.ok(!isRefusal(answer), isRefusal(answer) ? answer.detail : "");
  return answer.requestId;
}
const codeOf = (answer: unknown): string => (isRefusal(answer) ? answer.refused : "done");

/** As if so much time had passed since everything that is pending was asked for. */
const age = (world: World, minutes: number): Promise<unknown> =>
  world.store.pool.query(
    "update requests set created_at = created_at - $1 * interval '1 minute', escalates_at = escalates_at - $1 * interval '1 minute'",
    [minutes],
  );

const entriesOf = async (world: World, kind: string): Promise<string[]> =>
  (await world.entries()).flatMap(({ leaf }) => (leaf.kind === kind ? [leaf.refs.request ?? ""] : []));

async function told(world: World, kind: string): Promise<string[]> {
  const messages = await listMessages(world.store.db, { limit: 100 });
  const ids = messages.filter(({ message }) => message.kind === kind).flatMap(({ message }) => message.to);
  const { rows } = await world.store.pool.query<{ id: string; handle: string }>("select id, handle from principals");
  return ids.map((id) => rows.find((row) => row.id === id)?.handle ?? id).sort();
}

/** Another replica: connections and compiled policies of its own. */
function replica(world: World, t: TestContext): Context {
  const store = openStore(world.url, { connections: 2 });
  t.after(() => store.close());
  return { ...world.context, db: store.db, ledger: new SqlLedger(store.db), catalog: new CatalogCache() };
}

test("a step escalates by database time, once, however many replicas look at the same moment", async (t) => {
  const world = await worldWith(t, AFTER_30M);
  const ids = [];
  for (let i = 0; i < 10; i += 1) ids.push(accepted(await world.ask("alice", "dir:admins")));
  const replicas = [world.context, replica(world, t), replica(world, t)];
  await age(world, 29);
  assert.equal(await lookAgainAtRequests(world.context), 0);
  assert.equal(codeOf(await world.review("carol", ids[0] as RequestId)), "not-an-approver");
  await age(world, 1);
  await Promise.all(replicas.map((one) => lookAgainAtRequests(one)));
  assert.deepEqual((await entriesOf(world, "request.escalated")).sort(), [...ids].sort());
  assert.deepEqual(
    await told(world, "request.escalated"),
    ids.map(() => "alice"),
  );
  assert.deepEqual(
    (await told(world, "request.needs-approval")).filter((handle) => handle === "carol").length,
    ids.length,
  );
  assert.equal(await lookAgainAtRequests(world.context), 0);
  accepted(await world.review("carol", ids[0] as RequestId));
  assert.equal((await world.request(ids[0] as RequestId)).state, "approved");
  // By the new approver and by the first ones alike.
  accepted(await world.review("bob", ids[1] as RequestId));
});

test("who approves as the step escalates makes one grant, whoever comes first", async (t) => {
  const world = await worldWith(t, AFTER_30M);
  const ids = [];
  for (let i = 0; i < 8; i += 1) ids.push(accepted(await world.ask("alice", "dir:admins")));
  await age(world, 30);
  const reviews = ids.map((id) => world.review("bob", id));
  await Promise.all([...reviews, lookAgainAtRequests(world.context), lookAgainAtRequests(replica(world, t))]);
  assert.equal((await world.grants()).length, ids.length);
  const escalated = await entriesOf(world, "request.escalated");
  assert.equal(new Set(escalated).size, escalated.length);
});

test("row 11: a request that cannot be written keeps none of the others waiting, and escalates when it is mended", async (t) => {
  const world = await worldWith(t, AFTER_30M);
  const broken = accepted(await world.ask("alice", "dir:admins"));
  const other = accepted(await world.ask("alice", "dir:admins"));
  await age(world, 30);
  await world.store.pool.query(
    "create function refuse_it() returns trigger language plpgsql as $$ begin raise exception 'corrupt row'; end $$",
  );
  await world.store.pool.query(
    `create trigger refuse_it before update on requests for each row when (old.id = '${broken}') execute function refuse_it()`,
  );
  await assert.rejects(lookAgainAtRequests(world.context), /corrupt row/, "and it is reported");
  assert.deepEqual(await entriesOf(world, "request.escalated"), [other]);
  assert.deepEqual(await told(world, "request.escalated"), ["alice"], "what fails leaves no message behind");
  await world.store.pool.query("drop trigger refuse_it on requests");
  await lookAgainAtRequests(world.context);
  assert.deepEqual(await entriesOf(world, "request.escalated"), [other, broken]);
});

test("rules that ask for the same keep the time and who was added; rules that ask for another step open it anew", async (t) => {
  const world = await worldWith(t, AFTER_30M);
  const id = accepted(await world.ask("alice", "dir:admins"));
  await age(world, 20);
  await world.configure(configured(world, AFTER_30M, [...PEOPLE, person("erin", { groups: ["sre"] })]));
  await age(world, 10);
  await lookAgainAtRequests(world.context);
  await world.configure(configured(world, AFTER_30M));
  assert.deepEqual((await world.request(id)).decision.steps[0]?.by, ["owners", "group:sre"]);
  assert.deepEqual(await entriesOf(world, "request.reevaluated"), []);
  await world.configure(configured(world, { ...AFTER_30M, by: ["group:security"] }));
  assert.deepEqual((await world.request(id)).decision.steps[0]?.by, ["group:security"]);
  assert.equal(codeOf(await world.review("carol", id)), "not-an-approver");
  await age(world, 30);
  assert.equal(
    (await world.store.pool.query("select from requests where escalates_at <= clock_timestamp() and id = $1", [id]))
      .rowCount,
    1,
    "thirty minutes from the new rules on",
  );
});

test("S12 everybody who could approve leaves while a request waits: it is denied, and the requester is told", async (t) => {
  const world = await worldWith(t, { by: ["owners"], count: 1 });
  const id = accepted(await world.ask("alice", "dir:admins"));
  await lookAgainAtRequests(world.context);
  assert.equal((await world.request(id)).state, "pending");
  await deactivatePrincipal(world.context, (await world.principal("bob")).id, { system: "jobs" }, "left");
  await Promise.all([lookAgainAtRequests(world.context), lookAgainAtRequests(replica(world, t))]);
  const { state, endedBecause } = await world.request(id);
  assert.equal(state, "denied");
  assert.match(endedBecause ?? "", /not enough people can approve: it needs 1 of owners \(group:owners\)/);
  assert.deepEqual(await entriesOf(world, "request.denied"), [id]);
  assert.deepEqual(await told(world, "request.no-approvers"), ["alice"]);
  assert.deepEqual((await world.store.pool.query("select from requests_to_look_at")).rowCount, 0);
});

test("S12 who could approve leaves, and others are named for that: they are asked, and it waits for them", async (t) => {
  const world = await worldWith(t, { by: ["owners"], count: 1, fallback: ["group:security"] });
  const id = accepted(await world.ask("alice", "dir:admins"));
  assert.equal(codeOf(await world.review("dave", id)), "not-an-approver");
  await deactivatePrincipal(world.context, (await world.principal("bob")).id, { system: "jobs" }, "left");
  await lookAgainAtRequests(world.context);
  assert.deepEqual(await told(world, "request.escalated"), ["alice"]);
  accepted(await world.review("dave", id));
  assert.equal((await world.request(id)).state, "approved");
});

test("S12 whose approval was counted leaves before the others decide: it counts no more", async (t) => {
  const world = await worldWith(t, { by: ["group:owners", "group:sre"], count: 2 });
  const id = accepted(await world.ask("alice", "dir:admins"));
  accepted(await world.review("bob", id));
  await deactivatePrincipal(world.context, (await world.principal("bob")).id, { system: "jobs" }, "left");
  await lookAgainAtRequests(world.context);
  assert.equal((await world.request(id)).state, "denied", "carol alone cannot complete it");
});

/** The request is asked for, and its transaction ends only when `go` is called. */
async function almostAsked(world: World): Promise<{ readonly go: () => Promise<RequestId> }> {
  const [begun, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const ledger: SqlLedger = world.context.ledger;
  const slowly = {
    sharedTransaction: <T>(asker: PrincipalId, body: (tx: SqlTx) => Promise<T>): Promise<T> =>
      ledger.sharedTransaction(asker, async (tx) => {
        const result = await body(tx);
        begun.resolve();
        await go.promise;
        return result;
      }),
  };
  const context: Context = { ...world.context, ledger: slowly as unknown as SqlLedger };
  const { id } = await world.principal("alice");
  const made = submitRequest(context, id, { ...ASKED, entitlement: "dir:admins" }, NO_FACTS);
  made.catch((error: unknown) => begun.reject(error));
  await begun.promise;
  return {
    go: async () => {
      go.resolve();
      return accepted(await made);
    },
  };
}

/** Somebody who waits for a lock of another transaction. */
const isHeldUp = (world: World) => async (): Promise<boolean> =>
  (
    await world.store.pool.query(
      "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    )
  ).rowCount !== 0;

const LEAVINGS: readonly [what: string, leave: (world: World) => Promise<unknown>][] = [
  [
    "is deactivated",
    async (world) => deactivatePrincipal(world.context, (await world.principal("bob")).id, { system: "jobs" }, "left"),
  ],
  [
    "is no longer in a configuration that waits to be confirmed",
    async (world) => {
      const next = configured(world, { by: ["owners"], count: 1 }, PEOPLE.slice(0, 1).concat(PEOPLE.slice(2)));
      const adopted = await adoptConfiguration(
        world.context,
        { ...next, policies: [automatically("everybody")], config: { approval: { count: 1 } } },
        "test",
      );
      assert.equal(adopted.waits?.state, "waiting");
    },
  ],
];
for (const [what, leave] of LEAVINGS)
  test(`S12 the only approver ${what} in the moment of a request: it is looked at again, and waits for nobody`, async (t) => {
    const world = await createWorld({ server, t });
    const base = configured(world, { by: ["owners"], count: 1 });
    await world.configure({ ...base, config: { approval: { count: 1 } } });
    const { go } = await almostAsked(world);
    let left = false;
    const leaving = leave(world).finally(() => {
      left = true;
    });
    // It has either happened already, or waits for the request.
    await until(async () => left || (await isHeldUp(world)()), { what: "the leaving meets the request" });
    const id = await go();
    await leaving;
    await lookAgainAtRequests(world.context);
    assert.equal((await world.request(id)).state, "denied");
    assert.deepEqual(await told(world, "request.no-approvers"), ["alice"]);
  });
