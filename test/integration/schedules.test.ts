/** When access begins and how far it is extended: what approval decides, and what it does not use up. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { DurationMs } from "../../src/base/duration.ts";
import type { GrantId, RequestId } from "../../src/base/ids.ts";
import { isRefusal, type Refusal } from "../../src/base/problem.ts";
import type { ApproveRule } from "../../src/domain/policy.ts";
import { activateGrant } from "../../src/operations/activate-grant.ts";
import { extendGrant } from "../../src/operations/extend-grant.ts";
import { automatically, configuration, directoryResource, needs, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld, NO_FACTS, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const hour = { durationMs: HOUR_MS as DurationMs };

async function worldWith(t: TestContext, ...policies: ApproveRule[]): Promise<World> {
  const world = await createWorld({ server, t });
  world.directory.members.set("admins", new Set());
  const dir = directoryResource(
    "dir",
    world.directoryName,
    { admins: { group: "admins" } },
    { owners: ["group:owners"] },
  );
  const principals = [person("alice"), person("bob", { groups: ["owners"] })];
  await world.configure(configuration({ principals, policies, resources: [dir] }));
  return world;
}
function accepted(answer: { requestId: RequestId } | Refusal): RequestId {
  assert.ok(!isRefusal(answer), isRefusal(answer) ? answer.detail : "");
  return answer.requestId;
}
async function approved(world: World, id: RequestId): Promise<GrantId> {
  accepted(await world.review("bob", id));
  const { grantId } = await world.request(id);
  assert.ok(grantId !== null);
  return grantId;
}
/** As if so much time had passed since it was asked for. */
const age = (world: World, id: RequestId, ms: number): Promise<unknown> =>
  world.store.pool.query(
    "update requests set created_at = created_at - $2 * interval '1 ms', start_at = start_at - $2 * interval '1 ms' where id = $1",
    [id, ms],
  );
const codeOf = (answer: unknown): string => (isRefusal(answer) ? answer.refused : "done");

test("approved half an hour after the wanted start, the whole time is given from then on", async (t) => {
  const world = await worldWith(t, needs("one", ["owners"]));
  const id = accepted(await world.ask("alice", "dir:admins", { ...hour, startMs: Date.now() + MINUTE_MS }));
  await age(world, id, 31 * MINUTE_MS);
  const beforeMs = await world.context.ledger.nowMs();
  const grant = await world.grant(await approved(world, id));
  assert.ok(grant.startsMs >= beforeMs, "it starts with the approval");
  assert.equal(grant.expiresMs - grant.startsMs, HOUR_MS);
});

test("a start in the future is kept by approval, and nothing is made before it", async (t) => {
  const world = await worldWith(t, needs("one", ["owners"]));
  world.reconciler();
  const startMs = Date.now() + 2 * HOUR_MS;
  const id = accepted(await world.ask("alice", "dir:admins", { ...hour, startMs }));
  const grant = await world.grant(await approved(world, id));
  assert.deepEqual([grant.state, grant.startsMs, grant.expiresMs], ["scheduled", startMs, startMs + HOUR_MS]);
  assert.deepEqual(world.members("admins"), []);
});

test("on-use by the rule: the deadline is the rule's, counts from the approval, and the time from the first use", async (t) => {
  const rule = { ...needs("one", ["owners"]), activation: "on-use", activateWithinMs: 2 * HOUR_MS } as const;
  const world = await worldWith(t, rule);
  const id = accepted(await world.ask("alice", "dir:admins", hour));
  await age(world, id, 5 * HOUR_MS);
  const beforeMs = await world.context.ledger.nowMs();
  const grantId = await approved(world, id);
  const waiting = await world.grant(grantId);
  assert.equal(waiting.activation, "on-use");
  assert.ok((waiting.activateByMs ?? 0) >= beforeMs + 2 * HOUR_MS, "waiting for approval used up nothing of it");
  assert.equal(waiting.expiresMs, (waiting.activateByMs ?? 0) + HOUR_MS);
  assert.equal(codeOf(await activateGrant(world.context, await world.principal("alice"), grantId)), "done");
  const { startsMs, expiresMs } = await world.grant(grantId);
  assert.equal(expiresMs - startsMs, HOUR_MS);
});

test("on-use with a start in the future: not before it, and the deadline counts from it", async (t) => {
  const rule = { ...automatically("all"), activation: "on-use", activateWithinMs: HOUR_MS } as const;
  const world = await worldWith(t, rule);
  const startMs = Date.now() + 2 * HOUR_MS;
  const id = await world.granted("alice", "dir:admins", { ...hour, startMs });
  assert.equal((await world.grant(id)).activateByMs, startMs + HOUR_MS);
  assert.equal(codeOf(await activateGrant(world.context, await world.principal("alice"), id)), "grant-not-scheduled");
});

test("on-use by the rule: the deadline passes, and it lapses with nothing made", async (t) => {
  const rule = { ...needs("one", ["owners"]), activation: "on-use", activateWithinMs: 1_000 } as const;
  const world = await worldWith(t, rule);
  const id = await approved(world, accepted(await world.ask("alice", "dir:admins", hour)));
  world.reconciler();
  const grant = await world.grantWhen(id, ({ state }) => state === "cancelled", "cancelled");
  assert.ok(grant.state === "cancelled" && grant.ending.cause === "lapsed");
  assert.deepEqual(world.members("admins"), []);
});

const BOUNDED = automatically("bounded", {
  extensions: { count: 2, eachMs: 20 * MINUTE_MS, totalMs: 30 * MINUTE_MS },
});
const extend = async (world: World, id: GrantId, minutes: number) =>
  extendGrant(
    world.context,
    await world.principal("alice"),
    id,
    { durationMs: (minutes * MINUTE_MS) as DurationMs, reason: "not done yet" },
    NO_FACTS,
  );
async function active(world: World): Promise<GrantId> {
  world.reconciler();
  const id = await world.granted("alice", "dir:admins", hour);
  await world.grantWhen(id, ({ state }) => state === "active", "active");
  return id;
}

test("S08 extensions are counted and bounded: each, in all, and how often; what is refused changes nothing", async (t) => {
  const world = await worldWith(t, BOUNDED);
  const id = await active(world);
  const { expiresMs } = await world.grant(id);
  const refused = async (minutes: number, why: RegExp): Promise<void> => {
    const answer = await extend(world, id, minutes);
    assert.ok(isRefusal(answer) && answer.refused === "policy-denied");
    assert.match(answer.detail, why);
  };
  await refused(21, /20m more at a time/);
  assert.equal(codeOf(await extend(world, id, 15)), "done");
  await refused(16, /30m more in all; with this it would be 31m/);
  assert.equal(codeOf(await extend(world, id, 5)), "done");
  await refused(5, /allows 2 extensions; there were 2/);
  const grant = await world.grant(id);
  assert.deepEqual([grant.expiresMs - expiresMs, grant.extensions, grant.state], [20 * MINUTE_MS, 2, "active"]);
  assert.deepEqual(world.members("admins"), ["alice"], "the access was there all the time");
});

test("S08 ten extensions at the same moment are no more than the rule allows", async (t) => {
  const world = await worldWith(t, BOUNDED);
  const id = await active(world);
  const { expiresMs } = await world.grant(id);
  const answers = await Promise.all(Array.from({ length: 10 }, () => extend(world, id, 10)));
  assert.equal(answers.filter((answer) => !isRefusal(answer)).length, 2);
  assert.equal((await world.grant(id)).expiresMs - expiresMs, 20 * MINUTE_MS);
});

test("S08 where a rule bounds extensions, the next one may ask people for more", async (t) => {
  const world = await worldWith(t, BOUNDED, needs("more", ["owners"]));
  const id = await active(world);
  const { expiresMs } = await world.grant(id);
  const asked = await extend(world, id, 60);
  assert.ok(!isRefusal(asked) && asked.pendingRequestId !== null);
  accepted(await world.review("bob", asked.pendingRequestId));
  assert.equal((await world.grant(id)).expiresMs - expiresMs, HOUR_MS);
  const none = await worldWith(t, automatically("never", { extensions: { count: 0 } }));
  const refused = await extend(none, await active(none), 5);
  assert.match(isRefusal(refused) ? refused.detail : "", /allows no extension/);
});
