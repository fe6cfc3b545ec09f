/** Several entitlements asked for as one: each is decided on its own, and all are shown together. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isRefusal } from "../../src/base/problem.ts";
import type { Configuration } from "../../src/domain/configuration.ts";
import { type EntitlementRef, entitlementRef } from "../../src/domain/entitlement.ts";
import { startPanic } from "../../src/operations/start-panic.ts";
import { submitBundle } from "../../src/operations/submit-bundle.ts";
import { requestIdsOf } from "../../src/store/bundles.ts";
import { type Api, createApi } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { automatically, needs } from "../support/configuration.ts";
import { ASKED, createWorld, NO_FACTS, type World } from "../support/world.ts";

let world: World;
let api: Api;
let configuration: Configuration;
before(async () => {
  world = await createWorld();
  const kit = (name: string, ...entitlements: EntitlementRef[]) => ({ name, title: `The ${name}`, entitlements });
  configuration = {
    ...organisation(world.directoryName),
    bundles: {
      incident: kit("incident", entitlementRef("orders", "read"), entitlementRef("vault", "open")),
      mixed: kit("mixed", entitlementRef("orders", "read"), entitlementRef("orders", "orphan")),
    },
  };
  await world.configure(configuration);
  api = createApi(world);
});
after(async () => {
  await api.close();
  await world.stop();
});

const REASON = { duration: "1h", reason: "checking slow checkouts", ticket: "OPS-7" };
const submit = (as: string, body: object, more = {}) => api.post(as, "/v1/bundles", { ...REASON, ...body }, more);
type Part = { id: string; state: string; entitlement: string; grantId: string | null };
const states = ({ requests }: { requests: Part[] }): Record<string, string> =>
  Object.fromEntries(requests.map(({ entitlement, state }) => [entitlement, state]));

test("one call asks for all of it, and each part is decided on its own", async () => {
  const { status, body, headers } = await submit("erin", { bundle: "incident" });
  assert.equal(status, 201);
  assert.equal(headers["location"], `/v1/bundles/${body.id}`);
  assert.equal(body.state, "pending");
  assert.equal(body.title, "The incident");
  assert.deepEqual(states(body), { "orders:read": "approved", "vault:open": "pending" });
  assert.match(body.requests[0].grantId, /^gr_/);
  for (const part of body.requests)
    assert.deepEqual(part.bundle, { id: body.id, name: "incident", title: "The incident" });
  const listed = await api.get("erin", `/v1/requests?bundle=${body.id}&order=oldest`);
  assert.deepEqual(states(listed.body), states(body));
  const entry = (await world.entries()).findLast(({ leaf }) => leaf.kind === "bundle.submitted");
  assert.deepEqual(
    entry?.leaf.data["requests"],
    body.requests.map(({ id }: Part) => id),
  );
});

test("what policy denies stops none of the others, and is told", async () => {
  const { status, body } = await submit("alice", { bundle: "mixed" });
  assert.equal(status, 201);
  assert.deepEqual(states(body), { "orders:read": "pending", "orders:orphan": "denied" });
  assert.match(body.requests[1].endedBecause, /group:nobody/);
  const refused = await submit("dave", { bundle: "mixed" });
  assert.equal(refused.body.state, "refused");
  assert.deepEqual(states(refused.body), { "orders:read": "denied", "orders:orphan": "denied" });
});

test("entitlements can be put together for this once; each is asked for once", async () => {
  const { body } = await submit("alice", { entitlements: ["orders:read", "orders:peek", "orders:read"] });
  assert.equal(body.name, null);
  assert.equal(body.title, "orders:read, orders:peek");
  assert.deepEqual(states(body), { "orders:read": "pending", "orders:peek": "pending" });
});

test("what cannot be right refuses all of it, and nothing is left behind", async () => {
  const count = async () => (await world.store.pool.query("select count(*)::int as n from bundles")).rows[0].n;
  const before = await count();
  const cases: [body: object, code: string][] = [
    [{ bundle: "incidnet" }, "unknown-bundle"],
    [{ bundle: "__proto__" }, "unknown-bundle"],
    [{ entitlements: ["orders:read", "orders:none"] }, "unknown-entitlement"],
    [{ entitlements: ["orders:read", "orders:fix"], duration: "3h" }, "invalid-duration"],
    [{ entitlements: [] }, "invalid-input"],
    [{ entitlements: Array.from({ length: 21 }, (_, i) => `orders:x${i}`) }, "invalid-input"],
    [{ bundle: "incident", entitlements: ["orders:read"] }, "invalid-input"],
    [{}, "invalid-input"],
  ];
  for (const [body, code] of cases) assert.equal((await submit("alice", body)).body.code, code, JSON.stringify(body));
  const noRule = await submit("alice", { bundle: "nothing-of-the-kind", emergency: true });
  assert.equal(noRule.body.code, "unknown-bundle", "an emergency names what there is, too");
  assert.match((await submit("alice", { bundle: "incidnet" })).body.detail, /incident/);
  assert.equal(await count(), before);
});

test("the same key asks once for the whole, also at the same moment", async () => {
  const key = { headers: { "idempotency-key": "kit-once" } };
  const answers = await Promise.all([1, 2, 3].map(() => submit("alice", { bundle: "incident" }, key)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 201],
  );
  const ids = new Set(answers.map(({ body }) => body.id));
  assert.equal(ids.size, 1);
  assert.equal((await requestIdsOf(world.store.db, answers[0]?.body.id)).length, 2);
  assert.equal((await submit("alice", { bundle: "mixed" }, key)).body.code, "idempotency-mismatch");
});

test("one verdict decides every part that one may review; the rest is left, and said", async () => {
  const made = (await submit("alice", { entitlements: ["orders:read", "orders:peek", "vault:open"] })).body;
  assert.equal((await api.get("stranger", `/v1/bundles/${made.id}`)).status, 404);
  assert.equal((await api.get("bob", `/v1/bundles/${made.id}`)).body.requests.length, 2, "bob sees his own part of it");
  const own = await api.post("alice", `/v1/bundles/${made.id}/reviews`, { verdict: "approve" });
  assert.equal(own.body.code, "self-review");
  const review = { verdict: "approve", comment: "go", duration: "30m" };
  const { status, body } = await api.post("bob", `/v1/bundles/${made.id}/reviews`, review);
  assert.equal(status, 200);
  assert.equal(body.done.length, 2);
  assert.deepEqual(
    body.notDone.map(({ code }: { code: string }) => code),
    ["not-an-approver"],
  );
  const seen = (await api.get("alice", `/v1/bundles/${made.id}`)).body;
  assert.deepEqual(states(seen), { "orders:read": "approved", "orders:peek": "approved", "vault:open": "pending" });
  assert.equal(seen.requests[0].less.given.duration, "30m");
  const again = await api.post("bob", `/v1/bundles/${made.id}/reviews`, review);
  assert.equal(again.body.code, "not-an-approver");
  const denied = await api.post("carol", `/v1/bundles/${made.id}/reviews`, { verdict: "deny", comment: "no" });
  assert.equal(denied.body.done.length, 1);
  assert.equal((await api.get("alice", `/v1/bundles/${made.id}`)).body.state, "partly-approved");
});

test("a bundle is taken back as one: what waits is cancelled, what was granted stays", async () => {
  const made = (await submit("erin", { bundle: "incident" })).body;
  assert.equal((await api.post("alice", `/v1/bundles/${made.id}/cancel`, {})).status, 404);
  const { body } = await api.post("erin", `/v1/bundles/${made.id}/cancel`, {});
  assert.equal(body.done.length, 1);
  assert.deepEqual(states(body), { "orders:read": "approved", "vault:open": "cancelled" });
  assert.equal((await api.post("erin", `/v1/bundles/${made.id}/cancel`, {})).body.code, "request-decided");
});

test("a look that waits is answered when a part is decided", async () => {
  const made = (await submit("alice", { bundle: "incident" })).body;
  const held = api.get("alice", `/v1/bundles/${made.id}?wait=60&pending=2`);
  await api.post("bob", `/v1/bundles/${made.id}/reviews`, { verdict: "approve" });
  assert.deepEqual(states((await held).body), { "orders:read": "approved", "vault:open": "pending" });
});

test("a part on which a panic is in force is refused and told; the others go on", async () => {
  const ada = await world.principal("ada");
  const panic = await startPanic(world.context, ada, { resource: "vault" }, "the vault leaks");
  assert.ok("panicId" in panic);
  const { status, body } = await submit("alice", { bundle: "incident" });
  assert.equal(status, 201);
  assert.deepEqual(states(body), { "orders:read": "pending" });
  assert.deepEqual(
    body.refused.map(({ entitlement, code }: { entitlement: string; code: string }) => [entitlement, code]),
    [["vault:open", "panic-in-force"]],
  );
  assert.deepEqual((await api.get("alice", `/v1/bundles/${body.id}`)).body.refused, body.refused);
  await api.post("ada", `/v1/panics/${panic.panicId}/lift`, { reason: "mended" });
});

test("S17 a bundle in an emergency: policy decides each part, and each is reviewed and told on its own", async () => {
  const emergency = { reviewBy: ["group:security"], withinMs: 86_400_000 } as const;
  const { orders, vault } = configuration.resources;
  assert.ok(orders && vault);
  await world.configure({
    ...configuration,
    resources: { orders, vault: { ...vault, emergency: "off" } },
    policies: [
      ...configuration.policies,
      automatically("break-glass", { when: 'entitlement.name == "fix"', maxDurationMs: 3_600_000, emergency }),
      { ...needs("broken-but-asked", ["group:dba"]), when: 'entitlement.name == "peek"', emergency },
    ],
  });
  const entitlements = ["orders:fix", "orders:peek", "orders:read", "vault:open"];
  const { status, body, text } = await submit("alice", { entitlements, emergency: true });
  assert.equal(status, 201, text);
  assert.deepEqual(states(body), { "orders:fix": "approved", "orders:peek": "pending", "orders:read": "denied" });
  assert.deepEqual(
    body.refused.map(({ entitlement, code }: { entitlement: string; code: string }) => [entitlement, code]),
    [["vault:open", "emergency-not-available"]],
  );
  assert.equal(body.state, "pending");
  type Shown = Part & { emergency: boolean; decision: { rule: string | null }; emergencyReview: unknown };
  const [fix, peek, read]: Shown[] = body.requests;
  assert.ok(fix && peek && read);
  assert.ok([fix, peek, read].every((part) => part.emergency));
  assert.deepEqual(
    [fix, peek, read].map(({ decision }) => decision.rule),
    ["break-glass", "broken-but-asked", null],
  );
  assert.match(fix.grantId ?? "", /^gr_/);
  assert.deepEqual(
    [peek.emergencyReview, read.emergencyReview],
    [null, null],
    "without access there is nothing to review",
  );

  const told = async (as: string, about: string): Promise<string[]> =>
    (await api.get(as, "/v1/messages?person=me")).body.messages
      .filter(({ requestId }: { requestId: string }) => requestId === about)
      .map(({ kind }: { kind: string }) => kind);
  for (const skipped of ["bob", "frank", "ada"]) {
    assert.deepEqual(await told(skipped, fix.id), ["emergency.used"], `${skipped} could have approved it`);
    assert.deepEqual(await told(skipped, peek.id), [], `${skipped} is told of what was given, and not before`);
  }
  for (const reviewer of ["carol", "sam"]) assert.deepEqual(await told(reviewer, fix.id), ["emergency.to-review"]);
  for (const approver of ["dana", "sam"])
    assert.deepEqual(
      await told(approver, peek.id),
      ["request.needs-approval"],
      "a part that waits asks who approves it",
    );

  const verdict = await api.post("carol", `/v1/requests/${fix.id}/emergency-review`, { verdict: "justified" });
  assert.equal(verdict.status, 200, verdict.text);
  assert.equal((await api.post("dana", `/v1/bundles/${body.id}/reviews`, { verdict: "approve" })).status, 200);
  const seen = (await api.get("alice", `/v1/bundles/${body.id}`)).body;
  assert.deepEqual(
    seen.requests.map((part: { emergencyReview: { state: string } | null }) => part.emergencyReview?.state ?? null),
    ["done", "open", null],
    "each has a review of its own",
  );
  assert.equal(seen.state, "partly-approved");
  assert.deepEqual(await told("bob", peek.id), ["emergency.used"]);
  await world.configure(configuration);
});

test("all parts of a bundle are decided under one configuration, however often it changes meanwhile", async () => {
  const alice = await world.principal("alice");
  const ask = () => submitBundle(world.context, alice.id, { ...ASKED, wanted: { bundle: "incident" } }, NO_FACTS);
  const changed = (hours: number): Configuration => ({
    ...configuration,
    defaults: { ...configuration.defaults, requestExpiresAfterMs: hours * 3_600_000 },
  });
  const [made] = await Promise.all([
    Promise.all(Array.from({ length: 6 }, ask)),
    Promise.all([5, 6, 7, 8].map((hours) => world.configure(changed(hours)))),
  ]);
  const versions = new Set<number>();
  for (const one of made) {
    assert.ok(!isRefusal(one));
    const parts = await Promise.all((await requestIdsOf(world.store.db, one.bundleId)).map((id) => world.request(id)));
    assert.equal(parts.length, 2);
    assert.equal(new Set(parts.map(({ expiresMs, createdMs }) => expiresMs - createdMs)).size, 1);
    for (const { expiresMs, createdMs } of parts) versions.add(expiresMs - createdMs);
  }
  assert.ok(versions.size >= 1);
});
