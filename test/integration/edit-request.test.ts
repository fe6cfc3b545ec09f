/** A request that waits is changed by who asked: policy is asked again, what was said counts no more, and nobody approves what they have not seen. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { DurationMs } from "../../src/base/duration.ts";
import type { GrantId, RequestId } from "../../src/base/ids.ts";
import { isRefusal } from "../../src/base/problem.ts";
import { editRequest } from "../../src/operations/edit-request.ts";
import { lookAgainAtRequests } from "../../src/operations/look-again-at-requests.ts";
import { versionOf } from "../../src/operations/request-version.ts";
import { reviewRequest } from "../../src/operations/review-request.ts";
import { startPanic } from "../../src/operations/start-panic.ts";
import { reviewsOf } from "../../src/store/requests.ts";
import type { Api } from "../support/api.ts";
import { organisation, organisationApi } from "../support/api-people.ts";
import { automatically, needs } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { NO_FACTS } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const ASKED = { entitlement: "vault:open", duration: "2h", reason: "rotating the keys", ticket: "OPS-7" };

const apiFor = (t: TestContext) => organisationApi(server, t);
const submitted = async (api: Api, as = "alice", body: object = ASKED): Promise<string> => {
  const made = await api.post(as, "/v1/requests", body);
  assert.equal(made.body.state, "pending", made.text);
  return made.body.id;
};
const edit = (api: Api, as: string, id: string, body: object, headers: Record<string, string> = {}) =>
  api.call(as, "PATCH", `/v1/requests/${id}`, body, { headers });
const approve = (api: Api, as: string, id: string, version?: string) =>
  api.post(as, `/v1/requests/${id}/reviews`, { verdict: "approve" }, version === undefined ? {} : seen(version));
const seen = (version: string) => ({ headers: { "if-match": `"${version}"` } });
type Told = { kind: string; text: string; requestId: string };
const toldTo = async (api: Api, as: string, id: string): Promise<Told[]> =>
  (await api.get(as, "/v1/messages?person=me&order=oldest")).body.messages.filter(
    ({ requestId }: Told) => requestId === id,
  );

test("an edit changes what is asked for, is told in plain words, and voids every review, whose giver is told", async (t) => {
  const { world, api } = await apiFor(t);
  const id = await submitted(api);
  assert.equal((await approve(api, "carol", id)).body.reviews[0].counts, true);
  const changed = await edit(api, "alice", id, { duration: "1h", ticket: "OPS-8", reason: "rotating one key" });
  assert.equal(changed.status, 200, changed.text);
  const { body } = changed;
  assert.deepEqual([body.duration, body.ticket, body.reason], ["1h", "OPS-8", "rotating one key"]);
  assert.equal(body.state, "pending");
  assert.equal(body.reviews[0].counts, false);
  assert.deepEqual(
    body.decision.steps.map(({ have }: { have: number }) => have),
    [0, 0],
  );
  assert.equal(changed.headers["etag"], `"${body.version}"`);
  const words = "duration 1h instead of 2h, ticket OPS-8 instead of OPS-7, another reason";
  const { timeline } = (await api.get("alice", `/v1/requests/${id}`)).body;
  assert.deepEqual(
    timeline.slice(1).map(({ what, text }: { what: string; text: string }) => `${what}: ${text}`),
    [
      "approves vault:open (counts no more: what is asked for has changed): ",
      `changes the request: ${words}: rotating one key`,
    ],
  );
  for (const who of ["carol", "dana", "sam"]) {
    const [, told] = await toldTo(api, who, id);
    assert.equal(told?.kind, "request.edited");
    assert.equal(
      told?.text,
      `alice changed the request for vault:open: ${words}; what was said so far counts no more. rotating one key`,
    );
  }
  const entry = (await world.entries()).findLast(({ leaf }) => leaf.kind === "request.edited");
  assert.ok(entry);
  assert.doesNotMatch(JSON.stringify(entry.leaf), /rotating/, "what people write is for no log");
  assert.deepEqual(entry.leaf.data["changed"], [
    { what: "duration", from: "2h", to: "1h" },
    { what: "ticket", from: "OPS-7", to: "OPS-8" },
    { what: "reason" },
  ]);
  for (const who of ["dana", "carol"]) assert.equal((await approve(api, who, id, body.version)).status, 200);
  const { state, grantId } = await world.request(id as RequestId);
  assert.equal(state, "approved");
  assert.equal((await world.grant(grantId as GrantId)).durationMs, 3_600_000);
});

test("nobody approves what they have not seen: the version is demanded once it was changed, and must be the one of now", async (t) => {
  const { api } = await apiFor(t);
  const id = await submitted(api);
  const first = (await api.get("carol", `/v1/requests/${id}`)).body.version;
  const second = (await edit(api, "alice", id, { duration: "8h" })).body.version;
  assert.notEqual(first, second);
  const blind = await approve(api, "carol", id);
  assert.equal(blind.status, 412);
  assert.equal(blind.body.code, "request-changed");
  assert.equal(blind.body.version, second);
  assert.equal((await approve(api, "carol", id, first)).body.code, "request-changed", "what they saw is no more");
  const parts = await api.post(
    "carol",
    `/v1/requests/${id}/reviews`,
    { verdict: "approve" },
    {
      headers: { "if-match": "*" },
    },
  );
  assert.equal(parts.body.code, "invalid-input", "whatever it is, is not what was seen");
  assert.equal((await approve(api, "carol", id, second)).status, 200);
  const denied = await api.post("dana", `/v1/requests/${id}/reviews`, { verdict: "deny", comment: "no" });
  assert.equal(denied.body.state, "denied", "to deny nothing must have been seen");
});

test("what was never changed is approved as ever; and as another approver has narrowed it, where that was seen", async (t) => {
  const { api } = await apiFor(t);
  const id = await submitted(api, "alice", { ...ASKED, entitlement: "orders:read" });
  const { version } = (await api.get("bob", `/v1/requests/${id}`)).body;
  const other = await submitted(api, "alice", { ...ASKED, entitlement: "orders:peek" });
  assert.equal((await approve(api, "bob", other)).body.state, "approved");
  const narrowed = await api.post("frank", `/v1/requests/${id}/comments`, { text: "hm" });
  assert.equal(narrowed.body.version, version, "talk changes nothing");
  assert.equal((await approve(api, "bob", id, version)).body.state, "approved");
});

test("an edit is by who asked and by nobody else, while it waits, and of what can be changed", async (t) => {
  const { api } = await apiFor(t);
  const id = await submitted(api);
  for (const who of ["carol", "ada", "stranger"])
    assert.equal((await edit(api, who, id, { duration: "1h" })).body.code, "not-found", who);
  for (const body of [{}, { entitlement: "orders:read" }, { emergency: true }, { duration: "soon" }])
    assert.equal((await edit(api, "alice", id, body)).status, 400, JSON.stringify(body));
  assert.equal((await edit(api, "alice", id, { start: "2020-01-01T00:00:00Z" })).body.code, "invalid-input");
  assert.equal((await edit(api, "alice", id, { duration: "9h" })).body.code, "invalid-duration");
  assert.equal(
    (await edit(api, "alice", id, { duration: "1h" }, { "if-match": '"0123"' })).body.code,
    "request-changed",
  );
  await api.post("alice", `/v1/requests/${id}/cancel`);
  const over = await edit(api, "alice", id, { duration: "1h" });
  assert.equal(over.status, 409);
  assert.equal(over.body.code, "request-decided");
});

test("what has expired is not brought back by an edit", async (t) => {
  const { world, api } = await apiFor(t);
  const id = await submitted(api);
  await world.store.pool.query("update requests set expires_at = now() where id = $1", [id]);
  assert.equal((await edit(api, "alice", id, { duration: "1h" })).body.code, "request-expired");
  assert.equal((await world.request(id as RequestId)).state, "expired");
});

test("the same again changes nothing and takes nobody's review; the same key is the same call", async (t) => {
  const { world, api } = await apiFor(t);
  const id = await submitted(api);
  await approve(api, "carol", id);
  const same = await edit(api, "alice", id, { duration: "2h", ticket: "OPS-7" });
  assert.equal(same.status, 200);
  assert.deepEqual([same.body.editedAt, same.body.reviews[0].counts], [null, true]);
  const key = { "idempotency-key": "once" };
  for (let i = 0; i < 2; i += 1) assert.equal((await edit(api, "alice", id, { duration: "1h" }, key)).status, 200);
  const other = await edit(api, "alice", id, { duration: "3h" }, key);
  assert.equal(other.body.code, "idempotency-mismatch");
  const edits = (await world.entries()).filter(({ leaf }) => leaf.kind === "request.edited");
  assert.equal(edits.length, 1);
});

test("policy is asked again: what it refuses changes nothing, what it gives by itself is given", async (t) => {
  const { world, api } = await apiFor(t);
  const base = organisation(world.directoryName);
  await world.configure({
    ...base,
    policies: [
      automatically("short-is-free", { when: 'resource.name == "vault"', maxDurationMs: 600_000 }),
      { ...needs("long-is-not", ["group:security"], ["group:dba"]), maxDurationMs: 4 * 3_600_000 },
    ],
  });
  const id = await submitted(api);
  await approve(api, "carol", id);
  const no = await edit(api, "alice", id, { duration: "5h" });
  assert.equal(no.body.code, "policy-denied", no.text);
  assert.match(no.body.detail, /Nothing was changed: the request waits as it was\.$/);
  const still = (await api.get("alice", `/v1/requests/${id}`)).body;
  assert.deepEqual([still.duration, still.editedAt, still.reviews[0].counts], ["2h", null, true]);
  const granted = await edit(api, "alice", id, { duration: "10m" });
  assert.deepEqual([granted.body.state, granted.body.decision.rule], ["approved", "short-is-free"]);
  assert.match(
    (await toldTo(api, "carol", id)).at(-1)?.text ?? "",
    /policy granted that, and nobody is asked any more/,
  );
  assert.equal((await world.grant(granted.body.grantId)).durationMs, 600_000);
});

test("a panic, and nobody left to approve, refuse an edit, and the request waits as it was", async (t) => {
  const { world, api } = await apiFor(t);
  const id = await submitted(api);
  const panic = await startPanic(world.context, await world.principal("ada"), { resource: "vault" }, "it leaks");
  assert.ok("panicId" in panic);
  assert.equal((await edit(api, "alice", id, { duration: "1h" })).body.code, "panic-in-force");
  await api.post("ada", `/v1/panics/${panic.panicId}/lift`, { reason: "mended" });
  const short = { ...needs("short", ["group:security"]), maxDurationMs: 4 * 3_600_000 };
  await world.configure({ ...organisation(world.directoryName), policies: [short, needs("long", ["group:nobody"])] });
  const nobody = await edit(api, "alice", id, { duration: "5h" });
  assert.equal(nobody.body.code, "no-approvers", nobody.text);
  assert.match(nobody.body.detail, /group:nobody.*Nothing was changed/);
  assert.equal((await world.request(id as RequestId)).durationMs, 2 * 3_600_000);
});

test("of more time on a grant only how much and why can be changed; part of a bundle is changed by itself", async (t) => {
  const { world, api } = await apiFor(t);
  world.directory.members.set("readers", new Set());
  world.reconciler();
  const asks = { ...ASKED, entitlement: "orders:read" };
  const first = await submitted(api, "alice", asks);
  const { grantId } = (await approve(api, "bob", first)).body;
  await world.grantWhen(grantId, ({ state }) => state === "active", "active");
  const more = await api.post("alice", `/v1/grants/${grantId}/extend`, { duration: "1h", reason: "goes on" });
  const { requestId } = more.body;
  for (const body of [{ ticket: "OPS-9" }, { start: null }, { activation: "on-use" }])
    assert.match((await edit(api, "alice", requestId, body)).body.detail, /only how much and why/);
  assert.equal((await edit(api, "alice", requestId, { duration: "8h" })).body.code, "policy-denied", "too much in all");
  const changed = await edit(api, "alice", requestId, { duration: "30m" });
  assert.equal(changed.body.duration, "30m", changed.text);
  assert.equal((await approve(api, "bob", requestId, changed.body.version)).body.state, "approved");
  assert.equal((await world.grant(grantId)).durationMs, 2 * 3_600_000 + 1_800_000);

  const { entitlement: _, ...rest } = asks;
  const kit = await api.post("alice", "/v1/bundles", { ...rest, entitlements: ["orders:read", "orders:peek"] });
  const [part] = kit.body.requests;
  await edit(api, "alice", part.id, { duration: "1h" });
  const done = (await api.post("bob", `/v1/bundles/${kit.body.id}/reviews`, { verdict: "approve" })).body;
  assert.deepEqual(
    [done.done.length, done.notDone.map(({ code }: { code: string }) => code)],
    [1, ["request-changed"]],
  );
});

test("an emergency that waits stays one: with another length, and not without a reason", async (t) => {
  const { world, api } = await apiFor(t);
  const base = organisation(world.directoryName);
  const emergency = { reviewBy: ["group:security"], withinMs: 86_400_000 } as const;
  await world.configure({ ...base, policies: [{ ...needs("asked", ["group:dba"]), emergency }, ...base.policies] });
  const id = await submitted(api, "alice", { ...ASKED, emergency: true });
  assert.equal((await edit(api, "alice", id, { reason: "" })).body.code, "policy-denied");
  assert.match(
    (await edit(api, "alice", id, { start: "2099-01-01T00:00:00Z" })).body.detail,
    /An emergency starts now/,
  );
  const { body } = await edit(api, "alice", id, { duration: "30m" });
  assert.deepEqual([body.emergency, body.decision.rule], [true, "asked"]);
});

test("a step that escalates opens anew with an edit", async (t) => {
  const { world, api } = await apiFor(t);
  const base = organisation(world.directoryName);
  const step = { by: ["group:dba"], count: 1, escalate: { afterMs: 3_600_000, to: ["user:stranger"] } } as const;
  await world.configure({ ...base, policies: [needs("slow", step)] });
  const id = (await submitted(api)) as RequestId;
  await world.store.pool.query(
    "update requests set created_at = created_at - interval '2 hours', escalates_at = now() where id = $1",
    [id],
  );
  assert.equal((await edit(api, "alice", id, { duration: "1h" })).status, 200);
  await lookAgainAtRequests(world.context);
  assert.equal((await world.request(id)).decision.steps[0]?.added, undefined);
});

test("a look that waits is answered by an edit", async (t) => {
  const { api } = await apiFor(t);
  const id = await submitted(api);
  const held = api.get("carol", `/v1/requests/${id}?wait=60`);
  await edit(api, "alice", id, { duration: "1h" });
  assert.equal((await held).body.duration, "1h");
});

test("S09 an edit and approvals at the same moment: what is granted is what was approved, or nothing yet", async (t) => {
  const { world } = await apiFor(t);
  const [alice, dana] = [await world.principal("alice"), await world.principal("dana")];
  const tenMinutes = 600_000;
  const outcomes = new Set<string>();
  for (let round = 0; round < 12; round += 1) {
    const made = await world.ask("alice", "vault:open", { durationMs: tenMinutes as DurationMs });
    assert.ok(!isRefusal(made));
    const id = made.requestId;
    const version = versionOf(await world.request(id));
    // Carol's approval is there; Dana's and the edit meet.
    assert.ok(!isRefusal(await world.review("carol", id, { seen: version })));
    const blind = round % 2 === 0 ? null : version;
    const given = { verdict: "approve", comment: "", durationMs: null, entitlement: null, seen: blind } as const;
    const both = [
      () => reviewRequest(world.context, dana.id, id, given),
      () => editRequest(world.context, alice.id, id, { durationMs: 3 * tenMinutes }, null, NO_FACTS),
    ];
    if (round % 3 === 0) both.reverse();
    const results = await Promise.all(both.map((act) => act()));
    const refused = results.find(isRefusal);
    const request = await world.request(id);
    const voided = (await reviewsOf(world.store.db, id)).map(({ voidedMs }) => voidedMs !== null);
    outcomes.add(request.state);
    if (request.state === "approved") {
      assert.equal(refused?.refused, "request-decided");
      assert.equal((await world.grant(request.grantId as GrantId)).durationMs, tenMinutes, "as it was approved");
      assert.deepEqual(voided, [false, false]);
    } else {
      assert.equal(refused?.refused, "request-changed");
      assert.equal(request.durationMs, 3 * tenMinutes);
      assert.deepEqual(voided, [true]);
    }
  }
  t.diagnostic([...outcomes].join(" "));
});
