/** What a person does with a grant: activate, take the secret, ask for more time, give it back. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { DurationMs } from "../../src/base/duration.ts";
import type { GrantId, RequestId } from "../../src/base/ids.ts";
import { isRefusal, type Refusal } from "../../src/base/problem.ts";
import type { Rule } from "../../src/domain/policy.ts";
import { activateGrant } from "../../src/operations/activate-grant.ts";
import { type CredentialAnswer, deliverCredential } from "../../src/operations/deliver-credential.ts";
import { extendGrant } from "../../src/operations/extend-grant.ts";
import { revokeGrant } from "../../src/operations/revoke-grant.ts";
import { leaseOf } from "../../src/store/leases.ts";
import { automatically, configuration, denies, directoryResource, needs, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { withSecret } from "../support/variant.ts";
import { createWorld, NO_FACTS, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const HOUR_MS = 3_600_000;
const PEOPLE = [
  person("alice"),
  person("bob", { groups: ["owners"] }),
  person("carol"),
  person("op", { roles: ["operator"] }),
  person("aud", { roles: ["auditor"] }),
];

type Setting = { world: World; told: string[] };

async function configure(
  world: World,
  policies: readonly Rule[],
  group = "admins",
  more: { activateWithinMs?: number } = {},
) {
  const entitlements = { admins: { group, maxDurationMs: 4 * HOUR_MS } };
  const dir = directoryResource("dir", world.directoryName, entitlements, {
    connector: "secret",
    owners: ["group:owners"],
  });
  await world.configure(configuration({ principals: PEOPLE, policies, resources: [dir], defaults: more }));
}

async function setting(
  t: TestContext,
  policies: readonly Rule[] = [automatically("all")],
  more: { activateWithinMs?: number } = {},
): Promise<Setting> {
  const world = await createWorld({ server, t });
  world.directory.members.set("admins", new Set());
  await configure(world, policies, "admins", more);
  const { connector, told } = withSecret("secret");
  world.reconciler({ connectors: [connector] });
  return { world, told };
}

async function active(world: World, more: Parameters<World["ask"]>[2] = {}): Promise<GrantId> {
  const id = await world.granted("alice", "dir:admins", { durationMs: HOUR_MS as DurationMs, ...more });
  await world.grantWhen(id, ({ state }) => state === "active", "active");
  return id;
}

const codeOf = (answer: unknown): string => (isRefusal(answer) ? answer.refused : "done");
const credential = async (world: World, id: GrantId, options = { rotate: false }, handle = "alice") =>
  deliverCredential(world.context, await world.principal(handle), id, options);
function secretIn(answer: CredentialAnswer | Refusal): string | undefined {
  assert.ok(!isRefusal(answer) && "delivery" in answer, codeOf(answer));
  return answer.secret?.reveal();
}
const extend = async (world: World, id: GrantId, durationMs: number, handle = "alice") =>
  extendGrant(
    world.context,
    await world.principal(handle),
    id,
    { durationMs: durationMs as DurationMs, reason: "not done" },
    NO_FACTS,
  );

test("14: of fifty calls at once exactly one gets the secret, and it is the one that the target knows", async (t) => {
  const { world, told } = await setting(t);
  const id = await active(world);
  const answers = await Promise.all(Array.from({ length: 50 }, () => credential(world, id)));
  const delivered = answers.filter((answer) => !isRefusal(answer));
  assert.equal(delivered.length, 1);
  assert.deepEqual([...new Set(answers.filter(isRefusal).map(codeOf))], ["credential-delivered"]);
  assert.equal(secretIn(delivered[0] as CredentialAnswer), told.at(-1));
  assert.equal((await world.entries()).filter(({ leaf }) => leaf.kind === "credential.delivered").length, 1);
});

test("14, S24: a secret is in no table, entry or answer in the clear, before and after its delivery", async (t) => {
  const { world, told } = await setting(t);
  const id = await active(world);
  const dump = async (): Promise<string> => {
    const { rows } = await world.store.pool.query<{ name: string }>(
      "select tablename as name from pg_tables where schemaname = 'public'",
    );
    const tables = await Promise.all(
      rows.map(({ name }) => world.store.pool.query(`select row_to_json(it)::text as row from "${name}" as it`)),
    );
    return JSON.stringify(tables.map(({ rows: all }) => all));
  };
  const before = await dump();
  const secret = secretIn(await credential(world, id));
  assert.ok(secret !== undefined && secret.length >= 32 && told.includes(secret));
  const everything = before + (await dump()) + JSON.stringify(await world.entries());
  for (const form of [secret, Buffer.from(secret).toString("hex"), Buffer.from(secret).toString("base64")])
    assert.ok(!everything.includes(form));
  assert.equal((await leaseOf(world.store.db, id))?.secretId, null, "the sealed copy is destroyed");
});

test("a rotation makes a new secret, which is delivered once; the old one is no more the target's", async (t) => {
  const { world, told } = await setting(t);
  const id = await active(world);
  const first = secretIn(await credential(world, id));
  assert.deepEqual(await credential(world, id, { rotate: true }), { accepted: "rotating" });
  await world.grantWhen(id, (grant) => grant.state === "active" && !grant.rotateCredential, "rotated");
  const second = secretIn(await credential(world, id));
  assert.notEqual(second, first);
  assert.equal(told.at(-1), second);
  assert.equal(codeOf(await credential(world, id)), "credential-delivered");
});

test("a secret that was never fetched is destroyed when the grant ends", async (t) => {
  const { world } = await setting(t);
  const id = await active(world);
  await revokeGrant(world.context, await world.principal("alice"), id, "");
  await world.grantWhen(id, (grant) => grant.state === "revoked" && grant.confirmMs === null, "revoked and confirmed");
  assert.equal(codeOf(await credential(world, id)), "grant-ended");
  assert.equal(codeOf(await credential(world, id, { rotate: true })), "grant-ended");
  const { rows } = await world.store.pool.query("select id from sealed_secrets");
  assert.deepEqual(rows, []);
});

test("the secret is its person's alone; for anybody else the grant does not exist", async (t) => {
  const { world } = await setting(t);
  const id = await active(world);
  for (const handle of ["bob", "op", "aud"]) {
    assert.equal(codeOf(await credential(world, id, { rotate: false }, handle)), "not-found");
    assert.equal(codeOf(await extend(world, id, HOUR_MS, handle)), "not-found");
    assert.equal(codeOf(await activateGrant(world.context, await world.principal(handle), id)), "not-found");
  }
  secretIn(await credential(world, id));
});

test("its person, an approver of such requests, an operator may revoke; others are told there is no such grant", async (t) => {
  const { world } = await setting(t, [needs("one", ["owners"])]);
  for (const [handle, code] of [
    ["carol", "not-found"],
    ["aud", "not-found"],
    ["alice", "done"],
    ["bob", "done"],
    ["op", "done"],
  ] as const) {
    const asked = await world.ask("alice", "dir:admins");
    assert.ok(!isRefusal(asked));
    await world.review("bob", asked.requestId);
    const { grantId } = await world.request(asked.requestId);
    assert.ok(grantId !== null);
    assert.equal(codeOf(await revokeGrant(world.context, await world.principal(handle), grantId, "")), code, handle);
    assert.equal(
      (await world.grant(grantId)).state === "scheduled" ||
        ["provisioning", "active"].includes((await world.grant(grantId)).state),
      code !== "done",
    );
  }
});

test("twenty people revoke at once: it ends once, each is told it is done", async (t) => {
  const { world } = await setting(t);
  const id = await active(world);
  const op = await world.principal("op");
  const answers = await Promise.all(Array.from({ length: 20 }, () => revokeGrant(world.context, op, id, "stop")));
  assert.ok(answers.every((answer) => !isRefusal(answer)));
  await world.grantWhen(id, ({ state }) => state === "revoked", "revoked");
  const kinds = (await world.entries()).filter(({ leaf }) => leaf.refs.grant === id).map(({ leaf }) => leaf.kind);
  for (const kind of ["grant.revoking", "grant.revoked"]) assert.equal(kinds.filter((it) => it === kind).length, 1);
  assert.deepEqual(world.members("admins"), []);
});

test("S08 policy extends at once: the end moves, the membership never goes away, the target is told", async (t) => {
  const { world } = await setting(t);
  const id = await active(world);
  const before = await world.grant(id);
  const gaps = watchMembership(world);
  assert.deepEqual(await extend(world, id, HOUR_MS), { grantId: id, pendingRequestId: null });
  const after = await world.grantWhen(
    id,
    (grant) => grant.state === "active" && !grant.extendTarget,
    "told to the target",
  );
  assert.deepEqual([after.expiresMs, after.extensions], [before.expiresMs + HOUR_MS, 1]);
  assert.deepEqual(gaps, []);
});

/** Every moment in which alice was not a member, from now on. */
function watchMembership({ directory }: World): string[] {
  const gaps: string[] = [];
  directory.fail = (verb) => {
    if (directory.members.get("admins")?.has("alice") !== true) gaps.push(verb);
  };
  return gaps;
}

test("S08 policy wants approval for more time: the grant is unchanged until then, and gets what was agreed", async (t) => {
  const { world } = await setting(t, [automatically("short", { maxDurationMs: HOUR_MS }), needs("long", ["owners"])]);
  const id = await active(world);
  const before = await world.grant(id);
  const asked = await extend(world, id, 2 * HOUR_MS);
  assert.ok(!isRefusal(asked) && asked.pendingRequestId !== null);
  assert.equal((await world.grant(id)).expiresMs, before.expiresMs);
  await world.review("bob", asked.pendingRequestId, { durationMs: HOUR_MS as DurationMs });
  assert.equal((await world.grant(id)).expiresMs, before.expiresMs + HOUR_MS);
  assert.equal((await world.request(asked.pendingRequestId)).grantId, id);
  assert.equal((await world.grants()).length, 1);
});

test("what could never be granted is refused when it is asked, not when somebody approves it", async (t) => {
  const { world } = await setting(t, [automatically("short", { maxDurationMs: HOUR_MS }), needs("long", ["owners"])]);
  const id = await active(world);
  assert.equal(codeOf(await extend(world, id, 4 * HOUR_MS)), "policy-denied");
  const { rows } = await world.store.pool.query("select id from requests where state = 'pending'");
  assert.deepEqual(rows, []);
});

test("a grant is extended at most ten times, also when more requests than that wait for approval", async (t) => {
  const { world } = await setting(t, [
    automatically("first", { when: 'request.reason != "not done"' }),
    needs("more", ["owners"]),
  ]);
  const id = await active(world);
  const asked = [];
  for (let i = 0; i < 12; i += 1) asked.push(await extend(world, id, 60_000));
  const requests = asked
    .map((it) => (isRefusal(it) ? null : it.pendingRequestId))
    .filter((it): it is RequestId => it !== null);
  assert.equal(requests.length, 12);
  const answers = [];
  for (const request of requests) answers.push(codeOf(await world.review("bob", request)));
  assert.deepEqual(answers, [...Array.from({ length: 10 }, () => "done"), "policy-denied", "policy-denied"]);
  assert.equal((await world.grant(id)).extensions, 10);
});

test("S26, row 42: a grant is not extended once its scope was edited, neither at once nor by approving what waits", async (t) => {
  const policies = [automatically("first", { when: 'request.reason != "not done"' }), needs("more", ["owners"])];
  const { world } = await setting(t, policies);
  const id = await active(world);
  const asked = await extend(world, id, 60_000);
  assert.ok(!isRefusal(asked) && asked.pendingRequestId !== null);
  const before = await world.grant(id);
  await configure(world, policies, "others");
  assert.equal((await world.request(asked.pendingRequestId)).state, "denied");
  assert.equal(codeOf(await world.review("bob", asked.pendingRequestId)), "request-decided");
  assert.equal(codeOf(await extend(world, id, 60_000)), "scope-changed");
  assert.equal((await world.grant(id)).expiresMs, before.expiresMs);
});

test("a deny rule that was added meanwhile refuses more time; the grant goes on as it is", async (t) => {
  const { world } = await setting(t);
  const id = await active(world);
  await configure(world, [automatically("all"), denies("frozen", "true")]);
  assert.equal(codeOf(await extend(world, id, 60_000)), "policy-denied");
  assert.equal((await world.grant(id)).state, "active");
});

test("row 16: extending races revoking: each extension counts or is refused, and what ended stays ended", async (t) => {
  const { world } = await setting(t);
  const op = await world.principal("op");
  for (let i = 0; i < 5; i += 1) {
    const id = await active(world);
    const extensions = Array.from({ length: 4 }, () => extend(world, id, 60_000));
    const [ending, ...answers] = await Promise.all([revokeGrant(world.context, op, id, ""), ...extensions]);
    assert.equal(codeOf(ending), "done");
    const grant = await world.grantWhen(id, ({ state }) => state === "revoked", "revoked");
    assert.equal(grant.extensions, answers.filter((answer) => !isRefusal(answer)).length);
  }
  assert.deepEqual(world.members("admins"), []);
});

test("on-use: nothing is made before the first use; the window starts with it, by activating or by asking for the secret", async (t) => {
  const { world } = await setting(t);
  for (const how of ["activate", "credential"] as const) {
    const id = await world.granted("alice", "dir:admins", { activation: "on-use" });
    assert.equal((await world.grant(id)).state, "scheduled");
    if (how === "activate")
      assert.equal(codeOf(await activateGrant(world.context, await world.principal("alice"), id)), "done");
    else assert.deepEqual(await credential(world, id), { accepted: "activated" });
    const grant = await world.grantWhen(id, ({ state }) => state === "active", "active");
    assert.equal(grant.expiresMs - grant.startsMs, 600_000);
    assert.equal(codeOf(await activateGrant(world.context, await world.principal("alice"), id)), "grant-not-scheduled");
    secretIn(await credential(world, id));
  }
});

test("on-use: a grant that nobody uses in time lapses; nothing was ever made", async (t) => {
  const { world, told } = await setting(t, [automatically("all")], { activateWithinMs: 1 });
  const id = await world.granted("alice", "dir:admins", { activation: "on-use" });
  const grant = await world.grantWhen(id, ({ state }) => state === "cancelled", "cancelled");
  assert.ok(grant.state === "cancelled" && grant.ending.cause === "lapsed");
  assert.deepEqual(told, []);
  assert.equal(await leaseOf(world.store.db, id), null);
});
