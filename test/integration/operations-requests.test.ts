/** From asking to a grant, on a real store: the same decisions when many people act at the same moment. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { DurationMs } from "../../src/base/duration.ts";
import type { RequestId } from "../../src/base/ids.ts";
import { isRefusal, type Refusal } from "../../src/base/problem.ts";
import { cancelRequest, expireRequests } from "../../src/operations/cancel-request.ts";
import { submitRequest } from "../../src/operations/submit-request.ts";
import { reviewsOf } from "../../src/store/requests.ts";
import { automatically, configuration, denies, directoryResource, needs, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { ASKED, createWorld, NO_FACTS, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

async function worldWith(
  t: TestContext,
  wanted: Omit<Parameters<typeof configuration>[0], "resources"> & { owners?: readonly `group:${string}`[] },
): Promise<World> {
  const world = await createWorld({ server, t });
  const entitlements = {
    admins: { group: "admins", narrower: ["readers"] },
    readers: { group: "readers", maxDurationMs: 1_800_000 },
  };
  const dir = directoryResource("dir", world.directoryName, entitlements, {
    owners: wanted.owners ?? ["group:owners"],
  });
  const twin = directoryResource("twin", world.directoryName, entitlements);
  await world.configure(configuration({ ...wanted, resources: [dir, twin] }));
  return world;
}

function accepted(answer: { requestId: RequestId } | Refusal): RequestId {
  assert.ok(!isRefusal(answer), isRefusal(answer) ? answer.detail : "");
  return answer.requestId;
}

const codeOf = (answer: unknown): string => (isRefusal(answer) ? answer.refused : "done");

function counted(answers: readonly unknown[]): Record<string, number> {
  const codes = answers.map(codeOf);
  return Object.fromEntries([...new Set(codes)].sort().map((code) => [code, codes.filter((it) => it === code).length]));
}

const owner = (handle: string, groups: string[] = []) => person(handle, { groups: ["owners", ...groups] });

test("S09, row 39: fifty approvals at the same moment make one grant; the other forty-nine are told it is decided", async (t) => {
  const approvers = Array.from({ length: 50 }, (_, i) => owner(`owner-${i}`));
  const world = await worldWith(t, {
    principals: [person("alice"), ...approvers],
    policies: [needs("one", ["owners"])],
  });
  const id = accepted(await world.ask("alice", "dir:admins"));
  const answers = await Promise.all(approvers.map(({ handle }) => world.review(handle, id)));
  assert.deepEqual(counted(answers), { done: 1, "request-decided": 49 });
  assert.equal((await world.grants()).length, 1);
  assert.equal((await world.request(id)).state, "approved");
});

test("S09 the same approver fifty times at once is one approval", async (t) => {
  const world = await worldWith(t, {
    principals: [person("alice"), owner("bob"), owner("carol")],
    policies: [needs("two", { by: ["owners"], count: 2 })],
  });
  const id = accepted(await world.ask("alice", "dir:admins"));
  const answers = await Promise.all(Array.from({ length: 50 }, () => world.review("bob", id)));
  assert.deepEqual(counted(answers), { "already-reviewed": 49, done: 1 });
  assert.equal((await world.grants()).length, 0);
  assert.equal((await reviewsOf(world.store.db, id)).length, 1);
});

test("S10 the requester cannot approve, not as an owner and not as an admin", async (t) => {
  const alice = person("alice", { groups: ["owners"], roles: ["admin"] });
  const world = await worldWith(t, {
    principals: [alice, owner("bob")],
    policies: [needs("one", ["owners", "user:alice"])],
  });
  const id = accepted(await world.ask("alice", "dir:admins"));
  assert.equal(codeOf(await world.review("alice", id)), "self-review");
  assert.equal((await world.grants()).length, 0);
});

test("S11 who is in both groups fills one place; a second person is still needed, in either order", async (t) => {
  const principals = [
    person("alice"),
    person("both", { groups: ["security", "dba"] }),
    person("sec", { groups: ["security"] }),
    person("dba", { groups: ["dba"] }),
  ];
  const world = await worldWith(t, { principals, policies: [needs("two", ["group:security"], ["group:dba"])] });
  for (const [first, second] of [
    ["both", "sec"],
    ["both", "dba"],
    ["sec", "both"],
    ["dba", "both"],
  ] as const) {
    const id = accepted(await world.ask("alice", "dir:admins"));
    accepted(await world.review(first, id));
    assert.equal((await world.request(id)).state, "pending");
    assert.equal(codeOf(await world.review(first, id)), "already-reviewed");
    accepted(await world.review(second, id));
    assert.equal((await world.request(id)).state, "approved");
  }
});

test("S12, row 40: a policy that names a deleted group: told at once, with the step that nobody can fill", async (t) => {
  const world = await worldWith(t, {
    principals: [person("alice"), owner("bob")],
    policies: [needs("two", ["owners"], ["group:deleted"])],
  });
  const answer = await world.ask("alice", "dir:admins");
  assert.ok(isRefusal(answer));
  assert.equal(answer.refused, "no-approvers");
  assert.match(answer.detail, /1 of group:deleted \(0 can\)/);
  const id = answer.extra["requestId"] as RequestId;
  assert.equal((await world.request(id)).state, "denied");
});

test("S12, row 40: nobody is left to approve after a new configuration: the pending request is denied at once", async (t) => {
  const principals = [person("alice"), owner("bob")];
  const world = await worldWith(t, { principals, policies: [needs("one", ["owners"])] });
  const id = accepted(await world.ask("alice", "dir:admins"));
  const dir = directoryResource(
    "dir",
    world.directoryName,
    { admins: { group: "admins", narrower: ["readers"] } },
    { owners: ["group:owners"] },
  );
  await world.configure(
    configuration({
      principals: [person("alice"), person("bob")],
      resources: [dir],
      policies: [needs("one", ["owners"])],
    }),
  );
  const request = await world.request(id);
  assert.equal(request.state, "denied");
  assert.match(request.endedBecause ?? "", /not enough people can approve/);
});

test("S13 a request past its time is refused and is expired from then on", async (t) => {
  const world = await worldWith(t, {
    principals: [person("alice"), owner("bob")],
    policies: [needs("one", ["owners"])],
  });
  const id = accepted(await world.ask("alice", "dir:admins"));
  await world.store.pool.query("update requests set expires_at = clock_timestamp() where id = $1", [id]);
  assert.equal(codeOf(await world.review("bob", id)), "request-expired");
  assert.equal((await world.request(id)).state, "expired");
  assert.equal(codeOf(await world.review("bob", id)), "request-expired");
  assert.equal(codeOf(await cancelRequest(world.context, await world.principal("alice"), id)), "request-decided");
  assert.deepEqual((await world.entries()).filter(({ leaf }) => leaf.kind === "request.expired").length, 1);
});

test("S13 the job expires what nobody decided, and a request that cannot be read does not keep the others waiting", async (t) => {
  const world = await worldWith(t, {
    principals: [person("alice"), owner("bob")],
    policies: [needs("one", ["owners"])],
  });
  const [broken, ...others] = [
    accepted(await world.ask("alice", "dir:admins")),
    accepted(await world.ask("alice", "dir:admins")),
    accepted(await world.ask("alice", "dir:admins")),
  ];
  assert.ok(broken !== undefined);
  await world.store.pool.query("update requests set expires_at = clock_timestamp() - interval '1 minute'");
  await world.store.pool.query(
    "update requests set narrowed_to = '{\"entitlement\": {}, \"scopeHash\": null}', scope_hash = 'x', expires_at = clock_timestamp() - interval '2 minutes' where id = $1",
    [broken],
  );
  await world.store.pool.query(
    "create function refuse_it() returns trigger language plpgsql as $$ begin raise exception 'corrupt row'; end $$",
  );
  await world.store.pool.query(
    `create trigger refuse_it before update on requests for each row when (old.id = '${broken}') execute function refuse_it()`,
  );
  await assert.rejects(expireRequests(world.context), /corrupt row/, "and it is reported");
  for (const id of others) assert.equal((await world.request(id)).state, "expired");
});

test("S21 the same Idempotency-Key: one request, one after another and twenty at once; another call under it is refused", async (t) => {
  const world = await worldWith(t, { principals: [person("alice"), person("bob")], policies: [automatically("all")] });
  const alice = await world.principal("alice");
  const asked = { ...ASKED, entitlement: "dir:admins" };
  const call = (key: string, body: unknown = asked, by = alice) =>
    submitRequest(world.context, by.id, asked, NO_FACTS, { principal: by.id, key, call: body });
  const [first, second] = [await call("a"), await call("a")];
  assert.deepEqual(first, second);
  const parallel = await Promise.all(Array.from({ length: 20 }, () => call("b")));
  assert.equal(new Set(parallel.map((it) => accepted(it))).size, 1);
  assert.equal(codeOf(await call("a", { ...asked, durationMs: 60_000 })), "idempotency-mismatch");
  assert.equal((await world.grants()).length, 2);
  // A key is its caller's own.
  const bob = await world.principal("bob");
  assert.notDeepEqual(await call("a", asked, bob), first);
});

test("S21 a refusal is remembered as well, and is recorded once", async (t) => {
  const world = await worldWith(t, { principals: [person("alice")], policies: [denies("nobody", "true")] });
  const alice = await world.principal("alice");
  const asked = { ...ASKED, entitlement: "dir:admins" };
  const answers = await Promise.all(
    Array.from({ length: 5 }, () =>
      submitRequest(world.context, alice.id, asked, NO_FACTS, { principal: alice.id, key: "a", call: asked }),
    ),
  );
  assert.deepEqual(counted(answers), { "policy-denied": 5 });
  assert.equal((await world.entries()).filter(({ leaf }) => leaf.kind === "request.denied").length, 1);
});

test("twenty calls of one person at once, each under a key of its own, do not get into each other's way", async (t) => {
  const world = await worldWith(t, { principals: [person("alice")], policies: [automatically("all")] });
  const alice = await world.principal("alice");
  const asked = { ...ASKED, entitlement: "dir:admins" };
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      submitRequest(world.context, alice.id, asked, NO_FACTS, { principal: alice.id, key: `k${i}`, call: asked }),
    ),
  );
  assert.deepEqual(counted(answers), { done: 20 });
  const { rows } = await world.store.pool.query<{ deadlocks: number }>(
    "select pg_stat_force_next_flush(), deadlocks from pg_stat_database where datname = current_database()",
  );
  assert.equal(Number(rows[0]?.deadlocks), 0);
});

test("an approver approves less: shorter, or a narrower entitlement, which the others then approve by naming it or not", async (t) => {
  const world = await worldWith(t, {
    principals: [person("alice"), owner("bob"), owner("carol")],
    policies: [needs("two", { by: ["owners"], count: 2 })],
  });
  const shorter = accepted(await world.ask("alice", "dir:admins"));
  accepted(await world.review("bob", shorter, { durationMs: 60_000 as DurationMs }));
  accepted(await world.review("carol", shorter));
  for (const named of [null, "dir:admins", "dir:readers"]) {
    const id = accepted(await world.ask("alice", "dir:admins", { durationMs: 3_600_000 as DurationMs }));
    accepted(await world.review("bob", id, { entitlement: "dir:readers" }));
    accepted(await world.review("carol", id, { entitlement: named }));
    assert.equal((await world.request(id)).state, "approved", `carol named ${named}`);
  }
  const grants = (await world.grants()).map(({ entitlement, durationMs, scope }) => ({
    entitlement,
    durationMs,
    scope,
  }));
  const narrow = { entitlement: "dir:readers", durationMs: 1_800_000, scope: { group: "readers" } };
  assert.deepEqual(grants, [
    { entitlement: "dir:admins", durationMs: 60_000, scope: { group: "admins" } },
    narrow,
    narrow,
    narrow,
  ]);
});

test("what is offered instead is of the same resource, also where another has one of that name and scope", async (t) => {
  const world = await worldWith(t, {
    principals: [person("alice"), owner("bob")],
    policies: [needs("one", ["owners"])],
  });
  const id = accepted(await world.ask("alice", "dir:admins"));
  assert.equal(codeOf(await world.review("bob", id, { entitlement: "twin:readers" })), "invalid-input");
  assert.equal(codeOf(await world.review("bob", id, { entitlement: "dir:nothing" })), "unknown-entitlement");
  assert.equal((await world.grants()).length, 0);
});

test("any deny wins over a rule that approves by itself, and the refusal names it", async (t) => {
  const world = await worldWith(t, {
    principals: [person("alice", { type: "contractor" })],
    policies: [automatically("all"), denies("no-contractors", 'user.type == "contractor"')],
  });
  const answer = await world.ask("alice", "dir:admins");
  assert.ok(isRefusal(answer));
  assert.equal(answer.refused, "policy-denied");
  assert.match(answer.detail, /no-contractors/);
  assert.equal((await world.grants()).length, 0);
});

test("only its requester, an operator or an admin takes a request back; for others it does not exist", async (t) => {
  const principals = [
    person("alice"),
    owner("bob"),
    person("op", { roles: ["operator"] }),
    person("aud", { roles: ["auditor"] }),
  ];
  const world = await worldWith(t, { principals, policies: [needs("one", ["owners"])] });
  for (const [by, code] of [
    ["bob", "not-found"],
    ["aud", "not-found"],
    ["alice", "done"],
    ["op", "done"],
  ] as const) {
    const id = accepted(await world.ask("alice", "dir:admins"));
    assert.equal(codeOf(await cancelRequest(world.context, await world.principal(by), id)), code);
    assert.equal((await world.request(id)).state, code === "done" ? "cancelled" : "pending");
  }
});

test("more than the longest time, a start in the past or far ahead, and an unknown entitlement are refused with what to do", async (t) => {
  const world = await worldWith(t, { principals: [person("alice")], policies: [automatically("all")] });
  const nowMs = Date.now();
  for (const [entitlement, more, code] of [
    ["dir:readers", { durationMs: 1_801_000 as DurationMs }, "invalid-duration"],
    ["dir:admins", { startMs: nowMs - 3_600_000 }, "invalid-input"],
    ["dir:admins", { startMs: nowMs + 200 * 86_400_000 }, "invalid-input"],
    ["dir:nothing", {}, "unknown-entitlement"],
    ["nowhere:admins", {}, "unknown-entitlement"],
    ["dir:admins:more", {}, "unknown-entitlement"],
    ["__proto__:toString", {}, "unknown-entitlement"],
    ["dir:constructor", {}, "unknown-entitlement"],
    ["dir:admins", { emergency: true, startMs: nowMs + 3_600_000 }, "invalid-input"],
  ] as const)
    assert.equal(codeOf(await world.ask("alice", entitlement, more)), code, entitlement);
  assert.equal((await world.grants()).length, 0);
});
