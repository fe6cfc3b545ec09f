/** Access that ends when its ticket closes. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { DurationMs } from "../../src/base/duration.ts";
import type { GrantId } from "../../src/base/ids.ts";
import { isRefusal } from "../../src/base/problem.ts";
import type { TicketState } from "../../src/domain/facts.ts";
import type { Job } from "../../src/jobs/runner.ts";
import { type TicketNow, ticketJob } from "../../src/jobs/watch-tickets.ts";
import { submitRequest } from "../../src/operations/submit-request.ts";
import { automatically, configuration, directoryResource, person } from "../support/configuration.ts";
import { createWorld, NO_FACTS, type World } from "../support/world.ts";

const EVERY_MS = 60_000;

let world: World;
/** What the tracker says, by ticket; throws where it is to fail. */
let says: (ticket: string) => TicketNow;
let asked: string[];

const now = (state: TicketState, status = ""): TicketNow => ({ state, status, source: "jira" });

before(async () => {
  world = await createWorld();
  world.directory.members.set("readers", new Set());
  await world.configure(
    configuration({
      resources: [directoryResource("orders", world.directoryName, { read: { group: "readers" } })],
      principals: [person("alice"), person("bob"), person("carol")],
      policies: [automatically("all")],
    }),
  );
});
after(() => world.stop());
beforeEach(() => {
  asked = [];
  says = () => now("open");
});

const job = (watches: (ticket: string) => boolean = (ticket) => ticket.startsWith("INC-")): Job =>
  ticketJob({
    watched: async () => ({ version: 1, lookEveryMs: (ticket) => (watches(ticket) ? EVERY_MS : null) }),
    ticket: async (id) => {
      asked.push(id);
      return says(id);
    },
    log: () => undefined,
  });
const run = (one: Job) => one.run(world.context);
/** The time until the next look has passed. */
const later = () => world.store.pool.query("update ticket_looks set due_at = clock_timestamp()");
const watchedTickets = async (): Promise<string[]> =>
  (await world.store.pool.query<{ ticket: string }>("select ticket from ticket_looks order by 1")).rows.map(
    (row) => row.ticket,
  );

const granted = async (handle: string, ticket: string, state: TicketState = "open"): Promise<GrantId> => {
  const { id } = await world.principal(handle);
  const more = {
    durationMs: 600_000 as DurationMs,
    reason: "looking",
    startMs: null,
    activation: "on-approval" as const,
  };
  const facts = {
    ...NO_FACTS,
    ticket: { ...{ id: ticket, state, status: "", assignee: "", mine: true }, ...{ source: "jira", ageMs: 0 } },
  };
  const answer = await submitRequest(
    world.context,
    id,
    { entitlement: "orders:read", emergency: false, ticket, ...more },
    facts,
  );
  if (isRefusal(answer)) throw new Error(answer.detail);
  return (await world.request(answer.requestId)).grantId ?? assert.fail("it waits");
};
const stateOf = async (id: GrantId) => (await world.grant(id)).state;

test("while the ticket is open, or nobody can tell, access goes on; once it is closed, all access asked for with it ends with proof", async () => {
  const reconciler = world.reconciler();
  const [one, other, elsewhere] = [
    await granted("alice", "INC-1"),
    await granted("bob", "INC-1"),
    await granted("carol", "INC-2"),
  ];
  for (const id of [one, other, elsewhere]) await world.grantWhen(id, ({ state }) => state === "active", "is active");
  const watch = job();
  const notClosed: TicketState[] = ["open", "other", "missing", "unknown"];
  for (const state of notClosed) {
    says = () => now(state);
    await later();
    await run(watch);
    assert.deepEqual(await Promise.all([one, other, elsewhere].map(stateOf)), ["active", "active", "active"], state);
  }
  says = (ticket) => (ticket === "INC-1" ? now("closed", "Done") : now("open"));
  await later();
  await run(watch);
  for (const id of [one, other]) {
    const grant = await world.grantWhen(id, ({ state }) => state === "revoked", "is revoked");
    assert.ok(grant.state === "revoked");
    assert.deepEqual(grant.ending, { cause: "ticket-closed", by: null, reason: "INC-1 was closed (Done), says jira" });
  }
  assert.equal(await stateOf(elsewhere), "active");
  assert.deepEqual(world.members("readers"), ["carol"]);
  const ends = (await world.entries()).filter(
    (entry) => JSON.stringify(entry).includes("grant.revoking") && JSON.stringify(entry).includes("ticket-closed"),
  );
  assert.equal(ends.length, 2, "one entry for each thing changed");
  assert.deepEqual(await watchedTickets(), ["INC-2"]);
  await reconciler.stop();
});

test("a look that fails ends nothing, and the next one comes after a minute by the database's clock", async () => {
  const id = await granted("alice", "INC-3");
  const watch = job();
  says = () => {
    throw new Error("no");
  };
  await assert.rejects(async () => run(watch));
  assert.equal(await stateOf(id), "scheduled");
  asked.length = 0;
  says = () => now("closed");
  await run(watch);
  assert.equal(asked.length, 0, "it is claimed for a while, whatever became of the look");
  await later();
  await run(watch);
  assert.deepEqual([await stateOf(id), asked.includes("INC-3")], ["cancelled", true]);
});

test("what was approved although its ticket was closed already does not end for that", async () => {
  const id = await granted("bob", "INC-4", "closed");
  says = () => now("closed");
  const watch = job();
  await run(watch);
  assert.deepEqual([await stateOf(id), asked.includes("INC-4")], ["scheduled", false]);
});

test("tickets that no tracker watches are not looked at; another configuration that does finds them", async () => {
  const id = await granted("bob", "OPS-5");
  says = () => now("closed");
  await run(job());
  assert.deepEqual([await stateOf(id), asked.includes("OPS-5")], ["scheduled", false]);
  await run(job(() => true));
  assert.equal(await stateOf(id), "cancelled");
});

test("two replicas look at a ticket once between them, and one that begins later finds what is new", async () => {
  const [first, second] = [job(), job()];
  await granted("carol", "INC-6");
  await Promise.all([run(first), run(second)]);
  assert.deepEqual(asked.filter((ticket) => ticket === "INC-6").length, 1);
  await granted("carol", "INC-7");
  await run(first);
  assert.ok(asked.includes("INC-7"));
});

test("a ticket with no live access is forgotten", async () => {
  says = () => now("closed");
  const watch = job();
  await granted("carol", "INC-8");
  await later();
  await run(watch);
  assert.deepEqual(
    (await watchedTickets()).filter((ticket) => ticket === "INC-8"),
    [],
  );
  asked = [];
  await run(watch);
  assert.deepEqual(asked, []);
});
