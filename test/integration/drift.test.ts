/** Sweeps of real servers: what is told, what is done about it, and what is left alone. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { defined } from "../../src/base/assert.ts";
import { bareId, grantId } from "../../src/base/ids.ts";
import { TargetError } from "../../src/connector/connector.ts";
import { revokeGrant } from "../../src/operations/revoke-grant.ts";
import { directoryResource } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { until } from "../support/until.ts";
import { postgresResource, postgresTarget, type Swept, sweeperOf, sweptWorld, told } from "./drift-support.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const revoke = async ({ world }: Swept, id: Awaited<ReturnType<Swept["active"]>>, handle = "alice") =>
  revokeGrant(world.context, await world.principal(handle), id, "done");
const loginOf = ({ world }: Swept, id: string): string => `tg_${world.context.installation}_${bareId(id)}`;
const ours = ({ world }: Swept): string => `tg_${world.context.installation}_`;
const groups = ({ world }: Swept): string => `tgg_${world.context.installation}_`;

/** A login that carries a mark as our own would, of a grant that is in no ledger. */
function stray(installation: string): { name: string; make: string[] } {
  const grant = grantId.make();
  const name = `tg_${installation}_${bareId(grant)}`;
  return {
    name,
    make: [
      `create role ${name} login password 'x'`,
      `comment on role ${name} is 'tidegate:${installation}:grant:${grant}'`,
    ],
  };
}

test("S15 a role with our mark and in no ledger is reported, and removed only when policy says so", async (t) => {
  const target = await postgresTarget(server);
  const swept = await sweptWorld(t, server, [postgresResource(target, "report")]);
  const { name, make } = stray(swept.world.context.installation);
  await target.run(...make);
  const other = stray("0ther111");
  await target.run(...other.make);
  const [finding, ...rest] = await swept.sweep();
  assert.deepEqual(rest, []);
  assert.deepEqual([finding?.kind, finding?.subject, finding?.problem], ["unknown-mark", name, null]);
  await swept.sweep();
  assert.deepEqual(await swept.driftEntries(), ["drift.found unknown-mark"], "seen again, nothing is written");
  assert.deepEqual(await target.roles(name), [name]);
  await swept.world.configure({
    ...defined(await swept.world.context.catalog.active(swept.world.context.ledger), "configuration").configuration,
    resources: { "orders-db": postgresResource(target, "repair") },
  });
  assert.deepEqual(await swept.sweep(), []);
  assert.deepEqual(await target.roles(name), []);
  assert.deepEqual(await target.roles(other.name), [other.name], "another installation's is not touched");
  assert.deepEqual(await swept.driftEntries(), ["drift.found unknown-mark", "drift.resolved unknown-mark"]);
  await target.run(`drop role ${other.name}`);
});

test("nothing is drift while grants begin, live and end", async (t) => {
  const target = await postgresTarget(server);
  const swept = await sweptWorld(t, server, [postgresResource(target, "repair")]);
  for (let round = 0; round < 3; round++) {
    const id = await swept.active();
    assert.deepEqual(await swept.sweep(), []);
    await revoke(swept, id);
    assert.deepEqual(await swept.sweep(), [], "also while it is being revoked");
    await swept.world.grantWhen(id, ({ state }) => state === "revoked", "revoked");
  }
  assert.deepEqual(await swept.sweep(), []);
  assert.deepEqual(await swept.driftEntries(), []);
});

test("row 2: what a late worker left of a closed grant is no stranger: the grant is reopened, loud, and revoked anew", async (t) => {
  const target = await postgresTarget(server);
  const swept = await sweptWorld(t, server, [postgresResource(target, "report")]);
  const id = await swept.active();
  await revoke(swept, id);
  await swept.world.grantWhen(id, (grant) => "confirmMs" in grant && grant.confirmMs === null, "confirmed");
  const login = loginOf(swept, id);
  await target.run(
    `create role ${login} login password 'x'`,
    `comment on role ${login} is 'tidegate:${swept.world.context.installation}:grant:${id}'`,
  );
  await swept.sweep();
  assert.deepEqual(
    swept.events.filter(({ level }) => level === "error").map(({ what, grant }) => [what, grant]),
    [["left-over-found", id]],
  );
  const reopened = async () =>
    (await swept.world.entries()).some(({ leaf }) => leaf.kind === "grant.reopened" && leaf.refs.grant === id);
  assert.ok(await reopened());
  await swept.world.grantWhen(id, ({ state }) => state === "revoked", "revoked again, with a new receipt");
  assert.deepEqual(await target.roles(login), []);
  assert.deepEqual(await swept.sweep(), []);
});

test("access that was dropped by hand is told under report, and made anew with a new secret under repair", async (t) => {
  const target = await postgresTarget(server);
  const swept = await sweptWorld(t, server, [
    postgresResource(target, "report"),
    postgresResource(target, "repair", "second"),
  ]);
  const [kept, repaired] = [await swept.active("alice"), await swept.active("bob", "second:read")];
  for (const id of [kept, repaired])
    await target.run(`drop owned by ${loginOf(swept, id)}`, `drop role ${loginOf(swept, id)}`);
  await swept.sweep("second");
  await until(async () => (await target.roles(loginOf(swept, repaired))).length === 1, {
    what: "the login is there again",
  });
  await swept.world.grantWhen(repaired, (grant) => grant.state === "active" && !grant.rotateCredential, "made anew");
  const again = await swept.world.grant(repaired);
  assert.equal(again.state === "active" && again.credential, "ready", "the person takes the new secret");
  await swept.sweep("second");
  const open = await swept.sweep();
  assert.deepEqual(
    open.map(({ kind, grant }) => [kind, grant]),
    [["missing", kept]],
  );
  assert.deepEqual(await target.roles(loginOf(swept, kept)), []);
  await swept.sweep();
  assert.deepEqual(await swept.driftEntries(), [
    "drift.found missing",
    "drift.resolved missing",
    "drift.found missing",
  ]);
});

test("S26 more than was approved is taken back under report as well; less is left as it is", async (t) => {
  const target = await postgresTarget(server);
  const swept = await sweptWorld(t, server, [postgresResource(target, "report")]);
  const id = await swept.active();
  const [group = ""] = await target.roles(groups(swept));
  await target.run(
    `grant select on customers to ${group}`,
    `revoke select on orders from ${group}`,
    `alter role ${loginOf(swept, id)} createrole valid until 'infinity'`,
  );
  assert.deepEqual(told(await swept.sweep()), ['less: it lacks SELECT ON TABLE "public"."orders"']);
  const found = (await swept.driftEntries()).filter((entry) => entry.startsWith("drift.found")).length;
  assert.equal(found, 4, "nothing is taken silently");
  const [row] = await target.run(
    `select has_table_privilege('${group}', 'customers', 'select') as customers, rolcreaterole as makes,
      rolvaliduntil < now() + interval '1 day' as ends from pg_roles where rolname = '${loginOf(swept, id)}'`,
  );
  assert.deepEqual(row, { customers: false, makes: false, ends: true });
});

test("under repair everything that was changed by hand is as the ledger says again, and the session goes on", async (t) => {
  const target = await postgresTarget(server);
  const swept = await sweptWorld(t, server, [postgresResource(target, "repair")]);
  const id = await swept.active();
  const [group = ""] = await target.roles(groups(swept));
  const friend = `friend_${target.database}`;
  await target.run(
    `revoke select on orders from ${group}`,
    `grant delete on orders to ${group}`,
    `alter role ${loginOf(swept, id)} nologin`,
    `revoke ${group} from ${loginOf(swept, id)}`,
    `create role ${friend} login`,
    `grant ${group} to ${friend}`,
  );
  assert.deepEqual(await swept.sweep(), []);
  const entries = await swept.driftEntries();
  assert.equal(entries.length, 10, entries.join(", "));
  const [row] = await target.run(
    `select has_table_privilege('${loginOf(swept, id)}', 'orders', 'select') as reads, has_table_privilege('${group}', 'orders', 'delete') as deletes,
      pg_has_role('${friend}', '${group}', 'member') as friend, rolcanlogin as login from pg_roles where rolname = '${loginOf(swept, id)}'`,
  );
  assert.deepEqual(row, { reads: true, deletes: false, friend: false, login: true });
  await target.run(`drop role ${friend}`);
});

test("S28, row 41: two installations sweep and revoke on one target: neither touches nor tells of the other's", async (t) => {
  const target = await postgresTarget(server);
  const [one, two] = [
    await sweptWorld(t, server, [postgresResource(target, "repair")]),
    await sweptWorld(t, server, [postgresResource(target, "repair")]),
  ];
  const [mine, theirs] = [await one.active(), await two.active()];
  const strays = [stray(one.world.context.installation), stray(two.world.context.installation)];
  for (const { make } of strays) await target.run(...make);
  const theirRoles = async () => [...(await target.roles(ours(two))), ...(await target.roles(groups(two)))];
  const before = await theirRoles();
  assert.deepEqual(await one.sweep(), []);
  assert.deepEqual(await target.roles(ours(one)), [loginOf(one, mine)], "its own stray is gone");
  await revoke(one, mine);
  await one.world.grantWhen(mine, ({ state }) => state === "revoked", "revoked");
  await one.sweep();
  assert.deepEqual(await theirRoles(), before, "the other's roles are as they were, its stray included");
  assert.deepEqual(await one.driftEntries(), ["drift.found unknown-mark", "drift.resolved unknown-mark"]);
  assert.deepEqual(await two.sweep(), []);
  assert.deepEqual(await target.roles(ours(two)), [loginOf(two, theirs)]);
});

test("S27 a membership that stood before the grant stands after it, and is reported as standing access", async (t) => {
  const swept = await sweptWorld(t, server, (world) => [
    directoryResource("dir", world.directoryName, { admins: { group: "admins" } }),
  ]);
  const { world } = swept;
  world.directory.members.set("admins", new Set(["alice"]));
  const [found, made] = [await swept.active("alice", "dir:admins"), await swept.active("bob", "dir:admins")];
  await revoke(swept, found);
  await revoke(swept, made, "bob");
  for (const id of [found, made]) await world.grantWhen(id, ({ state }) => state === "revoked", "revoked");
  assert.deepEqual(world.members("admins"), ["alice"]);
  const open = await swept.sweep();
  assert.deepEqual(
    open.map(({ kind, subject, grant }) => [kind, subject, grant]),
    [["standing", "member/admins/alice", found]],
  );
  world.directory.members.get("admins")?.delete("alice");
  assert.deepEqual(await swept.sweep(), []);
});

test("a membership that was taken by hand is told as missing, and given again only under repair", async (t) => {
  const swept = await sweptWorld(t, server, (world) => [
    directoryResource("dir", world.directoryName, { admins: { group: "admins" } }),
    { ...directoryResource("kept", world.directoryName, { readers: { group: "readers" } }), drift: "repair" },
  ]);
  const { world } = swept;
  for (const group of ["admins", "readers"]) world.directory.members.set(group, new Set());
  const id = await swept.active("alice", "dir:admins");
  await swept.active("bob", "kept:readers");
  for (const group of ["admins", "readers"]) world.directory.members.get(group)?.clear();
  assert.deepEqual(
    (await swept.sweep("dir")).map(({ kind, grant }) => [kind, grant]),
    [["missing", id]],
  );
  await swept.sweep("kept");
  assert.deepEqual([world.members("admins"), world.members("readers")], [[], ["bob"]]);
});

test("a target that cannot be seen whole is not swept since, and what was found before stays", async (t) => {
  const swept = await sweptWorld(t, server, (world) => [
    directoryResource("dir", world.directoryName, { admins: { group: "admins" } }),
  ]);
  const { directory } = swept.world;
  directory.members.set("admins", new Set());
  await swept.active("alice", "dir:admins");
  directory.members.get("admins")?.clear();
  assert.equal((await swept.sweep()).length, 1);
  const before = await swept.state();
  directory.fail = (verb) => {
    if (verb === "observe") throw new TargetError("unreachable", "no answer");
  };
  assert.equal((await swept.sweep()).length, 1);
  const failing = await swept.state();
  assert.equal(failing?.sweptMs, before?.sweptMs, "it does not pass for swept");
  assert.deepEqual(failing?.error, { code: "unreachable", message: "no answer" });
  assert.notEqual(failing?.failingSinceMs, null);
  directory.fail = null;
  directory.identity = "memory:another";
  await swept.sweep();
  assert.match((await swept.state())?.error?.message ?? "", /another server/);
  assert.equal((await swept.state())?.sweptMs, before?.sweptMs);
});

test("row 27: what a person made that lends their rights is told under any policy, and left to somebody who looks", async (t) => {
  const target = await postgresTarget(server);
  const swept = await sweptWorld(t, server, [postgresResource(target, "repair")]);
  const id = await swept.active();
  await target.run(
    "create function door() returns bigint language sql security definer as 'select count(*) from public.orders'",
    `alter function door() owner to ${loginOf(swept, id)}`,
  );
  const open = await swept.sweep();
  assert.deepEqual(
    open.map(({ kind, grant, remedy }) => [kind, grant, remedy]),
    [["made", id, null]],
  );
  assert.match(open[0]?.what ?? "", /SECURITY DEFINER/);
  await target.run("drop function door()");
  assert.deepEqual(await swept.sweep(), []);
});

test("who has access without our mark is told on request", async (t) => {
  const target = await postgresTarget(server);
  const swept = await sweptWorld(t, server, [postgresResource(target, "report")]);
  const clerk = `clerk_${target.database}`;
  await target.run(`create role ${clerk} login`, `grant select on orders to ${clerk}`);
  const others = await swept.sweeper.others("orders-db", new AbortController().signal);
  const seen = others?.find(({ who }) => who === clerk);
  assert.deepEqual([seen?.entitlement, seen?.how, seen?.since], ["orders-db:read", "directly", null]);
  await target.run(`drop owned by ${clerk}`, `drop role ${clerk}`);
});

test("S22 of several replicas one sweeps a resource at a time, and each finding is told once", async (t) => {
  const swept = await sweptWorld(t, server, (world) => [
    directoryResource("dir", world.directoryName, { admins: { group: "admins" } }),
  ]);
  const { directory } = swept.world;
  directory.members.set("admins", new Set());
  await swept.active("alice", "dir:admins");
  directory.members.get("admins")?.clear();
  let [now, most] = [0, 0];
  directory.fail = async (verb) => {
    if (verb !== "observe") return;
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => setImmediate(resolve));
    now -= 1;
  };
  const others = [1, 2].map(() => sweeperOf(swept.world, { everyMs: 1, connectors: [] }));
  t.after(() => Promise.all(others.map((other) => other.stop())));
  for (let round = 0; round < 10; round++) await swept.sweep();
  assert.equal(most, 1);
  assert.deepEqual(await swept.driftEntries(), ["drift.found missing"]);
});
