/** S17: break-glass. At once and loud, ends as any other access, reviewed afterwards by somebody else, and asked for until it is. */
import assert from "node:assert/strict";
import { after, before, beforeEach, type TestContext, test } from "node:test";
import type { DurationMs } from "../../src/base/duration.ts";
import type { GrantId, PrincipalId, RequestId } from "../../src/base/ids.ts";
import { isRefusal } from "../../src/base/problem.ts";
import type { Configuration } from "../../src/domain/configuration.ts";
import { inWords, type Message } from "../../src/domain/message.ts";
import type { Rule } from "../../src/domain/policy.ts";
import type { EmergencyVerdict } from "../../src/domain/request.ts";
import { activateGrant } from "../../src/operations/activate-grant.ts";
import { extendGrant } from "../../src/operations/extend-grant.ts";
import { remindReviewers, reviewEmergency } from "../../src/operations/review-emergency.ts";
import type { Asked } from "../../src/operations/submit-request.ts";
import { listMessages } from "../../src/store/messages.ts";
import { type Api, createApi, withTokens } from "../support/api.ts";
import { automatically, configuration, denies, directoryResource, needs, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld, NO_FACTS, type World } from "../support/world.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const PEOPLE = [
  person("alice", { groups: ["sre"] }),
  person("bob", { groups: ["leads"] }),
  person("frank", { groups: ["leads", "sre"] }),
  person("carol", { groups: ["security"] }),
  person("sam", { groups: ["security", "sre"] }),
  person("dave", { groups: ["sre"], type: "contractor" }),
  person("ada", { roles: ["admin"] }),
  person("stranger"),
  person("robot", { kind: "service", groups: ["security"] }),
];
const BREAK_GLASS = automatically("break-glass", {
  when: '"sre" in user.groups',
  maxDurationMs: HOUR_MS,
  emergency: { reviewBy: ["group:security"], withinMs: DAY_MS },
});
const RULES: readonly Rule[] = [
  denies("no-contractors", 'user.type == "contractor"'),
  {
    ...needs("ordinary", { by: ["owners"], count: 1, escalate: { afterMs: HOUR_MS, to: ["user:stranger"] } }),
    when: 'resource.name == "orders"',
  },
  BREAK_GLASS,
];

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

let world: World;
let api: Api;
beforeEach(async (t) => {
  world = await createWorld({ server, t: t as TestContext });
  for (const group of ["fix", "lock", "open"]) world.directory.members.set(group, new Set());
  await world.configure(organisation());
  api = createApi(world);
  (t as TestContext).after(() => api.close());
});

const organisation = (policies: readonly Rule[] = RULES, principals = PEOPLE): Configuration =>
  withTokens(
    configuration({
      principals,
      policies,
      resources: [
        directoryResource("orders", world.directoryName, { fix: { group: "fix" } }, { owners: ["group:leads"] }),
        { ...directoryResource("vault", world.directoryName, { open: { group: "open" } }), emergency: "off" },
        directoryResource("lone", world.directoryName, { lock: { group: "lock" } }, { owners: ["user:bob"] }),
      ],
    }),
  );
/** Everything but the rule for emergencies. */
const withRule = (rule: Rule): readonly Rule[] => [...RULES.slice(0, 2), rule];

const EMERGENCY = { emergency: true, reason: "checkout is down, nobody answers" } as const;

async function broken(handle = "alice", entitlement = "orders:fix", more: Partial<Asked> = {}): Promise<RequestId> {
  const answer = await world.ask(handle, entitlement, { ...EMERGENCY, ...more });
  if (isRefusal(answer)) throw new Error(`${answer.refused}: ${answer.detail}`);
  return answer.requestId;
}

async function refused(handle: string, entitlement: string, more: Partial<Asked> = {}) {
  const answer = await world.ask(handle, entitlement, { ...EMERGENCY, ...more });
  assert.ok(isRefusal(answer));
  return answer;
}

const verdict = async (
  handle: string,
  id: RequestId,
  given: { verdict?: EmergencyVerdict; comment?: string } = {},
): Promise<string> => {
  const { id: reviewer } = await world.principal(handle);
  const result = await reviewEmergency(world.context, reviewer, id, { verdict: "justified", comment: "", ...given });
  return isRefusal(result) ? result.refused : "done";
};

async function messages(kind: string): Promise<Message[]> {
  const all = await listMessages(world.store.db, { limit: 1_000 });
  return all
    .map(({ message }) => message)
    .filter((message) => message.kind === kind)
    .reverse();
}

async function handles(ids: readonly PrincipalId[]): Promise<string[]> {
  const rows = await world.store.db.selectFrom("principals").select(["id", "handle"]).where("id", "in", ids).execute();
  return rows.map(({ handle }) => handle).sort();
}

const toldOf = async (kind: string): Promise<string[][]> =>
  Promise.all((await messages(kind)).map(({ to }) => handles(to)));

/** As if that much time had passed since the emergency: what decides is the time in its row. */
async function longAgo(id: RequestId, ms: number): Promise<void> {
  const { emergencyReview } = await world.request(id);
  assert.ok(emergencyReview);
  const set = {
    review_due_at: new Date(emergencyReview.dueMs - ms),
    review_remind_at: new Date(emergencyReview.remindMs - ms),
  };
  await world.store.db
    .updateTable("requests")
    .set({ review_due_at: set.review_due_at.toISOString(), review_remind_at: set.review_remind_at.toISOString() })
    .where("id", "=", id)
    .execute();
}

test("S17 an emergency is granted at once by its rule, and ends at its time as any other access, proven gone", async () => {
  world.reconciler();
  const request = await world.request(await broken());
  assert.equal(request.emergency, true);
  assert.equal(request.decision.rule, "break-glass");
  const id = request.grantId as GrantId;
  await world.grantWhen(id, ({ state }) => state === "active", "active");
  await world.endNow(id);
  const grant = await world.grantWhen(id, ({ state }) => state === "revoked", "revoked");
  assert.equal(grant.state === "revoked" && grant.ending.cause, "expired");
  assert.deepEqual(world.members("fix"), []);
});

test("S17 a reason is demanded: without one there is no emergency, and the answer says so", async () => {
  const no = await refused("alice", "orders:fix", { reason: "  " });
  assert.equal(no.refused, "policy-denied");
  assert.match(no.detail, /an emergency needs a reason/);
  assert.deepEqual(await messages("emergency.used"), []);
});

test("S17 everybody who was passed over, and who reviews it, is told in the same transaction; the requester and machines are not", async () => {
  await broken("frank");
  const [used] = await messages("emergency.used");
  assert.deepEqual(await handles(used?.to ?? []), ["bob", "stranger"], "who could have approved, escalated or not");
  assert.deepEqual(await toldOf("emergency.to-review"), [["carol", "sam"]]);
  assert.ok(used);
  const { text } = inWords(used, () => "frank");
  assert.match(
    text,
    /^EMERGENCY: frank has orders:fix for 10m, without approval \(rule break-glass\): checkout is down/,
  );
  const entries = await world.entries();
  const approved = entries.find(({ leaf }) => leaf.id === used.entryId);
  assert.equal(approved?.leaf.kind, "request.approved");
});

test("S17 where the ordinary rules would let nobody approve it, the owners are told", async () => {
  await broken("alice", "lone:lock");
  assert.deepEqual(await toldOf("emergency.used"), [["bob"]]);
});

test("S17 the log says of request, grant and review that it was an emergency", async () => {
  const id = await broken();
  assert.equal(await verdict("carol", id), "done");
  const marked = (await world.entries())
    .filter(({ leaf }) => leaf.data["emergency"] === true)
    .map(({ leaf }) => leaf.kind);
  assert.deepEqual(marked, ["request.approved", "grant.created", "emergency.reviewed"]);
});

test("S17 it is shorter: what its rule does not allow is refused, and deny rules hold for emergencies, too", async () => {
  const long = await refused("alice", "orders:fix", { durationMs: (2 * HOUR_MS) as DurationMs });
  assert.match(long.detail, /asks for at most 1h/);
  assert.match((await refused("dave", "orders:fix")).detail, /no-contractors/);
  assert.equal((await refused("stranger", "orders:fix")).refused, "policy-denied");
  const later = await refused("alice", "orders:fix", { startMs: Date.now() + HOUR_MS });
  assert.equal(later.refused, "invalid-input");
  assert.match(later.detail, /An emergency starts now/);
});

test("S17 an emergency is not switched on by anything but its flag", async () => {
  const answer = await world.ask("alice", "orders:fix");
  assert.ok(!isRefusal(answer));
  const request = await world.request(answer.requestId);
  assert.equal(request.state, "pending");
  assert.equal(request.emergencyReview, null);
});

test("S17 switched off for a resource, nobody gets it there, by a code of its own; ordinary requests are as before", async () => {
  const no = await refused("alice", "vault:open");
  assert.equal(no.refused, "emergency-not-available");
  assert.match(no.detail, /switched off for vault/);
});

test("S17 switched off between the decision and the start, the grant does not start", async () => {
  const id = await broken();
  const off = organisation();
  const { orders } = off.resources;
  assert.ok(orders);
  await world.configure({ ...off, resources: { ...off.resources, orders: { ...orders, emergency: "off" } } });
  world.reconciler();
  const { grantId } = await world.request(id);
  const grant = await world.grantWhen(grantId as GrantId, ({ state }) => state === "cancelled", "cancelled");
  assert.match(grant.state === "cancelled" ? grant.ending.reason : "", /switched off for orders/);
});

test("S17 its rule made an ordinary one before the start, the grant does not start", async () => {
  const id = await broken();
  const { emergency: _, ...ordinary } = BREAK_GLASS;
  await world.configure(organisation(withRule(ordinary)));
  world.reconciler();
  const { grantId } = await world.request(id);
  const grant = await world.grantWhen(grantId as GrantId, ({ state }) => state === "cancelled", "cancelled");
  assert.match(grant.state === "cancelled" ? grant.ending.reason : "", /is not for emergencies now/);
});

test("S17 the review is due so long after the start as its rule says", async () => {
  const { emergencyReview, grantId } = await world.request(await broken());
  const grant = await world.grant(grantId as GrantId);
  assert.equal(emergencyReview?.dueMs, grant.startsMs + DAY_MS);
});

test("S17 who reviews is whom the rule named and who is active now: never the requester, no machine, nobody else", async () => {
  const id = await broken("sam");
  assert.equal(await verdict("sam", id), "self-review", "not even one of the group");
  assert.equal(await verdict("robot", id), "not-an-approver");
  assert.equal(await verdict("bob", id), "not-an-approver");
  assert.equal(await verdict("ada", id), "not-an-approver", "an admin only where there is nobody else");
  await world.configure(
    organisation(
      RULES,
      PEOPLE.map((one) => (one.handle === "carol" ? { ...one, groups: [] } : one)),
    ),
  );
  assert.equal(await verdict("carol", id), "not-an-approver", "who has left the group since");
  assert.equal(await verdict("ada", id), "done", "now nobody is left but the admins");
});

test("S17 a review happens once, and of two at the same moment one is told that it was done", async () => {
  const id = await broken();
  const both = await Promise.all([verdict("carol", id), verdict("sam", id, { verdict: "unjustified", comment: "no" })]);
  assert.deepEqual(both.toSorted(), ["already-reviewed", "done"]);
  const { emergencyReview } = await world.request(id);
  assert.equal((await messages("emergency.reviewed")).length, 1);
  assert.equal(emergencyReview?.done?.verdict, both[0] === "done" ? "justified" : "unjustified");
});

test("S17 the requester is told the verdict; of what was not justified the admins are told, too, and why", async () => {
  const fine = await broken();
  assert.equal(await verdict("carol", fine, { comment: "INC-42" }), "done");
  const bad = await broken();
  assert.equal(await verdict("carol", bad, { verdict: "unjustified" }), "invalid-input", "not without a word");
  assert.equal(await verdict("carol", bad, { verdict: "unjustified", comment: "no incident at all" }), "done");
  assert.deepEqual(await toldOf("emergency.reviewed"), [["alice"], ["ada", "alice"]]);
  const [, told] = await messages("emergency.reviewed");
  assert.ok(told);
  assert.match(inWords(told, () => "x").text, /unjustified: no incident at all$/);
});

test("S17 the store itself refuses a review by the requester", async () => {
  const id = await broken();
  const { requesterId } = await world.request(id);
  const update = world.store.db
    .updateTable("requests")
    .set({
      review_verdict: "justified",
      reviewed_by: requesterId,
      review_comment: "",
      reviewed_at: new Date().toISOString(),
    })
    .where("id", "=", id);
  await assert.rejects(update.execute(), /requests_emergency_review/);
});

test("S17 an overdue review is asked for when it is due and every day from then on, until it is there", async () => {
  const id = await broken();
  assert.equal(await remindReviewers(world.context), 0, "not before it is due");
  await longAgo(id, DAY_MS);
  assert.equal(await remindReviewers(world.context), 1);
  assert.equal(await remindReviewers(world.context), 0, "once a day");
  await longAgo(id, DAY_MS);
  assert.equal(await remindReviewers(world.context), 1);
  assert.deepEqual(await toldOf("emergency.overdue"), [
    ["ada", "carol", "sam"],
    ["ada", "carol", "sam"],
  ]);
  assert.equal(await verdict("sam", id), "done", "late is better than never");
  await longAgo(id, 5 * DAY_MS);
  assert.equal(await remindReviewers(world.context), 0);
  const kinds = (await world.entries()).map(({ leaf }) => leaf.kind).filter((kind) => kind.startsWith("emergency."));
  assert.deepEqual(kinds, ["emergency.overdue", "emergency.overdue", "emergency.reviewed"]);
});

test("S17 two servers that remind at once send one message", async () => {
  const id = await broken();
  await longAgo(id, DAY_MS);
  await Promise.all([remindReviewers(world.context), remindReviewers(world.context)]);
  assert.equal((await messages("emergency.overdue")).length, 1);
});

test("S17 a rule or a resource that is gone takes the review from nobody", async () => {
  const id = await broken();
  await world.configure(organisation(RULES.slice(0, 2)));
  assert.equal(await verdict("stranger", id), "not-an-approver");
  const [gone] = await Promise.all([verdict("carol", id), world.configure(organisation([...RULES].slice(1)))]);
  assert.equal(gone, "done");
});

test("S17 a limit holds for emergencies: beyond it the rule does not apply", async () => {
  const limit = { per: "user", count: 2, withinMs: DAY_MS } as const;
  await world.configure(organisation(withRule({ ...BREAK_GLASS, limit })));
  const three = await Promise.all([1, 2, 3].map(() => world.ask("alice", "orders:fix", EMERGENCY)));
  const no = three.filter(isRefusal);
  assert.equal(no.length, 1);
  assert.match(no[0]?.detail ?? "", /allows 2 within 1d, and they are used up/);
  await broken("frank");
});

test("a limit counts what was given, and not what was refused at its start; explain tells the same", async () => {
  const limit = { per: "user", count: 1, withinMs: DAY_MS } as const;
  await world.configure(organisation(withRule({ ...BREAK_GLASS, limit })));
  const explained = async (): Promise<string> => {
    const body = { entitlement: "orders:fix", duration: "10m", reason: "down", emergency: true };
    return (await api.post("alice", "/v1/explain", body)).body.outcome;
  };
  const refusedAtStart = await broken();
  assert.equal(await explained(), "denied");
  // Nothing runs the reconciler yet: the rule goes away before the start, and comes back after.
  await world.configure(organisation([...RULES.slice(0, 2), { ...BREAK_GLASS, limit, when: "false" }]));
  const reconciler = world.reconciler();
  const { grantId } = await world.request(refusedAtStart);
  const over = await world.grantWhen(grantId as GrantId, ({ state }) => state === "cancelled", "cancelled");
  assert.equal(over.state === "cancelled" && over.ending.cause, "refused-at-start");
  await reconciler.stop();
  await world.configure(organisation(withRule({ ...BREAK_GLASS, limit })));
  assert.equal(await explained(), "automatic");
  const second = await world.request(await broken());
  // Taken back before it began: they had it, and gave it away.
  const withdrawn = await api.post("alice", `/v1/grants/${second.grantId}/revoke`, { reason: "not needed" });
  assert.equal(withdrawn.body.ended.cause, "withdrawn", withdrawn.text);
  assert.equal(await explained(), "denied");
  await refused("alice", "orders:fix");
});

test("S17 open_max: who leaves so many unreviewed gets no more by this rule, until one is reviewed; without it nobody is kept out", async () => {
  const first = await broken();
  await broken();
  await world.configure(
    organisation(
      withRule({ ...BREAK_GLASS, emergency: { reviewBy: ["group:security"], withinMs: DAY_MS, openMax: 2 } }),
    ),
  );
  const no = await refused("alice", "orders:fix");
  assert.equal(no.refused, "policy-denied");
  assert.match(no.detail, /allows 2 emergencies that nobody has reviewed; of yours there are 2/);
  await broken("frank");
  assert.equal(await verdict("carol", first), "done");
  const both = await Promise.all([1, 2].map(() => world.ask("alice", "orders:fix", EMERGENCY)));
  assert.equal(both.filter(isRefusal).length, 1, "two at once are counted one after the other");
});

test("S17 more time on an emergency is an emergency again: the same rule, told again, a review of its own, and open_max does not stop it", async () => {
  const emergency = { reviewBy: ["group:security"], withinMs: DAY_MS, openMax: 1 } as const;
  await world.configure(organisation(withRule({ ...BREAK_GLASS, extensions: { count: 1 }, emergency })));
  world.reconciler();
  const { grantId } = await world.request(await broken());
  await world.grantWhen(grantId as GrantId, ({ state }) => state === "active", "active");
  const alice = await world.principal("alice");
  const more = () =>
    extendGrant(
      world.context,
      alice,
      grantId as GrantId,
      { durationMs: 600_000 as DurationMs, reason: "still down" },
      NO_FACTS,
    );
  const extended = await more();
  assert.ok(!isRefusal(extended), JSON.stringify(extended));
  assert.equal(extended.pendingRequestId, null);
  assert.equal((await messages("emergency.to-review")).length, 2);
  const again = await more();
  assert.ok(isRefusal(again));
  assert.match(again.detail, /allows 1 extensions/);
});

test("S17 a rule for emergencies may want approval; everybody is told when it is given, and not before", async () => {
  await world.configure(organisation(withRule({ ...BREAK_GLASS, approve: [{ by: ["group:sre"], count: 1 }] })));
  const id = await broken();
  assert.equal((await world.request(id)).state, "pending");
  assert.deepEqual(await messages("emergency.to-review"), []);
  const approved = await world.review("frank", id);
  assert.ok(!isRefusal(approved));
  assert.deepEqual(await toldOf("emergency.to-review"), [["carol", "sam"]]);
  assert.deepEqual(await toldOf("emergency.used"), [["bob", "stranger"]], "who approved it knows");
  assert.ok((await world.request(id)).emergencyReview);
});

test("S17 a pending emergency stays one under a new configuration", async () => {
  await world.configure(organisation(withRule({ ...BREAK_GLASS, approve: [{ by: ["group:sre"], count: 1 }] })));
  const id = await broken();
  await world.configure(organisation());
  const request = await world.request(id);
  assert.equal(request.state, "approved");
  assert.ok(request.emergencyReview);
  assert.deepEqual(await toldOf("emergency.to-review"), [["carol", "sam"]]);
});

test("S17 an emergency on use is reviewed as any other, from when it was given", async () => {
  const id = await broken("alice", "orders:fix", { activation: "on-use" });
  const { grantId, emergencyReview } = await world.request(id);
  const grant = await world.grant(grantId as GrantId);
  assert.equal(emergencyReview?.dueMs, grant.startsMs + DAY_MS);
  const activated = await activateGrant(world.context, await world.principal("alice"), grantId as GrantId);
  assert.ok(!isRefusal(activated));
});

test("S17 who was told sees it, may write about it and may end it; others see nothing", async () => {
  const id = await broken();
  const { grantId } = await world.request(id);
  for (const who of ["alice", "bob", "carol", "ada", "stranger"])
    assert.equal((await api.get(who, `/v1/requests/${id}`)).status, 200, who);
  assert.equal((await api.get("dave", `/v1/requests/${id}`)).status, 404);
  assert.equal((await api.post("bob", `/v1/requests/${id}/comments`, { text: "on my way" })).status, 200);
  assert.equal((await api.post("dave", `/v1/grants/${grantId}/revoke`, { reason: "x" })).status, 404);
  const ended = await api.post("carol", `/v1/grants/${grantId}/revoke`, { reason: "not an emergency" });
  assert.equal(ended.status, 200, ended.text);
});

test("S17 over HTTP: asked with the flag, seen in the list, reviewed once, with what follows in the answer", async () => {
  const body = { entitlement: "orders:fix", duration: "30m", reason: "checkout is down", emergency: true };
  const made = await api.post("alice", "/v1/requests", body);
  const { timeline: _, ...read } = (await api.get("alice", `/v1/requests/${made.body.id}`)).body;
  assert.deepEqual(made.body, read, "what asking answers is what reading it answers");
  assert.equal(made.status, 201, made.text);
  assert.equal(made.body.emergency, true);
  assert.deepEqual(made.body.emergencyReview.told, ["bob", "carol", "frank", "sam", "stranger"]);
  assert.deepEqual(made.body.emergencyReview.reviewers, ["carol", "sam"]);
  assert.equal(made.body.emergencyReview.canReview, false);
  const list = async (as: string, query = "") =>
    (await api.get(as, `/v1/emergencies${query}`)).body.emergencies.map((one: { id: string }) => one.id);
  const { id } = made.body;
  assert.deepEqual(await list("carol"), [id]);
  assert.deepEqual(await list("dave"), []);
  assert.deepEqual(await list("carol", "?state=overdue,done"), []);
  await longAgo(id, 2 * DAY_MS);
  assert.deepEqual(await list("carol", "?state=overdue&resource=orders&person=alice"), [id]);
  const own = await api.post("alice", `/v1/requests/${id}/emergency-review`, { verdict: "justified" });
  assert.equal(own.status, 403);
  assert.equal(own.body.code, "self-review");
  const given = { verdict: "unjustified", comment: "nothing was down" };
  const key = { headers: { "idempotency-key": "once" } };
  const reviewed = await api.post("carol", `/v1/requests/${id}/emergency-review`, given, key);
  assert.equal(reviewed.status, 200, reviewed.text);
  assert.equal(reviewed.body.emergencyReview.done.reviewer.handle, "carol");
  assert.equal(
    (await api.post("carol", `/v1/requests/${id}/emergency-review`, given, key)).status,
    200,
    "the same call",
  );
  const second = await api.post("sam", `/v1/requests/${id}/emergency-review`, { verdict: "justified" });
  assert.equal(second.body.code, "already-reviewed");
  assert.deepEqual(await list("alice", "?verdict=unjustified&state=done"), [id]);
  const { timeline } = (await api.get("alice", `/v1/requests/${id}`)).body;
  assert.deepEqual(
    timeline.map(({ what, text }: { what: string; text: string }) => `${what}: ${text}`),
    [
      "asks in an emergency for orders:fix for 30m: granted at once (rule break-glass): checkout is down",
      "finds the emergency unjustified: nothing was down",
    ],
  );
  const ordinary = await api.post("alice", "/v1/requests", { ...body, emergency: false });
  const none = await api.post("carol", `/v1/requests/${ordinary.body.id}/emergency-review`, { verdict: "justified" });
  assert.equal(none.status, 404);
});
