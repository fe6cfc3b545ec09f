/** The panic button: what it covers ends now, nothing new is given there, and what is not proven gone is said. */
import assert from "node:assert/strict";
import { after, before, beforeEach, type TestContext, test } from "node:test";
import type { DurationMs } from "../../src/base/duration.ts";
import { isRefusal } from "../../src/base/problem.ts";
import { TargetError } from "../../src/connector/connector.ts";
import { type MemoryDirectory, memoryDirectory } from "../../src/connectors/memory.ts";
import { isLive } from "../../src/domain/grant.ts";
import { enforcePanics } from "../../src/operations/enforce-panics.ts";
import { extendGrant } from "../../src/operations/extend-grant.ts";
import { type PanicOver, startPanic } from "../../src/operations/start-panic.ts";
import { type Api, createApi, withTokens } from "../support/api.ts";
import { automatically, configuration, directoryResource, needs, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { until } from "../support/until.ts";
import { createWorld, NO_FACTS, type World } from "../support/world.ts";

const PEOPLE = [
  person("alice"),
  person("bob", { groups: ["leads"] }),
  person("olga", { roles: ["operator"] }),
  person("carol", { roles: ["admin"] }),
  person("audrey", { roles: ["auditor"] }),
];

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

let world: World;
let api: Api;
/** The directory of the resource `two`; the world's own is that of `one`. */
let other: MemoryDirectory;
beforeEach(async (t) => {
  world = await createWorld({ server, t: t as TestContext });
  other = memoryDirectory(`${world.directoryName}-two`);
  for (const directory of [world.directory, other])
    for (const group of ["read", "fix"]) directory.members.set(group, new Set());
  const resources = ["one", "two"].map((name) =>
    directoryResource(name, name === "one" ? world.directoryName : `${world.directoryName}-two`, {
      read: { group: "read" },
      fix: { group: "fix" },
    }),
  );
  const policies = [automatically("at-once", { when: 'request.ticket == "NOW"' }), needs("leads", ["group:leads"])];
  await world.configure(withTokens(configuration({ principals: PEOPLE, policies, resources })));
  api = createApi(world);
  (t as TestContext).after(() => api.close());
});

const granted = (handle: string, entitlement: string) => world.granted(handle, entitlement, { ticket: "NOW" });
const active = async (handle: string, entitlement: string) => {
  const id = await granted(handle, entitlement);
  await world.grantWhen(id, ({ state }) => state === "active", "active");
  return id;
};
const press = async (over: PanicOver, as = "carol") => {
  const pressed = await startPanic(world.context, await world.principal(as), over, "an intruder");
  assert.ok(!isRefusal(pressed), JSON.stringify(pressed));
  return pressed.panicId;
};
const codeOf = (answer: unknown): string => (isRefusal(answer) ? answer.refused : "done");
const stateOf = async (id: Awaited<ReturnType<typeof granted>>) => (await world.grant(id)).state;

test("a panic over a resource ends what is live there, of everybody, and nothing elsewhere", async () => {
  world.reconciler();
  const [alices, bobs, elsewhere] = [
    await active("alice", "one:read"),
    await active("bob", "one:fix"),
    await active("alice", "two:fix"),
  ];
  const later = await world.granted("alice", "one:fix", { ticket: "NOW", startMs: Date.now() + 3_600_000 });
  await press({ resource: "one" });
  assert.equal(await stateOf(later), "cancelled");
  for (const id of [alices, bobs]) {
    const grant = await world.grantWhen(id, ({ state }) => state === "revoked", "revoked");
    assert.ok("ending" in grant && grant.ending.cause === "panic" && grant.ending.reason === "an intruder");
  }
  assert.equal(await stateOf(elsewhere), "active");
  assert.deepEqual(world.members("read"), []);
});

test("a panic over a person ends all they have and nothing of anybody else", async () => {
  world.reconciler();
  const [one, two, bobs] = [
    await active("alice", "one:read"),
    await active("alice", "two:fix"),
    await active("bob", "one:fix"),
  ];
  await press({ person: "alice" });
  for (const id of [one, two]) await world.grantWhen(id, ({ state }) => state === "revoked", "revoked");
  assert.equal(await stateOf(bobs), "active");
  assert.deepEqual([world.members("fix"), [...(other.members.get("fix") ?? [])]], [["bob"], []]);
});

test("while a panic is in force nothing new is given within it, by no way; when it is lifted it is again", async () => {
  world.reconciler();
  const pending = await world.ask("alice", "one:read");
  assert.ok(!isRefusal(pending));
  const elsewhere = await active("alice", "two:read");
  const id = await press({ resource: "one" });
  assert.equal(codeOf(await world.ask("alice", "one:read", { ticket: "NOW" })), "panic-in-force");
  assert.equal(codeOf(await world.review("bob", pending.requestId)), "panic-in-force");
  assert.equal((await world.request(pending.requestId)).state, "pending");
  const more = { durationMs: 60_000 as DurationMs, reason: "more" };
  assert.equal(
    codeOf(await extendGrant(world.context, await world.principal("alice"), elsewhere, more, NO_FACTS)),
    "done",
  );
  await press({ person: "alice" });
  await world.grantWhen(elsewhere, ({ state }) => state === "revoked", "revoked");
  assert.equal(codeOf(await world.ask("alice", "two:read", { ticket: "NOW" })), "panic-in-force");
  const { body } = await api.get("carol", "/v1/panics?state=in-force");
  assert.equal(body.panics.length, 2);
  for (const panic of body.panics)
    assert.equal((await api.post("carol", `/v1/panics/${panic.id}/lift`, { reason: "over" })).body.inForce, false);
  assert.ok(body.panics.some((panic: { id: string }) => panic.id === id));
  assert.equal(codeOf(await world.review("bob", pending.requestId)), "done");
  assert.equal((await world.request(pending.requestId)).state, "approved");
});

test("somebody may still say no while a panic is in force", async () => {
  const pending = await world.ask("alice", "one:read");
  assert.ok(!isRefusal(pending));
  await press({ all: true });
  assert.equal(codeOf(await world.review("bob", pending.requestId, { verdict: "deny" })), "done");
});

test("a new configuration does not grant within a panic what waited", async () => {
  world.reconciler();
  const pending = await world.ask("alice", "one:read");
  assert.ok(!isRefusal(pending));
  await press({ all: true });
  const resources = [directoryResource("one", world.directoryName, { read: { group: "read" } })];
  await world.configure(configuration({ principals: PEOPLE, policies: [automatically("all")], resources }));
  await enforcePanics(world.context);
  await until(async () => (await world.grants()).every((grant) => grant.state === "cancelled"), {
    what: "nothing is made",
  });
  assert.deepEqual(world.members("read"), []);
});

test("requests that meet the button are refused, or what they got is ended", async () => {
  world.reconciler();
  const asking = Array.from({ length: 20 }, () => world.ask("alice", "one:read", { ticket: "NOW" }));
  await press({ resource: "one" });
  const answers = await Promise.all(asking);
  await enforcePanics(world.context);
  assert.ok(
    answers.some((answer) => codeOf(answer) === "panic-in-force") ||
      answers.every((answer) => codeOf(answer) === "done"),
  );
  assert.ok((await world.grants()).every((grant) => !isLive(grant)));
  await until(async () => world.members("read").length === 0, { what: "nobody is in" });
});

test("a process that dies after the button was pressed leaves the rest to the job", async () => {
  world.reconciler();
  const id = await active("alice", "one:read");
  const { principalId } = await world.grant(id);
  await world.store.pool.query(
    "insert into panics (id, scope, reason, started_by, started_at) values ('pn_0000000000000000', 'all', 'an intruder', $1, now())",
    [principalId],
  );
  await enforcePanics(world.context);
  await world.grantWhen(id, ({ state }) => state === "revoked", "revoked");
});

test("what is not proven gone is counted and named with its trouble, until it is", async () => {
  world.reconciler();
  const [hung, fine] = [await active("alice", "one:read"), await active("bob", "two:fix")];
  world.directory.fail = (verb) => {
    if (verb === "revoke") throw new TargetError("unreachable", "no route to the directory");
  };
  const pressed = await api.post("olga", "/v1/panics", { all: true, reason: "an intruder" });
  assert.equal(pressed.status, 201);
  assert.deepEqual([pressed.body.on, pressed.body.startedBy.handle, pressed.body.inForce], ["all", "olga", true]);
  await world.grantWhen(fine, ({ state }) => state === "revoked", "revoked");
  await until(async () => (await world.grant(hung)).trouble !== null, { what: "trouble" });
  const stuck = (await api.get("audrey", `/v1/panics/${pressed.body.id}`)).body;
  assert.deepEqual(stuck.ended, { gone: 1, cleanUpPending: 0, live: 1 });
  assert.equal(stuck.unproven[0].grantId, hung);
  assert.match(stuck.unproven[0].trouble, /no route to the directory|still sees access/);
  const waiting = api.get("audrey", `/v1/panics/${pressed.body.id}?wait=30`);
  world.directory.fail = null;
  await world.grantWhen(hung, ({ state }) => state === "revoked", "revoked");
  api.announce();
  assert.deepEqual((await waiting).body.ended, { gone: 2, cleanUpPending: 0, live: 0 });
});

test("the button is for operators and admins, lifting for admins, looking for auditors too", async () => {
  const all = { all: true, reason: "an intruder" };
  for (const handle of ["alice", "audrey"]) assert.equal((await api.post(handle, "/v1/panics", all)).status, 403);
  assert.equal((await api.post("alice", "/v1/panics", { resource: "no-such", reason: "x" })).status, 403);
  assert.equal((await api.get("alice", "/v1/panics")).status, 403);
  const { body } = await api.post("olga", "/v1/panics", all);
  assert.equal((await api.get("alice", `/v1/panics/${body.id}`)).status, 403);
  assert.equal((await api.get("audrey", `/v1/panics/${body.id}`)).status, 200);
  assert.equal((await api.post("olga", `/v1/panics/${body.id}/lift`, { reason: "over" })).status, 403);
  const lifted = await api.post("carol", `/v1/panics/${body.id}/lift`, { reason: "over" });
  assert.deepEqual([lifted.status, lifted.body.inForce, lifted.body.lifted.by.handle], [200, false, "carol"]);
  const again = await api.post("carol", `/v1/panics/${body.id}/lift`, { reason: "again" });
  assert.equal(again.body.lifted.reason, "over");
});

test("what makes no sense is refused, and nothing happens", async () => {
  for (const body of [
    {},
    { reason: "x" },
    { all: true },
    { all: true, reason: "  " },
    { all: false, reason: "x" },
    { all: true, resource: "one", reason: "x" },
    { resource: "one", person: "alice", reason: "x" },
    { resource: "", reason: "x" },
    { all: true, reason: "x".repeat(5_000) },
    { everything: true, reason: "x" },
  ])
    assert.equal((await api.post("carol", "/v1/panics", body)).status, 400, JSON.stringify(body));
  assert.equal(
    (await api.post("carol", "/v1/panics", { resource: "three", reason: "x" })).body.detail,
    'There is no resource "three". There are: one, two.',
  );
  assert.equal((await api.post("carol", "/v1/panics", { person: "nobody", reason: "x" })).status, 404);
  assert.equal((await api.get("carol", "/v1/panics/pn_0000000000000000")).status, 404);
  assert.equal((await api.post("carol", "/v1/panics/nonsense/lift", { reason: "x" })).status, 404);
  assert.deepEqual((await api.get("carol", "/v1/panics")).body.panics, []);
});

test("the same call with its key again is one panic; each press and each lift is one entry, without its reason in the leaf", async () => {
  const key = { headers: { "idempotency-key": "panic-1" } };
  const [first, second] = [
    await api.post("carol", "/v1/panics", { person: "alice", reason: "a stolen laptop" }, key),
    await api.post("carol", "/v1/panics", { person: "alice", reason: "a stolen laptop" }, key),
  ];
  assert.equal(first.body.id, second.body.id);
  await api.post("carol", `/v1/panics/${first.body.id}/lift`, { reason: "found again" });
  const entries = (await world.entries()).filter(({ leaf }) => leaf.kind.startsWith("panic."));
  assert.deepEqual(
    entries.map(({ leaf }) => leaf.kind),
    ["panic.started", "panic.lifted"],
  );
  assert.deepEqual(
    entries.map(({ personal }) => personal["reason"]),
    ["a stolen laptop", "found again"],
  );
  assert.doesNotMatch(JSON.stringify(entries.map(({ leaf }) => leaf)), /laptop|found/);
});

test("the refusal does not tell whom the panic is about, nor why", async () => {
  await press({ person: "alice" });
  const answer = await api.post("alice", "/v1/requests", { entitlement: "one:read", duration: "10m", reason: "work" });
  assert.equal(answer.body.code, "panic-in-force");
  assert.doesNotMatch(answer.text, /intruder|carol/);
});

test("a grant that was ending already when the button was pressed is followed as well", async () => {
  world.reconciler();
  const id = await active("alice", "one:read");
  world.directory.fail = () => {
    throw new TargetError("unreachable", "no route to the directory");
  };
  await api.post("alice", `/v1/grants/${id}/revoke`, {});
  const { body } = await api.post("carol", "/v1/panics", { all: true, reason: "an intruder" });
  assert.deepEqual(body.ended, { gone: 0, cleanUpPending: 0, live: 1 });
  world.directory.fail = null;
  await world.grantWhen(id, ({ state }) => state === "revoked", "revoked");
  assert.deepEqual((await api.get("carol", `/v1/panics/${body.id}`)).body.ended, {
    gone: 1,
    cleanUpPending: 0,
    live: 0,
  });
});
