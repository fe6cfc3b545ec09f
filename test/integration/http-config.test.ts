/** Versions of the configuration over HTTP and on the command line's client. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Api, createApi, tokenOf, withTokens } from "../support/api.ts";
import { automatically, configuration, directoryResource, needs, person } from "../support/configuration.ts";
import { createWorld, type World } from "../support/world.ts";

let world: World;
let api: Api;
const people = [person("alice"), person("carol", { roles: ["admin"] }), person("audrey", { roles: ["auditor"] })];
const resource = (...names: string[]) =>
  directoryResource("dir", world.directoryName, Object.fromEntries(names.map((name) => [name, { group: name }])));
const engineers = { ...needs("engineers", ["group:leads"]), when: '"payments" in user.groups' };
const first = () =>
  withTokens(configuration({ principals: people, policies: [engineers], resources: [resource("read")] }));
const second = () =>
  withTokens(configuration({ principals: people, policies: [engineers], resources: [resource("read", "fix")] }));

before(async () => {
  world = await createWorld();
  api = createApi(world);
  await world.configure(first());
});
after(async () => {
  await api.close();
  await world.stop();
});

test("the first version is compared with itself", async () => {
  const { status, body } = await api.get("carol", "/v1/config/diff");
  assert.equal(status, 200);
  assert.deepEqual(body, { from: 1, to: 1, changes: [] });
});

test("versions are listed newest first, page by page, with the active one", async () => {
  await world.configure(second());
  const { body } = await api.get("audrey", "/v1/config/versions?limit=1");
  assert.equal(body.versions.length, 1);
  assert.deepEqual([body.versions[0].version, body.versions[0].active, body.versions[0].source], [2, true, "test"]);
  assert.ok(body.versions[0].activatedAt !== null);
  const next = await api.get("audrey", `/v1/config/versions?limit=1&cursor=${body.next}`);
  assert.deepEqual([next.body.versions[0].version, next.body.versions[0].active], [1, false]);
});

test("the difference says in words who gains what", async () => {
  const { body } = await api.get("carol", "/v1/config/diff");
  assert.deepEqual([body.from, body.to], [1, 2]);
  assert.equal(body.changes[0].what, "payments gains dir:fix through rule engineers, approved by 1 of group:leads");
  const back = await api.get("audrey", "/v1/config/diff?from=2&to=1");
  assert.equal(back.body.changes[0].what, "payments loses dir:fix, which rule engineers gave");
});

test("after going back to an earlier version, it is compared with the one that was given up", async () => {
  await world.configure(first());
  const { body } = await api.get("carol", "/v1/config/diff");
  assert.deepEqual([body.from, body.to], [2, 1]);
  await world.configure(second());
});

test("they are for admins and auditors, and what is not there is not found", async () => {
  for (const url of ["/v1/config/versions", "/v1/config/diff"]) {
    assert.equal((await api.get("alice", url)).body.code, "forbidden");
    assert.equal((await api.get(null, url)).status, 401);
  }
  assert.equal((await api.get("carol", "/v1/config/diff?from=99")).body.code, "not-found");
  for (const query of ["from=0", "from=-1", "from=x", "to=1.5", "more=1", "from=99999999999999999999"])
    assert.equal((await api.get("carol", `/v1/config/diff?${query}`)).body.code, "invalid-input", query);
});

test("S24 no token and no hash of one is in the difference", async () => {
  await world.configure(
    withTokens(configuration({ principals: [], policies: [automatically("all")], resources: [resource("read")] })),
  );
  await world.configure(second());
  const { text } = await api.get("carol", "/v1/config/diff?from=3&to=2");
  assert.ok(text.includes("alice was added"));
  for (const secret of ["sha256:", tokenOf("alice")]) assert.ok(!text.includes(secret));
});
