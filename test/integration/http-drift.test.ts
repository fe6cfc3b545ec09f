/** Drift through the API: who may see it, what it says of a target that was not seen, and how it is asked for. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TargetError } from "../../src/connector/connector.ts";
import { createApi, withTokens } from "../support/api.ts";
import { automatically, configuration, directoryResource, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld } from "../support/world.ts";
import { sweeperOf } from "./drift-support.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

async function setting(t: Parameters<NonNullable<Parameters<typeof test>[0]>>[0]) {
  const world = await createWorld({ server, t });
  world.directory.members.set("admins", new Set(["mallory"]));
  const principals = [
    person("alice"),
    ...(["auditor", "operator", "admin"] as const).map((role) => person(role, { roles: [role] })),
  ];
  const resources = [directoryResource("dir", world.directoryName, { admins: { group: "admins" } })];
  await world.configure(withTokens(configuration({ principals, policies: [automatically("all")], resources })));
  world.reconciler();
  const sweeps = sweeperOf(world, { everyMs: 86_400_000, connectors: [] });
  t.after(() => sweeps.stop());
  const api = createApi(world, { sweeps });
  t.after(() => api.close());
  return { world, api };
}

test("drift is for admins, auditors and operators; a resource that is not there is not found", async (t) => {
  const { api } = await setting(t);
  for (const url of ["/v1/drift", "/v1/drift/others?resource=dir"]) {
    assert.equal((await api.get(null, url)).status, 401);
    assert.equal((await api.get("alice", url)).body.code, "forbidden");
    for (const role of ["auditor", "operator", "admin"]) assert.equal((await api.get(role, url)).status, 200);
  }
  assert.equal((await api.post("alice", "/v1/drift/sweep")).body.code, "forbidden");
  for (const url of ["/v1/drift?resource=nothing", "/v1/drift/others?resource=nothing"])
    assert.equal((await api.get("admin", url)).status, 404);
});

test("a sweep that is asked for tells what it found, and who else has access is told on request", async (t) => {
  const { api, world } = await setting(t);
  const id = await world.granted("alice", "dir:admins");
  await world.grantWhen(id, ({ state }) => state === "active", "active");
  world.directory.members.get("admins")?.delete("alice");
  const { body } = await api.post("operator", "/v1/drift/sweep", { resource: "dir" });
  const [dir] = body.resources;
  assert.ok(dir.sweptAt >= body.askedAt);
  assert.deepEqual(
    [dir.policy, dir.failing, dir.findings.map((one: { kind: string }) => one.kind)],
    ["report", null, ["missing"]],
  );
  assert.equal(dir.findings[0].grantId, id);
  const others = await api.get("auditor", "/v1/drift/others?resource=dir");
  assert.deepEqual(
    others.body.others.map((one: { who: string }) => one.who),
    ["mallory"],
  );
});

test("a target that cannot be seen is failing, and never looks as if nothing were found", async (t) => {
  const { api, world } = await setting(t);
  world.directory.fail = (verb) => {
    if (verb === "open") throw new TargetError("unreachable", "no answer from the directory");
  };
  const { body } = await api.post("admin", "/v1/drift/sweep");
  assert.equal(body.resources[0].sweptAt, null);
  assert.deepEqual(body.resources[0].failing.error, { code: "unreachable", message: "no answer from the directory" });
  const others = await api.get("admin", "/v1/drift/others?resource=dir");
  assert.equal(others.body.code, "unavailable");
  assert.match(others.body.detail, /no answer from the directory/);
});
