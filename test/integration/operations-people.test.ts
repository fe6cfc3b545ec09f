/** Who leaves has nothing any more, and a new configuration is everybody's at once, whatever happens at the same moment. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { DurationMs } from "../../src/base/duration.ts";
import { type PrincipalId, type RequestId, sessionId } from "../../src/base/ids.ts";
import { isRefusal, type Refusal } from "../../src/base/problem.ts";
import { hashToken, newToken } from "../../src/base/token.ts";
import type { DeclaredPrincipal } from "../../src/domain/configuration.ts";
import { isLive } from "../../src/domain/grant.ts";
import type { Rule } from "../../src/domain/policy.ts";
import { deactivatePrincipal } from "../../src/operations/deactivate-principal.ts";
import { extendGrant } from "../../src/operations/extend-grant.ts";
import { listRequests } from "../../src/store/requests.ts";
import { putSession, sessionsOf } from "../../src/store/sign-in-sessions.ts";
import {
  automatically,
  configuration,
  directoryResource,
  needs,
  person,
  type WantedEntitlement,
} from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld, NO_FACTS, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const ALICE = person("alice", { groups: ["eng"] });
const BOB = person("bob", { groups: ["owners"] });
const CAROL = person("carol", { groups: ["owners"] });
const ONE = needs("one", ["owners"]);
const TWO = needs("one", { by: ["owners"], count: 2 });
const ADMINS: Record<string, WantedEntitlement> = { admins: { group: "admins" } };

type Wanted = {
  people?: readonly DeclaredPrincipal[];
  policies?: readonly Rule[];
  entitlements?: Record<string, WantedEntitlement>;
};

function configure(
  world: World,
  { people = [ALICE, BOB, CAROL], policies = [ONE], entitlements = ADMINS }: Wanted = {},
) {
  const dir = directoryResource("dir", world.directoryName, entitlements, { owners: ["group:owners"] });
  return world.configure(configuration({ principals: people, policies, resources: [dir] }));
}

async function worldWith(t: TestContext, wanted: Wanted = {}): Promise<World> {
  const world = await createWorld({ server, t });
  world.directory.members.set("admins", new Set());
  await configure(world, wanted);
  return world;
}

function accepted(answer: { requestId: RequestId } | Refusal): RequestId {
  assert.ok(!isRefusal(answer), isRefusal(answer) ? answer.detail : "");
  return answer.requestId;
}
const codeOf = (answer: unknown): string => (isRefusal(answer) ? answer.refused : "done");

for (const [how, left] of [
  ["is removed from the configuration", []],
  ["is declared inactive", [{ ...ALICE, active: false }]],
] as const)
  test(`11, S19, row 35: who ${how} loses pending requests and live grants at that moment, and gets nothing new`, async (t) => {
    const world = await worldWith(t, {
      policies: [automatically("at-once", { when: 'request.ticket == "NOW"' }), ONE],
    });
    world.reconciler();
    const pending = accepted(await world.ask("alice", "dir:admins"));
    const live = await world.granted("alice", "dir:admins", { ticket: "NOW" });
    const later = await world.granted("alice", "dir:admins", { ticket: "NOW", startMs: Date.now() + 3_600_000 });
    await world.grantWhen(live, ({ state }) => state === "active", "active");
    const alice = await world.principal("alice");
    await signedIn(world, alice.id);
    await configure(world, { people: [...left, BOB, CAROL] });
    assert.equal((await world.request(pending)).state, "cancelled");
    assert.equal((await world.grant(later)).state, "cancelled");
    assert.ok(!isLive(await world.grant(live)));
    await world.grantWhen(live, ({ state }) => state === "revoked", "revoked");
    assert.deepEqual(world.members("admins"), []);
    await assert.rejects(world.ask("alice", "dir:admins"), /nobody active/);
    const asked = await extendGrant(
      world.context,
      alice,
      live,
      { durationMs: 60_000 as DurationMs, reason: "" },
      NO_FACTS,
    );
    assert.equal(codeOf(asked), "grant-ended");
    // Coming back brings back the person, and nothing of what they had.
    await configure(world);
    assert.equal((await world.principal("alice")).id, alice.id);
    assert.ok((await world.grants()).every((grant) => !isLive(grant)));
    assert.deepEqual(await sessionsOf(world.store.db, alice.id), [], "nor are they signed in anywhere");
    const because = (await world.entries()).flatMap(({ leaf }) => (leaf.kind === "session.ended" ? [leaf.data] : []));
    assert.deepEqual(
      because.map(({ because: why }) => why),
      ["no longer active in the configuration"],
    );
  });

async function signedIn(world: World, principalId: PrincipalId): Promise<void> {
  const nowMs = await world.context.ledger.nowMs();
  await world.store.db.transaction().execute((tx) =>
    putSession(tx, hashToken(newToken()), {
      ...{ id: sessionId.make(), kind: "browser", principalId, provider: "corp", issuer: "https://id.example.test" },
      ...{ subject: "s1", providerSession: null, userAgent: "", idleMs: 3_600_000, tokenExpiresMs: null },
      ...{
        authentication: { atMs: null, acr: null, amr: [] },
        createdMs: nowMs,
        seenMs: nowMs,
        expiresMs: nowMs + 3_600_000,
      },
    }),
  );
}

test("11: whoever is deactivated while they ask twenty times at once has no live grant and no pending request after it", async (t) => {
  for (const policies of [[automatically("all")], [ONE]]) {
    const world = await worldWith(t, { policies });
    const { id } = await world.principal("alice");
    const asks = Array.from({ length: 20 }, () => world.ask("alice", "dir:admins").catch(() => null));
    const leaving = deactivatePrincipal(world.context, id, { system: "jobs" }, "left");
    await Promise.all([...asks, leaving]);
    assert.ok((await world.grants()).every((grant) => !isLive(grant)));
    const requests = await listRequests(world.store.db, { states: ["pending"], limit: 100 });
    assert.deepEqual(requests, []);
    assert.equal((await world.entries()).filter(({ leaf }) => leaf.kind === "principal.deactivated").length, 1);
  }
});

test("11: whoever is deactivated while their requests are approved has no live grant after it", async (t) => {
  const world = await worldWith(t);
  const { id } = await world.principal("alice");
  const requests = [];
  for (let i = 0; i < 12; i += 1) requests.push(accepted(await world.ask("alice", "dir:admins")));
  const approvals = requests.map((request) => world.review("bob", request));
  await Promise.all([
    ...approvals.slice(0, 6),
    deactivatePrincipal(world.context, id, { system: "jobs" }, "left"),
    ...approvals.slice(6),
  ]);
  assert.ok((await world.grants()).every((grant) => !isLive(grant)));
  assert.ok((await Promise.all(requests.map((it) => world.request(it)))).every(({ state }) => state !== "pending"));
});

test("S20 the requester loses the group that the rule asked for before the start: cancelled, with the reason", async (t) => {
  const policies = [automatically("engineers", { when: '"eng" in user.groups' })];
  const world = await worldWith(t, { policies });
  const id = await world.granted("alice", "dir:admins");
  await configure(world, { policies, people: [person("alice"), BOB, CAROL] });
  world.reconciler();
  const grant = await world.grantWhen(id, ({ state }) => state !== "scheduled" && state !== "provisioning", "decided");
  assert.ok(grant.state === "cancelled");
  assert.equal(grant.ending.cause, "refused-at-start");
  assert.match(grant.ending.reason, /engineers no longer applies/);
  assert.deepEqual(world.members("admins"), []);
});

for (const [what, people, policies] of [
  ["an approver loses eligibility", [ALICE, person("bob"), CAROL], [ONE]],
  ["an approver leaves", [ALICE, CAROL], [ONE]],
  ["a deny rule was added", [ALICE, BOB, CAROL], [{ kind: "deny", name: "stop", condition: "true" }, ONE]],
  ["the rule is gone", [ALICE, BOB, CAROL], [needs("another", ["owners"])]],
] as const)
  test(`S20 ${what} between approval and start: cancelled, with the reason`, async (t) => {
    const world = await worldWith(t);
    const request = accepted(await world.ask("alice", "dir:admins"));
    accepted(await world.review("bob", request));
    const { grantId } = await world.request(request);
    assert.ok(grantId !== null);
    await configure(world, { people, policies });
    world.reconciler();
    const grant = await world.grantWhen(grantId, ({ state }) => state === "cancelled" || state === "active", "decided");
    assert.ok(grant.state === "cancelled");
    assert.equal(grant.ending.cause, "refused-at-start");
    assert.deepEqual(world.members("admins"), []);
  });

test("S26, row 42: the scope is edited between approval and start: cancelled, nothing is made", async (t) => {
  const world = await worldWith(t, { policies: [automatically("all")] });
  const id = await world.granted("alice", "dir:admins");
  await configure(world, { policies: [automatically("all")], entitlements: { admins: { group: "everything" } } });
  world.reconciler();
  const grant = await world.grantWhen(id, ({ state }) => state === "cancelled" || state === "active", "decided");
  assert.equal(grant.state, "cancelled");
});

test("a new configuration decides pending requests again: granted, denied, asked anew", async (t) => {
  const world = await worldWith(t, { policies: [TWO] });
  const request = accepted(await world.ask("alice", "dir:admins"));
  accepted(await world.review("bob", request));
  await configure(world, { policies: [TWO], entitlements: { admins: { group: "others" } } });
  const anew = await world.request(request);
  assert.equal(anew.state, "pending");
  accepted(await world.review("bob", request));
  assert.equal((await world.request(request)).state, "pending", "bob's approval of the scope before does not count");
  await configure(world, { policies: [ONE], entitlements: { admins: { group: "others" } } });
  assert.equal((await world.request(request)).state, "approved", "his approval of this scope does");
  const second = accepted(await world.ask("alice", "dir:admins"));
  await configure(world, { policies: [] });
  assert.equal((await world.request(second)).state, "denied");
  const [grant, ...more] = await world.grants();
  assert.deepEqual([grant?.scope, more.length], [{ group: "others" }, 0]);
});

test("a pending request past its time is not granted by a new configuration", async (t) => {
  const world = await worldWith(t);
  const request = accepted(await world.ask("alice", "dir:admins"));
  await world.store.pool.query("update requests set expires_at = clock_timestamp()");
  await configure(world, { policies: [automatically("all")] });
  assert.equal((await world.request(request)).state, "expired");
  assert.deepEqual(await world.grants(), []);
});

test("five replicas that start at once with the same configuration make one version, one entry, each person once", async (t) => {
  const world = await createWorld({ server, t });
  const answers = await Promise.all(Array.from({ length: 5 }, () => configure(world)));
  assert.equal(answers.filter(({ changed }) => changed).length, 1);
  assert.equal(new Set(answers.map(({ version }) => version)).size, 1);
  const kinds = (await world.entries()).map(({ leaf }) => leaf.kind);
  assert.deepEqual(kinds.sort(), [
    "config.activated",
    "installation.created",
    "principal.added",
    "principal.added",
    "principal.added",
  ]);
});

test("10: no request stays decided by the policy of before, however many are asked while a new one becomes active", async (t) => {
  const world = await worldWith(t, { policies: [ONE] });
  for (const [i, policies] of [[TWO], [ONE], [TWO]].entries()) {
    const asks = Array.from({ length: 10 }, () => world.ask("alice", "dir:admins"));
    await Promise.all([...asks.slice(0, 5), configure(world, { policies }), ...asks.slice(5)]);
    const pending = await listRequests(world.store.db, { states: ["pending"], limit: 1_000 });
    assert.equal(pending.length, 10 * (i + 1));
    const count = policies[0] === ONE ? 1 : 2;
    for (const { request } of pending)
      assert.deepEqual(
        request.decision.steps.map((step) => step.count),
        [count],
      );
  }
});
