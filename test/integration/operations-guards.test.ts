/** What the store itself refuses, whoever writes it: the last line behind the domain. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { GrantId } from "../../src/base/ids.ts";
import { rememberDetails } from "../../src/operations/provision-grant.ts";
import { claimDue } from "../../src/store/due.ts";
import { ClaimLost, lockGrant, releaseClaim, renewClaims } from "../../src/store/grants.ts";
import { leaseOf } from "../../src/store/leases.ts";
import { automatically, configuration, directoryResource, person } from "../support/configuration.ts";
import { makeActive } from "../support/drive.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

async function setting(t: TestContext): Promise<{ world: World; id: GrantId }> {
  const world = await createWorld({ server, t });
  const dir = directoryResource("dir", world.directoryName, { admins: { group: "admins" } });
  await world.configure(
    configuration({ principals: [person("alice")], policies: [automatically("all")], resources: [dir] }),
  );
  return { world, id: await world.granted("alice", "dir:admins") };
}

const claimer = (world: World) => async (owner: string, lifetimeMs: number) =>
  (await claimDue(world.store.db, [{ resource: "dir", places: 10 }], owner, lifetimeMs)).map(({ claim }) => claim);

test("row 14: a duration that is null, zero, negative, not a number or huge is refused by the store", async (t) => {
  const { world } = await setting(t);
  for (const table of ["requests", "grants"])
    for (const value of [
      "null",
      "0",
      "-1",
      "999",
      "31622400001",
      "9223372036854775807",
      "'NaN'::float8",
      "'Infinity'::float8",
    ])
      await assert.rejects(
        world.store.pool.query(`update ${table} set duration_ms = ${value}`),
        { name: "error" },
        `${table} ${value}`,
      );
});

test("row 14: an end that is null, endless or before the start is refused by the store", async (t) => {
  const { world } = await setting(t);
  for (const value of ["null", "'infinity'", "'-infinity'", "starts_at", "starts_at - interval '1 second'"])
    await assert.rejects(world.store.pool.query(`update grants set expires_at = ${value}`), { name: "error" }, value);
  for (const [table, column] of [
    ["grants", "starts_at"],
    ["grants", "activate_by"],
    ["requests", "expires_at"],
    ["requests", "start_at"],
  ])
    await assert.rejects(
      world.store.pool.query(`update ${table} set ${column} = 'infinity'`),
      { code: "23514" },
      `${table}.${column}`,
    );
});

test("6: the store lets no grant that has ended become live again, and none be closed without a receipt", async (t) => {
  const { world, id } = await setting(t);
  const set = (columns: string) => world.store.pool.query(`update grants set ${columns} where id = $1`, [id]);
  await assert.rejects(set("state = 'revoking'"), { code: "23514" }, "an end has a cause");
  await set(`state = 'revoking', ending = '{"cause":"revoked","by":null,"reason":""}', leads_to = 'revoked'`);
  for (const state of ["scheduled", "provisioning", "active"])
    await assert.rejects(set(`state = '${state}', ending = null`), /never becomes/);
  await assert.rejects(set("state = 'revoked'"), { code: "23514" }, "closed only with a receipt");
  await set("state = 'revoked', receipt = '{}', revoked_at = clock_timestamp()");
  await assert.rejects(set("state = 'active', ending = null, receipt = null, revoked_at = null"), /never becomes/);
  await set("state = 'revoking', receipt = null, revoked_at = null");
});

test("7: a fence never decreases, and whoever lost a claim writes nothing, renews nothing, releases nothing", async (t) => {
  const { world, id } = await setting(t);
  const { db, pool } = world.store;
  const locked = (claim: Parameters<typeof lockGrant>[2]) => db.transaction().execute((tx) => lockGrant(tx, id, claim));
  const claim = claimer(world);
  const [first] = await claim("one", 60_000);
  assert.ok(first !== undefined);
  assert.deepEqual(await claim("two", 60_000), [], "it is held");
  await pool.query("update grants set claim_until = clock_timestamp() - interval '1 second'");
  const [second] = await claim("two", 60_000);
  assert.ok(second !== undefined && second.fence > first.fence);
  await assert.rejects(locked(first), ClaimLost);
  assert.deepEqual(await renewClaims(db, [first, second], 60_000), new Set([id]));
  assert.deepEqual(await renewClaims(db, [first], 60_000), new Set());
  await releaseClaim(db, first);
  assert.ok(await locked(second));
  await releaseClaim(db, second);
  await assert.rejects(locked(second), ClaimLost, "after its release, too");
  await assert.rejects(pool.query("update grants set fence = fence - 1"), /would decrease/);
});

test("row 16: whoever waits for a grant is told the time after the wait, and what it became meanwhile", async (t) => {
  const { world, id } = await setting(t);
  const { db, pool } = world.store;
  const holder = await pool.connect();
  try {
    await holder.query("begin");
    await holder.query("update grants set expires_at = expires_at + interval '1 hour' where id = $1", [id]);
    const before = await world.grant(id);
    const waiting = db.transaction().execute((tx) => lockGrant(tx, id, null));
    await until(
      async () =>
        (await pool.query("select 1 from pg_locks where not granted and locktype = 'transactionid'")).rowCount,
      { what: "somebody to wait for the row" },
    );
    const { rows } = await holder.query<{ now: number }>("select clock_timestamp() as now");
    await holder.query("commit");
    const locked = await waiting;
    assert.ok(locked !== null && locked.nowMs >= (rows[0]?.now ?? Number.POSITIVE_INFINITY));
    assert.equal(locked.grant.expiresMs, before.expiresMs + 3_600_000);
  } finally {
    holder.release();
  }
});

test("7: what a connector must know later is kept only under the claim that holds", async (t) => {
  const { world, id } = await setting(t);
  const { db, pool } = world.store;
  await makeActive(world, id);
  await pool.query("update grants set due_at = clock_timestamp() where id = $1", [id]);
  const claim = claimer(world);
  const [first] = await claim("one", 60_000);
  assert.ok(first !== undefined);
  await rememberDetails(world.context, first, { oid: 1 });
  await rememberDetails(world.context, first, { more: [2] });
  const details = async () => (await leaseOf(db, id))?.details;
  assert.deepEqual(await details(), { oid: 1, more: [2] });
  await pool.query("update grants set claim_until = clock_timestamp() - interval '1 second'");
  const [second] = await claim("two", 60_000);
  assert.ok(second !== undefined);
  await assert.rejects(rememberDetails(world.context, first, { oid: 3 }), ClaimLost);
  assert.deepEqual(await details(), { oid: 1, more: [2] });
});

test("one grant, one lease, one request: the store refuses a second", async (t) => {
  const { world } = await setting(t);
  const columns =
    "request_id, principal_id, resource, entitlement, scope, scope_hash, activation, duration_ms, starts_at, expires_at, config_version, created_at, state";
  await assert.rejects(
    world.store.pool.query(`insert into grants (id, ${columns}) select 'gr_0000000000000000', ${columns} from grants`),
    { code: "23505" },
  );
});
