/** Who is away names who decides in their place: over HTTP, at the start of a grant, and when all of it happens at once. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { RequestId } from "../../src/base/ids.ts";
import { isRefusal, type Refusal } from "../../src/base/problem.ts";
import type { Step } from "../../src/domain/policy.ts";
import { deactivatePrincipal } from "../../src/operations/deactivate-principal.ts";
import { lookAgainAtRequests } from "../../src/operations/look-again-at-requests.ts";
import { setAway, setBack } from "../../src/operations/set-away.ts";
import { listMessages } from "../../src/store/messages.ts";
import { listRequests, reviewsOf } from "../../src/store/requests.ts";
import type { Api } from "../support/api.ts";
import { organisation, organisationApi } from "../support/api-people.ts";
import { automatically, configuration, directoryResource, needs, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const TOMORROW = new Date(Date.now() + 86_400_000).toISOString();
const ASKED = { entitlement: "orders:read", duration: "1h", reason: "checking slow checkouts", ticket: "OPS-7" };

const apiFor = (t: TestContext) => organisationApi(server, t);
async function submitted(api: Api, as: string): Promise<string> {
  const { status, body, text } = await api.post(as, "/v1/requests", ASKED);
  assert.equal(status, 201, text);
  return body.id;
}
const away = (api: Api, as: string, delegate: string | null, of?: string) =>
  api.call(as, "PUT", of === undefined ? "/v1/me/away" : `/v1/principals/${of}/away`, { until: TOMORROW, delegate });

test("a delegate sees what they may decide, decides it, and it is shown for whom", async (t) => {
  const { world, api } = await apiFor(t);
  const id = await submitted(api, "alice");
  assert.equal((await api.get("stranger", `/v1/requests/${id}`)).status, 404);
  const set = await away(api, "bob", "stranger");
  assert.equal(set.status, 200, set.text);
  assert.deepEqual(
    [set.body.person.handle, set.body.delegate.handle, set.body.setBy.handle],
    ["bob", "stranger", "bob"],
  );
  const { body } = await api.get("stranger", "/v1/requests?role=approver&state=pending");
  assert.deepEqual(
    body.requests.map((one: { id: string; canReview: boolean; canComment: boolean }) => [
      one.id,
      one.canReview,
      one.canComment,
    ]),
    [[id, true, true]],
  );
  assert.deepEqual(body.requests[0].decision.steps[0].away, [
    { handle: "bob", until: new Date(TOMORROW).toISOString(), delegate: "stranger" },
  ]);
  assert.equal((await api.post("stranger", `/v1/requests/${id}/comments`, { text: "why?", asks: true })).status, 200);
  const approved = await api.post("stranger", `/v1/requests/${id}/reviews`, { verdict: "approve", comment: "for bob" });
  assert.equal(approved.status, 200, approved.text);
  assert.equal(approved.body.state, "approved");
  assert.equal(approved.body.reviews[0].inPlaceOf[0].handle, "bob");
  const seen = await api.get("alice", `/v1/requests/${id}`);
  assert.ok(
    seen.body.timeline.some((one: { what: string }) => /also for bob, who is away/.test(one.what)),
    seen.text,
  );
  // The delegate may end what they may approve.
  const revoked = await api.post("stranger", `/v1/grants/${approved.body.grantId}/revoke`, { reason: "enough" });
  assert.equal(revoked.status, 200, revoked.text);
  const kinds = (await world.entries()).map(({ leaf }) => leaf.kind);
  assert.equal(kinds.filter((kind) => kind === "principal.away").length, 1);
  const told = (await listMessages(world.store.db, { toAny: [(await world.principal("stranger")).id], limit: 10 })).map(
    ({ message }) => message.kind,
  );
  assert.deepEqual(told, ["principal.away"]);
});

test("what asking answers is what reading it answers, also where an approver is away, and named the one who asks", async (t) => {
  const { api } = await apiFor(t);
  for (const delegate of ["stranger", "alice"]) {
    assert.equal((await away(api, "bob", delegate)).status, 200);
    const { body } = await api.post("alice", "/v1/requests", ASKED);
    const { timeline: _, ...view } = (await api.get("alice", `/v1/requests/${body.id}`)).body;
    assert.deepEqual(body, view);
    assert.equal(body.decision.steps[0].away[0].delegate, delegate === "alice" ? null : delegate);
  }
});

test("S17 a delegate reviews an emergency for the one who is away: told, seen, once, and not their own", async (t) => {
  const { world, api } = await apiFor(t);
  const base = organisation(world.directoryName);
  const emergency = { reviewBy: ["user:carol"], withinMs: 86_400_000 } as const;
  const glass = automatically("break-glass", { maxDurationMs: 3_600_000, emergency });
  await world.configure({ ...base, policies: [...base.policies, glass] });
  assert.equal((await away(api, "carol", "stranger")).status, 200);
  const broken = async (as: string): Promise<string> => {
    const body = { entitlement: "orders:read", duration: "1h", reason: "checkout is down", emergency: true };
    const made = await api.post(as, "/v1/requests", body);
    assert.equal(made.body.state, "approved", made.text);
    return made.body.id;
  };
  const review = (as: string, id: string) =>
    api.post(as, `/v1/requests/${id}/emergency-review`, { verdict: "justified", comment: "it was down" });
  const id = await broken("alice");
  const { messages } = (await api.get("stranger", "/v1/messages?person=me")).body;
  assert.deepEqual(messages.map((one: { kind: string; requestId: string }) => [one.kind, one.requestId]).slice(0, 1), [
    ["emergency.to-review", id],
  ]);
  const [listed] = (await api.get("stranger", "/v1/emergencies")).body.emergencies;
  assert.equal(listed.emergencyReview.canReview, true);
  assert.deepEqual(listed.emergencyReview.reviewers, ["carol", "stranger"]);
  assert.equal((await review("frank", id)).body.code, "not-an-approver", "nobody has named him");
  const reviewed = await review("stranger", id);
  assert.equal(reviewed.status, 200, reviewed.text);
  assert.equal(reviewed.body.emergencyReview.done.reviewer.handle, "stranger");
  assert.equal((await review("carol", id)).body.code, "already-reviewed", "who is away may, too, and finds it done");
  assert.equal((await review("stranger", await broken("stranger"))).body.code, "self-review");
  const ofCarol = await broken("carol");
  assert.equal((await review("stranger", ofCarol)).status >= 400, true, "not what the one who is away did");
  const late = await broken("alice");
  assert.equal((await api.call("carol", "DELETE", "/v1/me/away")).status, 200);
  assert.equal((await review("stranger", late)).status >= 400, true, "no more, once she is back");
  assert.equal((await review("carol", late)).status, 200);
});

test("a new request is told to the delegate as well, and who is back decides alone again", async (t) => {
  const { world, api } = await apiFor(t);
  await away(api, "bob", "stranger");
  const id = await submitted(api, "alice");
  const { id: stranger } = await world.principal("stranger");
  const kinds = async () =>
    (await listMessages(world.store.db, { toAny: [stranger], limit: 10 })).map(({ message }) => message.kind);
  assert.deepEqual(await kinds(), ["request.needs-approval", "principal.away"]);
  for (let i = 0; i < 2; i += 1)
    assert.equal((await api.call("bob", "DELETE", "/v1/me/away")).body.person.handle, "bob");
  assert.deepEqual((await kinds())[0], "principal.back");
  assert.equal((await world.entries()).filter(({ leaf }) => leaf.kind === "principal.back").length, 1);
  assert.equal((await api.get("stranger", `/v1/requests/${id}`)).status, 404);
  assert.equal(
    (await api.post("stranger", `/v1/requests/${id}/reviews`, { verdict: "approve" })).body.code,
    "not-an-approver",
  );
});

test("an absence ends by database time", async (t) => {
  const { world, api } = await apiFor(t);
  await away(api, "bob", "stranger");
  const id = await submitted(api, "alice");
  await world.store.pool.query("update absences set since = since - interval '2 days', until = clock_timestamp()");
  assert.equal((await api.get("stranger", `/v1/requests/${id}`)).status, 404);
  assert.equal(
    (await api.post("stranger", `/v1/requests/${id}/reviews`, { verdict: "approve" })).body.code,
    "not-an-approver",
  );
  assert.deepEqual((await api.get("alice", "/v1/away")).body.away, []);
});

test("a delegate neither sees nor decides what the one who is away asks for, nor what who sent them away does", async (t) => {
  const { api } = await apiFor(t);
  await away(api, "bob", "stranger");
  await away(api, "ada", "dana");
  const bobs = await submitted(api, "bob");
  assert.equal((await api.get("stranger", `/v1/requests/${bobs}`)).status, 404);
  // Ada, an admin, sends frank away and would have stranger decide for him about what she asks.
  await api.call("bob", "DELETE", "/v1/me/away");
  assert.equal((await away(api, "ada", "stranger", "frank")).status, 200);
  const adas = await submitted(api, "ada");
  assert.equal((await api.get("stranger", `/v1/requests/${adas}`)).status, 404);
  assert.equal(
    (await api.post("stranger", `/v1/requests/${adas}/reviews`, { verdict: "approve" })).body.code,
    "not-an-approver",
  );
  const alices = await submitted(api, "alice");
  assert.equal((await api.get("stranger", `/v1/requests/${alices}`)).body.canReview, true, "for others it holds");
});

test("for others an admin says it, by handle or id; whoever is unknown, a machine or too long away is refused with what to do", async (t) => {
  const { world, api } = await apiFor(t);
  const { id } = await world.principal("bob");
  assert.equal((await away(api, "frank", null, "bob")).body.code, "forbidden");
  assert.equal((await away(api, "otto", null, "bob")).body.code, "forbidden");
  assert.equal((await away(api, "ada", "frank", id)).body.delegate.handle, "frank");
  assert.equal((await away(api, "ada", null, "bob")).body.delegate, null);
  assert.deepEqual(
    (await api.get("alice", "/v1/away")).body.away.map((one: { person: { handle: string } }) => one.person.handle),
    ["bob"],
  );
  assert.equal((await api.call("ada", "DELETE", `/v1/principals/bob/away`)).status, 200);
  assert.equal((await api.call("frank", "DELETE", `/v1/principals/bob/away`)).body.code, "forbidden");
  assert.equal((await away(api, "ada", null, "nobody")).status, 404);
  assert.equal((await away(api, "bob", "nobody")).status, 404);
  assert.match((await away(api, "bob", "robot")).body.detail, /service account/);
  const far = new Date(Date.now() + 91 * 86_400_000).toISOString();
  assert.match((await api.call("bob", "PUT", "/v1/me/away", { until: far })).body.detail, /90 days/);
});

const OWNERS: Step = { by: ["owners"], count: 1 };
async function worldWith(t: TestContext, step: Step = OWNERS): Promise<World> {
  const world = await createWorld({ server, t });
  world.directory.members.set("admins", new Set());
  await world.configure(configurationOf(world, step));
  return world;
}
function configurationOf(world: World, step: Step, bobsGroups = ["owners"]) {
  const dir = directoryResource(
    "dir",
    world.directoryName,
    { admins: { group: "admins" } },
    { owners: ["group:owners"] },
  );
  const people = [
    person("alice"),
    person("bob", { groups: bobsGroups }),
    person("carol", { groups: ["security"] }),
    person("frank"),
  ];
  return configuration({ principals: people, policies: [needs("one", step)], resources: [dir] });
}
function accepted(answer: { requestId: RequestId } | Refusal): RequestId {
  assert.ok(!isRefusal(answer), isRefusal(answer) ? answer.detail : "");
  return answer.requestId;
}
async function goes(world: World, handle: string, delegate: string | null): Promise<void> {
  const untilMs = Date.now() + 3_600_000;
  const answer = await setAway(world.context, await world.principal(handle), handle, { untilMs, delegate });
  assert.ok(!isRefusal(answer), isRefusal(answer) ? answer.detail : "");
}

for (const [what, happens, state] of [
  ["the other is back", async (world: World) => setBack(world.context, await world.principal("bob"), "bob"), "active"],
  ["the absence has ended", (world: World) => world.store.pool.query("delete from absences"), "active"],
  [
    "the delegate has left",
    async (world: World) =>
      deactivatePrincipal(world.context, (await world.principal("frank")).id, { system: "jobs" }, "left"),
    "cancelled",
  ],
  [
    "who was away has left",
    async (world: World) =>
      deactivatePrincipal(world.context, (await world.principal("bob")).id, { system: "jobs" }, "left"),
    "cancelled",
  ],
  [
    "who was away is no owner any more",
    (world: World) => world.configure(configurationOf(world, OWNERS, [])),
    "cancelled",
  ],
] as const)
  test(`S20 a delegate approved, and before the start ${what}: ${state}`, async (t) => {
    const world = await worldWith(t);
    await goes(world, "bob", "frank");
    const id = accepted(await world.ask("alice", "dir:admins"));
    accepted(await world.review("frank", id));
    assert.deepEqual(
      (await reviewsOf(world.store.db, id)).map(({ standsFor }) => standsFor),
      [[(await world.principal("bob")).id]],
    );
    await happens(world);
    world.reconciler();
    const { grantId } = await world.request(id);
    assert.ok(grantId !== null);
    await world.grantWhen(grantId, (grant) => grant.state === state, state);
  });

test("S12 the only approver goes away while twenty ask: nobody waits for whom nobody can approve", async (t) => {
  const world = await worldWith(t);
  const asks = Array.from({ length: 20 }, () => world.ask("alice", "dir:admins"));
  await Promise.all([...asks.slice(0, 10), goes(world, "bob", null), ...asks.slice(10)]);
  await lookAgainAtRequests(world.context);
  assert.deepEqual(await listRequests(world.store.db, { states: ["pending"], limit: 100 }), []);
  assert.equal((await world.entries()).filter(({ leaf }) => leaf.kind === "request.denied").length, 20);
});

test("S12 the only approver goes away and names somebody, or the step falls back: it waits for them", async (t) => {
  const world = await worldWith(t, { by: ["user:bob"], count: 1 });
  const id = accepted(await world.ask("alice", "dir:admins"));
  await goes(world, "bob", "frank");
  await lookAgainAtRequests(world.context);
  assert.equal((await world.request(id)).state, "pending");
  // The delegate goes away as well: what waited for them is looked at.
  await goes(world, "frank", null);
  await lookAgainAtRequests(world.context);
  assert.equal((await world.request(id)).state, "denied");
  await goes(world, "bob", "frank");
  const other = await world.ask("alice", "dir:admins");
  assert.equal(isRefusal(other) && other.refused, "no-approvers");
  const falling = await worldWith(t, { ...OWNERS, fallback: ["group:security"] });
  const waits = accepted(await falling.ask("alice", "dir:admins"));
  await goes(falling, "bob", null);
  await lookAgainAtRequests(falling.context);
  accepted(await falling.review("carol", waits));
  assert.equal((await falling.request(waits)).state, "approved");
});

test("S09 the one who is away and their delegate approve at the same moment: one grant", async (t) => {
  const world = await worldWith(t);
  await goes(world, "bob", "frank");
  for (let i = 0; i < 5; i += 1) {
    const id = accepted(await world.ask("alice", "dir:admins"));
    const answers = await Promise.all([world.review("bob", id), world.review("frank", id)]);
    assert.deepEqual(answers.map((one) => (isRefusal(one) ? one.refused : "done")).sort(), ["done", "request-decided"]);
  }
  assert.equal((await world.grants()).length, 5);
});

test("an approver who goes away while they approve: the approval counts, or they were away and it counts as well", async (t) => {
  const world = await worldWith(t);
  for (let i = 0; i < 5; i += 1) {
    const id = accepted(await world.ask("alice", "dir:admins"));
    await Promise.all([world.review("bob", id), goes(world, "bob", i % 2 === 0 ? null : "frank")]);
    await lookAgainAtRequests(world.context);
    assert.equal((await world.request(id)).state, "approved");
    await setBack(world.context, await world.principal("bob"), "bob");
  }
});
