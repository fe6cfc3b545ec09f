/** A change that may widen access waits for admins, where the active configuration says so. */
import assert from "node:assert/strict";
import { after, before, beforeEach, type TestContext, test } from "node:test";
import type { Configuration } from "../../src/domain/configuration.ts";
import { adoptConfiguration } from "../../src/operations/adopt-config.ts";
import { type Api, createApi, withTokens } from "../support/api.ts";
import { automatically, configuration, denies, directoryResource, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld, type World } from "../support/world.ts";

const PEOPLE = [
  person("alice"),
  person("dave"),
  person("carol", { roles: ["admin"] }),
  person("cedric", { roles: ["admin"] }),
  person("audrey", { roles: ["auditor"] }),
];

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

let world: World;
let api: Api;
let base: Configuration;
beforeEach(async (t) => {
  world = await createWorld({ server, t: t as TestContext });
  world.directory.members.set("read", new Set());
  const resources = [directoryResource("one", world.directoryName, { read: { group: "read" } })];
  base = {
    ...withTokens(
      configuration({ principals: PEOPLE, policies: [automatically("nobody", { when: "false" })], resources }),
    ),
    config: { approval: { count: 1 } },
  };
  await adopt(base);
  api = createApi(world);
  (t as TestContext).after(() => api.close());
});

const adopt = (one: Configuration) => adoptConfiguration(world.context, one, "test");
const wider = (): Configuration => ({ ...base, policies: [automatically("everybody")] });
const kinds = async () =>
  (await world.entries()).map(({ leaf }) => leaf.kind).filter((kind) => kind.startsWith("config."));
const may = async (handle: string) => "requestId" in (await world.ask(handle, "one:read"));

test("what may widen access is not active until an admin has confirmed it, and then it is, with an entry for each step", async () => {
  const { version, changed, waits } = await adopt(wider());
  assert.deepEqual([version, changed, waits?.state, waits?.widens.length], [1, false, "waiting", 2]);
  assert.equal(await may("alice"), false);
  assert.deepEqual((await adopt(wider())).waits, waits, "asked again, it is the same that waits");
  const seen = await api.get("audrey", "/v1/config/waiting");
  assert.deepEqual(seen.body.waiting.widens, ["rule everybody is new", "rule nobody is gone"]);
  const confirmed = await api.post("carol", `/v1/config/versions/${waits?.version}/confirm`, {});
  assert.deepEqual([confirmed.status, confirmed.body.state], [200, "confirmed"]);
  assert.equal(await may("alice"), true);
  assert.deepEqual((await adopt(wider())).waits, null);
  assert.deepEqual(await kinds(), ["config.activated", "config.proposed", "config.confirmed", "config.activated"]);
  assert.equal((await api.get("carol", "/v1/config/waiting")).body.waiting, null);
});

test("only admins confirm and reject; auditors look; others do neither", async () => {
  const { waits } = await adopt(wider());
  const path = `/v1/config/versions/${waits?.version}`;
  for (const who of ["alice", "audrey"]) {
    assert.equal((await api.post(who, `${path}/confirm`, {})).body.code, "forbidden");
    assert.equal((await api.post(who, `${path}/reject`, { reason: "no" })).body.code, "forbidden");
  }
  assert.equal((await api.get("alice", "/v1/config/waiting")).status, 403);
  assert.equal((await api.post("carol", "/v1/config/versions/99/confirm", {})).status, 404);
  assert.equal((await api.post("carol", "/v1/config/versions/1/confirm", {})).status, 404);
  assert.equal(await may("alice"), false);
});

test("two different admins where two are asked for; one twice is one, and who is admin no more has confirmed nothing", async () => {
  await adopt({ ...base, config: { approval: { count: 2 } } });
  const { waits } = await adopt({ ...wider(), config: { approval: { count: 2 } } });
  const confirm = (who: string) => api.post(who, `/v1/config/versions/${waits?.version}/confirm`, {});
  assert.equal((await confirm("carol")).body.state, "waiting");
  assert.equal((await confirm("carol")).body.state, "waiting");
  const without = PEOPLE.map((one) => (one.handle === "carol" ? person("carol") : one));
  await world.store.pool.query("update principals set roles = '[\"member\"]' where handle = 'carol'");
  assert.equal((await confirm("cedric")).body.state, "waiting", "carol is no admin any more");
  await world.store.pool.query("update principals set roles = '[\"admin\"]' where handle = 'carol'");
  const done = await confirm("cedric");
  assert.deepEqual([done.body.state, done.body.confirmedBy.length], ["confirmed", 2]);
  assert.equal(without.length, PEOPLE.length);
});

test("who leaves with a change that waits leaves at once, and is back when the change is taken back", async () => {
  await adopt({ ...wider(), principals: wider().principals.filter(({ handle }) => handle !== "dave") });
  await assert.rejects(world.principal("dave"));
  await adopt(base);
  assert.equal((await world.principal("dave")).active, true);
  assert.deepEqual(await kinds(), ["config.activated", "config.proposed", "config.withdrawn"]);
});

test("what surely takes away is active at once; it takes back what waited", async () => {
  const { waits } = await adopt(wider());
  const narrower = { ...base, policies: [...base.policies, denies("never", "true")] };
  assert.deepEqual((await adopt(narrower)).waits, null);
  const late = await api.post("carol", `/v1/config/versions/${waits?.version}/confirm`, {});
  assert.equal(late.body.code, "config-decided");
});

test("a rejected one stays out, however often the files say it; an admin who confirms it after all lets it in", async () => {
  const { waits } = await adopt(wider());
  const path = `/v1/config/versions/${waits?.version}`;
  assert.equal((await api.post("cedric", `${path}/reject`, { reason: "not for everybody" })).body.state, "rejected");
  assert.equal((await adopt(wider())).waits?.state, "rejected");
  assert.equal(await may("alice"), false);
  assert.equal((await api.post("carol", `${path}/confirm`, {})).body.state, "confirmed");
  assert.equal(await may("alice"), true);
});

test("the rule itself cannot be waived by the file that it is asked about", async () => {
  const { config: _, ...waived } = wider();
  assert.equal((await adopt(waived)).waits?.state, "waiting");
});

test("ten admins at once make one activation", async () => {
  const { waits } = await adopt(wider());
  const confirm = () => api.post("carol", `/v1/config/versions/${waits?.version}/confirm`, {});
  const answers = await Promise.all(Array.from({ length: 10 }, confirm));
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  assert.ok(answers.every(({ status, body }) => status === 200 || body.code === "config-decided"));
  assert.equal((await kinds()).filter((kind) => kind === "config.activated").length, 2);
});
