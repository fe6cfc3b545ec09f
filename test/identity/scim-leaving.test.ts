/** S19 and S20 by SCIM: who is deactivated has nothing any more, on a real target; who is in other groups is decided about anew. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import pg from "pg";
import { isRefusal } from "../../src/base/problem.ts";
import type { Connector } from "../../src/connector/connector.ts";
import { postgres } from "../../src/connectors/postgres/postgres.ts";
import { isLive } from "../../src/domain/grant.ts";
import { lookAgainAtRequests } from "../../src/operations/look-again-at-requests.ts";
import { type PostgresTarget, postgresResource, postgresTarget } from "../integration/drift-support.ts";
import { automatically, needs } from "../support/configuration.ts";
import { realProvider } from "../support/identity-provider.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { type ScimCompany, scimCompany, scimOf, scimProvider } from "../support/scim.ts";
import { Browser, callback, company, declared } from "../support/signing-in.ts";
import { until } from "../support/until.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const FROM_US = { "sec-fetch-site": "same-origin", "x-requested-with": "tidegate", "content-type": "application/json" };

/** Walter, known by SCIM and signed in through the real provider, where everybody of the group gets `orders-db:read` at once. */
async function walterAtWork(t: TestContext) {
  const it = await company(t);
  const provider = await realProvider(t, [callback("company")], { sub: "ext-walter", groups: [] });
  await it.provide(declared(provider.issuer, { ...scimOnly(), issuer: provider.issuer }));
  const target = await postgresTarget(server);
  await it.configure((before) => ({
    ...before,
    resources: { ...before.resources, "orders-db": postgresResource(target, "report") },
    policies: [automatically("chemists", { when: '"chemists" in user.groups' })],
  }));
  it.world.reconciler({ connectors: [postgres as unknown as Connector] });
  const scim: ScimCompany = { ...it, ...scimOf(it) };
  const walter = await scim.user("walter");
  await scim.group("chemists", [walter]);
  const browser = new Browser(it.api);
  assert.equal((await browser.signIn()).status, 303);
  return { it: scim, walter, browser, target };
}

const scimOnly = () => {
  const { scim } = scimProvider();
  return scim === undefined ? {} : { scim };
};

async function loginOf(browser: Browser, grant: string): Promise<pg.Client> {
  const page = await until(
    async () => {
      const sent = { method: "POST", headers: FROM_US, body: "{}" };
      const answered = await browser.ask(`/v1/grants/${grant}/credential`, sent);
      return answered.status === 200 ? answered : null;
    },
    { what: "the credential" },
  );
  const client = new pg.Client({ connectionString: JSON.parse(page.text).uri });
  client.on("error", () => undefined);
  await client.connect();
  await client.query("select * from orders");
  return client;
}

async function nothingIsLeft({ it }: { it: ScimCompany }, target: PostgresTarget, session: pg.Client): Promise<void> {
  for (const grant of await it.world.grants()) {
    const over = await it.world.grantWhen(
      grant.id,
      ({ state }) => state === "revoked" || state === "cancelled",
      "over",
    );
    assert.ok("ending" in over && over.ending.cause === "deactivated");
    if (over.state === "revoked") assert.equal(over.receipt.evidence.kind, "gone");
  }
  assert.deepEqual(await target.roles("tg_"), []);
  await assert.rejects(session.query("select 1"), "the session on the target is cut");
}

for (const [how, leave] of [
  [
    "is not active",
    (it: ScimCompany, id: string) => it.patch(`/Users/${id}`, { op: "Replace", path: "active", value: "False" }),
  ],
  ["is deleted", (it: ScimCompany, id: string) => it.scim("DELETE", `/Users/${id}`)],
] as const)
  test(`S19 who ${how} by SCIM: grants, sessions on the target and in browsers end at that moment, and nothing new is given`, async (t) => {
    const { it, walter, browser, target } = await walterAtWork(t);
    const { world } = it;
    const grants = [await world.granted("walter", "orders-db:read"), await world.granted("walter", "orders-db:read")];
    const later = await world.granted("walter", "orders-db:read", { startMs: Date.now() + 3_600_000 });
    const session = await loginOf(browser, grants[0] ?? "");
    for (const id of grants) await world.grantWhen(id, ({ state }) => state === "active", "active");
    const { id } = await world.principal("walter");

    assert.ok((await leave(it, walter)).status < 300);
    // With its answer all of it has ended; what is left is to take it away.
    assert.ok((await world.grants()).every((grant) => !isLive(grant)));
    assert.equal((await world.grant(later)).state, "cancelled");
    assert.equal((await browser.ask("/v1/me")).status, 401);
    await assert.rejects(world.ask("walter", "orders-db:read"), /nobody active/);
    await nothingIsLeft({ it }, target, session);

    const entries = (await world.entries()).map(({ leaf }) => leaf);
    const left = entries.filter(({ kind, refs }) => kind === "principal.deactivated" && refs.principal === id);
    assert.equal(left.length, 1);
    assert.match(String(left[0]?.data["because"]), /The company says that they have left \(SCIM\)/);
    assert.ok(
      entries.some(({ kind, data }) => kind === "session.ended" && data["because"] === left[0]?.data["because"]),
    );
  });

test("what has ended never comes back through sync: who returns is the same person, with nothing of what they had", async (t) => {
  const { it, walter, browser, target } = await walterAtWork(t);
  const { world } = it;
  const grant = await world.granted("walter", "orders-db:read");
  await world.grantWhen(grant, ({ state }) => state === "active", "active");
  const { id } = await world.principal("walter");
  await it.patch(`/Users/${walter}`, { op: "replace", value: { active: false } });
  await world.grantWhen(grant, ({ state }) => state === "revoked", "revoked");
  // As a full sync does: everybody, and every group, once more.
  await it.patch(`/Users/${walter}`, { op: "replace", value: { active: true } });
  const { Resources: groups } = (await it.scim("GET", "/Groups")).body;
  await it.scim("PUT", `/Groups/${groups[0].id}`, { displayName: "chemists", members: [{ value: walter }] });
  assert.equal((await world.principal("walter")).id, id);
  assert.deepEqual((await world.principal("walter")).groups, ["chemists"]);
  assert.ok((await world.grants()).every((one) => !isLive(one)));
  assert.deepEqual(await target.roles("tg_"), []);
  assert.equal((await browser.ask("/v1/me")).status, 401, "a browser that was signed in before is not any more");
  assert.equal((await browser.signIn()).status, 303);
});

test("S20 who is taken out of the group by SCIM before the start gets nothing: policy is asked again", async (t) => {
  const { it, walter } = await walterAtWork(t);
  const { world } = it;
  const startMs = Date.now() + 3_600_000;
  const id = await world.granted("walter", "orders-db:read", { startMs });
  const { Resources: groups } = (await it.scim("GET", "/Groups")).body;
  await it.patch(`/Groups/${groups[0].id}`, { op: "Remove", path: "members", value: [{ value: walter }] });
  await world.store.pool.query(
    "update grants set starts_at = clock_timestamp(), due_at = clock_timestamp() where id = $1",
    [id],
  );
  const grant = await world.grantWhen(id, ({ state }) => state === "cancelled" || state === "active", "decided");
  assert.ok(grant.state === "cancelled");
  assert.equal(grant.ending.cause, "refused-at-start");
  assert.match(grant.ending.reason, /chemists no longer applies/);
});

test("a request waits for a group of SCIM: who comes into it may approve, and when nobody is left it is denied at once", async (t) => {
  const it = await scimCompany(t);
  const { world } = it;
  await it.configure((before) => ({ ...before, policies: [needs("cooks", ["group:cooks"])] }));
  const walter = await it.user("walter");
  const cooks = await it.group("cooks", [walter]);
  const jesse = await it.user("jesse");
  const asked = await world.ask("alice", "orders:read");
  assert.ok(!isRefusal(asked));
  await it.patch(`/Groups/${cooks}`, { op: "add", path: "members", value: [{ value: jesse }] });
  await it.patch(`/Users/${walter}`, { op: "replace", value: { active: false } });
  await lookAgainAtRequests(world.context);
  assert.equal((await world.request(asked.requestId)).state, "pending", "jesse is left");
  await it.scim("DELETE", `/Groups/${cooks}`);
  await lookAgainAtRequests(world.context);
  assert.equal((await world.request(asked.requestId)).state, "denied");
});
