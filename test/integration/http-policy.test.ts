/** Requests as policy was asked about them, and the rules of versions: what `tidegate policy diff` is made of. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { diffPolicies, type Ruleset } from "../../src/domain/policy-replay.ts";
import type { RecordedRequest } from "../../src/domain/recorded-request.ts";
import { type Api, createApi, withTokens } from "../support/api.ts";
import { organisation } from "../support/api-people.ts";
import { makeActive } from "../support/drive.ts";
import { createWorld, type World } from "../support/world.ts";

let world: World;
let api: Api;
before(async () => {
  world = await createWorld();
  api = createApi(world);
  await world.configure(organisation(world.directoryName));
});
after(async () => {
  await api.close();
  await world.stop();
});

const recorded = async (query = ""): Promise<RecordedRequest[]> =>
  (await api.get("audrey", `/v1/policy/requests${query}`)).body.requests;
const ask = (as: string, entitlement: string, more: object = {}) =>
  api.post(as, "/v1/requests", { entitlement, duration: "1h", reason: "something is the matter", ...more });
const rulesOf = async (version: number): Promise<Ruleset> =>
  (await api.get("ada", `/v1/policy?version=${version}`)).body;

test("what was asked is told with the person as policy saw them, the refused too, newest first and page by page", async () => {
  await ask("erin", "orders:read", { ticket: "INC-1" });
  await ask("dave", "orders:read");
  const all = await recorded();
  assert.deepEqual(
    all.map(({ user, decision, state, asOf }) => [user.handle, decision.outcome, state, asOf]),
    [
      ["dave", "denied", "denied", "then"],
      ["erin", "automatic", "approved", "then"],
    ],
  );
  assert.deepEqual(all[1]?.user.groups, ["payments"]);
  assert.deepEqual(all[1]?.facts["oncall"], { tier: 1, source: "file", ageMs: 0 });
  const page = await api.get("audrey", "/v1/policy/requests?limit=1");
  assert.equal(page.body.requests[0].id, all[0]?.id);
  const next = await api.get("audrey", `/v1/policy/requests?limit=1&cursor=${page.body.next}`);
  assert.equal(next.body.requests[0].id, all[1]?.id);
  assert.deepEqual(await recorded("?until=2020-01-01T00:00:00Z"), []);
});

test("who leaves a group later was in it when they asked", async () => {
  const { body } = await ask("erin", "orders:read");
  const changed = organisation(world.directoryName);
  const principals = changed.principals.map((one) => (one.handle === "erin" ? { ...one, groups: [] } : one));
  await world.configure(withTokens({ ...changed, principals }));
  const record = (await recorded()).find(({ id }) => id === body.id);
  assert.deepEqual([record?.user.groups, record?.asOf], [["payments"], "then"]);
  await world.configure(organisation(world.directoryName));
});

test("more time is recorded with the whole length that policy judged", async () => {
  const grant = (await ask("erin", "orders:read", { ticket: "INC-1" })).body.grantId;
  await makeActive(world, grant);
  const more = await api.post("erin", `/v1/grants/${grant}/extend`, { duration: "30m", reason: "not done yet" });
  assert.equal(more.status, 200, more.text);
  const [record] = await recorded("?limit=1");
  assert.deepEqual(
    [record?.extension, record?.duration, record?.asOf],
    [{ count: 0, total: "0s", add: "30m" }, "1h30m", "then"],
  );
});

test("a request of an earlier version is told with the person of now, and says so", async () => {
  const { body } = await ask("alice", "orders:peek");
  await sql`update requests set facts = '{"oncall":{"tier":0,"source":"file","ageMs":0}}' where id = ${body.id}`.execute(
    world.store.db,
  );
  const record = (await recorded()).find(({ id }) => id === body.id);
  assert.deepEqual([record?.user.handle, record?.user.groups, record?.asOf], ["alice", ["payments"], "now"]);
});

test("the log keeps what policy looked at, and not what somebody is called", async () => {
  const { body } = await ask("alice", "orders:read");
  const entry = (await world.entries()).find(({ leaf }) => leaf.refs.request === body.id);
  assert.deepEqual(entry?.leaf.data["facts"], {
    oncall: { tier: 0, source: "file", ageMs: 0 },
    user: { kind: "user", type: "employee", groups: ["payments"] },
  });
});

test("stored rules answer real requests as the server did, and other rules are told apart", async () => {
  await world.configure({
    ...organisation(world.directoryName),
    policies: organisation(world.directoryName).policies.filter(({ name }) => name !== "on-call-reads"),
  });
  const versions = (await api.get("ada", "/v1/config/versions")).body.versions as { version: number }[];
  const newest = Math.max(...versions.map(({ version }) => version));
  const requests = await recorded();
  const same = diffPolicies(await rulesOf(1), await rulesOf(1), requests);
  assert.deepEqual([same.changes, same.unlikeThen], [[], 0]);
  const diff = diffPolicies(await rulesOf(1), await rulesOf(newest), requests);
  assert.equal(diff.requests, requests.length);
  const erins = requests.filter(({ user }) => user.handle === "erin");
  assert.deepEqual(
    diff.changes.map(({ request, old, new: now }) => [request.id, old.rule, now.rule]),
    erins.map(({ id }) => [id, "on-call-reads", "payments"]),
  );
});

test("S24 neither how a resource is reached nor a token is told with the rules", async () => {
  const { body, text } = await api.get("ada", "/v1/policy");
  assert.ok(body.policies.length > 0);
  for (const secret of ["connection", "sha256:", world.directoryName]) assert.ok(!text.includes(secret), secret);
});

test("they are for those who answer for the policy, and what is not there is not found", async () => {
  for (const who of ["ada", "audrey", "otto"]) assert.equal((await api.get(who, "/v1/policy/requests")).status, 200);
  for (const who of ["alice", "bob"]) assert.equal((await api.get(who, "/v1/policy/requests")).body.code, "forbidden");
  for (const who of ["alice", "otto"]) assert.equal((await api.get(who, "/v1/policy")).body.code, "forbidden");
  assert.equal((await api.get(null, "/v1/policy")).status, 401);
  assert.equal((await api.get("ada", "/v1/policy?version=99")).body.code, "not-found");
  for (const query of ["version=0", "version=x", "more=1"])
    assert.equal((await api.get("ada", `/v1/policy?${query}`)).body.code, "invalid-input", query);
  for (const query of ["limit=0", "limit=1001", "cursor=x", "from=yesterday"])
    assert.equal((await api.get("ada", `/v1/policy/requests?${query}`)).body.code, "invalid-input", query);
});
