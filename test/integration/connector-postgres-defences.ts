/** What must not happen on a target, on every version: secrets in its log, stale claims, roles unfit to be lent, lost updates. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { newInstallationId } from "../../src/base/ids.ts";
import { TargetError } from "../../src/connector/connector.ts";
import type { PostgresScope } from "../../src/connectors/postgres/scope.ts";
import type { PostgresVersion } from "../support/postgres-server.ts";
import {
  assertGone,
  claim,
  groupOf,
  HOUR_MS,
  isRole,
  isTargetError,
  makePlace,
  newOrder,
  openTarget,
  type Place,
  personUrl,
  probe,
  provision,
  readOrders,
  revoke,
  roleOf,
  signIn,
  sql,
  targetLog,
  urlWith,
  value,
} from "./connector-postgres-support.ts";

export function defences(version: PostgresVersion, admin: Place["admin"]): void {
  let place: Place;
  let here: string;
  before(async () => {
    place = await makePlace(version, admin);
    here = urlWith(place.superuserUrl, { database: place.database });
  });

  test("S30 a target that logs every statement logs no secret, and no verifier where the admin may decide that", async () => {
    const parameters = [
      "log_statement",
      "log_min_duration_statement",
      "log_min_error_statement",
      "log_transaction_sample_rate",
      "track_activities",
    ];
    const login = new URL(place.adminUrl).username;
    if (admin === "createrole") await sql(here, `grant set on parameter ${parameters.join(", ")} to ${login}`);
    const verifiers = /SCRAM-SHA-256\$/g;
    const before = (await targetLog(place)).match(verifiers)?.length ?? 0;
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    const again = { ...order, secret: newOrder(place, readOrders(place)).secret };
    await provision(place, again);
    await (await signIn(personUrl(place, again))).end();
    await claim(place, order, (target) => target.extend(order, { remainingMs: HOUR_MS }));
    await probe(place, order);
    await revoke(place, order);
    await assertGone(place, order);
    const log = await targetLog(place);
    assert.match(log, new RegExp(`comment on role "${roleOf(order)}"`), "the log does hold what was done");
    assert.equal(log.includes(order.secret.reveal()) || log.includes(again.secret.reveal()), false);
    assert.equal(log.match(verifiers)?.length ?? 0, before);
    if (admin === "superuser") return;
    // Without that right the verifier is in the log; it proves a password and cannot be used as one.
    await sql(here, `revoke set on parameter ${parameters.join(", ")} from ${login}`);
    const last = newOrder(place, readOrders(place));
    await provision(place, last);
    await revoke(place, last);
    assert.equal((await targetLog(place)).includes(last.secret.reveal()), false);
  });

  test("a claim that takes over ends the sessions of earlier ones, which can then do nothing", async () => {
    const order = newOrder(place, readOrders(place));
    const [nine, other] = [
      await openTarget(place, order.grant, 9),
      await openTarget(place, newOrder(place, readOrders(place)).grant, 1),
    ];
    const ten = await openTarget(place, order.grant, 10);
    await assert.rejects(
      nine.provision(order, { secret: order.secret, remainingMs: HOUR_MS }),
      isTargetError("unreachable"),
    );
    assert.equal(await isRole(place, roleOf(order)), false);
    await assert.rejects(openTarget(place, order.grant, 9), isTargetError("conflict", /fence 10.*stale/));
    await other.identify();
    await ten.provision(order, { secret: order.secret, remainingMs: HOUR_MS });
    await Promise.all([nine.close(), ten.close(), other.close()]);
    await claim(place, { ...order, grant: order.grant }, (target) => target.revoke(order, { keep: false }));
    await assertGone(place, order);
  });

  test("a person who names their session after a claim of ours holds nothing up", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    const person = await signIn(personUrl(place, order));
    await person.query(`set application_name = 'tidegate:${place.installation}:${order.grant}:99999999999999999999'`);
    const second = await signIn(personUrl(place, order));
    await second.query(`set application_name = 'tidegate:${place.installation}:${order.grant}:0'`);
    await revoke(place, order);
    await assert.rejects(person.query("select 1"));
    await assert.rejects(second.query("select 1"));
    await assertGone(place, order);
  });

  test("row 28: many grants at once, of one scope and of several on one table, all come and go", async () => {
    const scopes: PostgresScope[] = [
      readOrders(place),
      {
        database: place.database,
        grants: [{ schema: "public", tables: ["orders"], columns: ["id"], privileges: ["SELECT"] }],
      },
      {
        database: place.database,
        grants: [{ schema: "public", tables: ["orders", "customers"], privileges: ["UPDATE", "SELECT"] }],
      },
    ];
    const orders = Array.from({ length: 12 }, (_, index) =>
      newOrder(place, scopes[index % scopes.length] ?? assert.fail()),
    );
    await Promise.all(orders.map((order) => provision(place, order)));
    for (const order of orders) {
      const person = await signIn(personUrl(place, order));
      assert.equal((await person.query("select id from orders")).rowCount, 2);
      await person.end();
    }
    await Promise.all(orders.map((order) => revoke(place, order)));
    // A revocation that met another on the same rows is taken up again by its claim.
    for (const order of orders) await revoke(place, order);
    for (const order of orders) await assertGone(place, order);
    assert.equal(
      await value(place, `select count(*)::int from pg_roles where starts_with(rolname, 'tgg_${place.installation}')`),
      0,
    );
  });

  test("a group that gains a member while it is about to be collected stays", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    const group = groupOf(order);
    const holder = await signIn(here);
    await holder.query("select pg_advisory_lock(hashtextextended($1, 0))", [`tidegate:${group}`]);
    const revoked = revoke(place, order);
    const waiting = "select count(*)::int from pg_locks where locktype = 'advisory' and not granted";
    while ((await value(place, waiting)) === 0);
    await sql(here, `grant ${group} to ${place.makers}`);
    await holder.end();
    await revoked;
    assert.equal(await isRole(place, group), true);
    await sql(here, `revoke ${group} from ${place.makers}`);
    await revoke(place, order);
    await assertGone(place, order);
  });

  test('"*" gives the tables that exist when access is given, and never a view', async () => {
    const scope: PostgresScope = {
      database: place.database,
      grants: [{ schema: "public", tables: ["*"], privileges: ["SELECT"] }],
    };
    const first = newOrder(place, scope);
    await sql(here, "create view cards as select card from customers");
    await provision(place, first);
    const makers = admin === "createrole" ? new URL(place.adminUrl).username : "postgres";
    await sql(here, "create table later (x int)", `grant select on later to ${makers} with grant option`);
    const person = await signIn(personUrl(place, first));
    await person.query("select * from orders, customers");
    await assert.rejects(person.query("select * from cards"), { code: "42501" });
    await assert.rejects(person.query("select * from later"), { code: "42501" });
    const second = newOrder(place, scope);
    await provision(place, second);
    await person.query("select * from later");
    await sql(here, "drop view cards", "drop table later");
    for (const order of [first, second]) {
      await revoke(place, order);
      await assertGone(place, order);
    }
  });

  test("an admin that cannot pass a right on is told what to run, and nothing is made", async () => {
    if (admin === "superuser") return;
    await sql(here, "create table ledger (id int)", `grant select on ledger to ${new URL(place.adminUrl).username}`);
    const order = newOrder(place, {
      database: place.database,
      grants: [{ schema: "public", tables: ["ledger"], privileges: ["SELECT"] }],
    });
    await assert.rejects(
      provision(place, order),
      isTargetError("not-permitted", /GRANT SELECT ON TABLE "public"\."ledger" TO .* WITH GRANT OPTION/, false),
    );
    assert.equal((await isRole(place, roleOf(order))) || (await isRole(place, groupOf(order))), false);
    await sql(here, "drop table ledger");
  });

  test("an adopted role is lent and left as it was", async () => {
    const role = `reader_${place.database}`;
    await sql(here, `create role ${role}`, `grant select on orders to ${role}`);
    if (admin === "createrole") {
      const refused = newOrder(place, { database: place.database, role });
      await assert.rejects(provision(place, refused), isTargetError("not-permitted", /WITH ADMIN OPTION/));
      await sql(here, `grant ${role} to ${new URL(place.adminUrl).username} with admin option`);
    }
    const [first, second] = [
      newOrder(place, { database: place.database, role }),
      newOrder(place, { database: place.database, role }),
    ];
    await provision(place, first);
    await provision(place, second);
    const person = await signIn(personUrl(place, first));
    assert.equal((await person.query("select * from orders")).rowCount, 2);
    await assert.rejects(person.query("select * from customers"), { code: "42501" });
    if (version >= 16) await assert.rejects(person.query(`set role ${role}`), { code: "42501" });
    await revoke(place, first);
    await assertGone(place, first);
    await assert.rejects(person.query("select 1"));
    await (await signIn(personUrl(place, second))).end();
    await revoke(place, second);
    await assertGone(place, second);
    assert.equal(await value(place, `select has_table_privilege('${role}', 'orders', 'SELECT')`), true);
    await sql(here, `drop owned by ${role}`, `drop role ${role}`);
  });

  test("row 27: an adopted role that could make access last, or reach past the data, is refused for good", async () => {
    const role = `unfit_${place.database}`;
    const refuse = async (message: RegExp, make: string[], unmake: string[]): Promise<void> => {
      await sql(here, `create role ${role}`, ...make);
      const order = newOrder(place, { database: place.database, role });
      await assert.rejects(provision(place, order), isTargetError("not-permitted", message, true));
      assert.equal(await isRole(place, roleOf(order)), false);
      await sql(here, ...unmake, `drop role ${role}`);
    };
    await refuse(/is a superuser/, [`alter role ${role} superuser`], []);
    await refuse(/may create roles/, [`alter role ${role} createrole`], []);
    await refuse(/bypasses row-level security/, [`alter role ${role} bypassrls`], []);
    await refuse(/may replicate/, [`alter role ${role} replication`], []);
    for (const power of [
      "pg_read_server_files",
      "pg_write_server_files",
      "pg_execute_server_program",
      "pg_signal_backend",
    ])
      await refuse(
        new RegExp(`member of ${power}`),
        [`create role via_${role}`, `grant ${power} to via_${role}`, `grant via_${role} to ${role}`],
        [`drop role via_${role}`],
      );
    await refuse(
      /may hand out role/,
      [`create role via_${role}`, `grant via_${role} to ${role} with admin option`],
      [`drop role via_${role}`],
    );
    await refuse(
      /owns table/,
      ["create table theirs (x int)", `alter table theirs owner to ${role}`],
      ["drop table theirs"],
    );
    await refuse(
      /may pass on SELECT/,
      [`grant select on orders to ${role} with grant option`],
      [`drop owned by ${role}`],
    );
  });

  test("row 27: before 16, where people can act as the group, a scope is refused while the group could make anything", async () => {
    const order = newOrder(place, readOrders(place));
    await sql(here, "grant create on schema workshop to public");
    if (version >= 16) {
      await provision(place, order);
      const person = await signIn(personUrl(place, order));
      await assert.rejects(person.query(`set role ${groupOf(order)}`), { code: "42501" });
      await person.end();
    } else {
      await assert.rejects(
        provision(place, order),
        isTargetError("not-supported", /REVOKE CREATE ON SCHEMA workshop FROM PUBLIC/, true),
      );
      assert.equal(await isRole(place, groupOf(order)), false);
    }
    await sql(here, "revoke create on schema workshop from public");
    await revoke(place, order);
    await assertGone(place, order);
  });

  test("before 16, what people left under the group's name goes to the graveyard with the last grant", async () => {
    if (version >= 16) return;
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    const person = await signIn(personUrl(place, order));
    await person.query(`set role ${groupOf(order)}`);
    await person.query("select lo_create(4711)");
    await person.query("begin");
    await person.query("select lo_create(4712)");
    await person.query("prepare transaction 'as the group'");
    await revoke(place, order);
    await assertGone(place, order);
    assert.equal(
      await value(place, "select lomowner::regrole::text from pg_largeobject_metadata where oid = 4711"),
      `tgx_${place.installation}`,
    );
    assert.equal(await value(place, "select count(*)::int from pg_prepared_xacts"), 0);
  });

  test("access is gone also where the group cannot be collected; why is told, and the probe reports it until it is gone", async () => {
    const fresh = { ...place, installation: newInstallationId() };
    const order = newOrder(fresh, readOrders(place));
    await provision(fresh, order);
    // What the group owns has nowhere to go: the graveyard owner's name is taken.
    await sql(here, `create role tgx_${fresh.installation}`);
    await sql(here, "create table stray (x int)", `alter table stray owner to ${groupOf(order)}`);
    await assert.rejects(revoke(fresh, order), /nobody can take what the person made/);
    const seen = await probe(fresh, order);
    assert.equal(seen.own, "gone");
    assert.match(seen.remains.join(), /group role .* has no member any more/);
    await sql(here, "drop table stray", `drop role tgx_${fresh.installation}`);
    await revoke(fresh, order);
    await assertGone(fresh, order);
    assert.equal(await isRole(place, groupOf(order)), false);
  });

  test("an admin that may pass on columns alone gives them, and takes them back", async () => {
    const { username } = new URL(place.adminUrl);
    await sql(here, "create table people (id int, name text, card text)");
    if (admin === "createrole") await sql(here, `grant select (id, name) on people to ${username} with grant option`);
    const order = newOrder(place, {
      database: place.database,
      grants: [{ schema: "public", tables: ["people"], columns: ["id", "name"], privileges: ["SELECT"] }],
    });
    await provision(place, order);
    await sql(personUrl(place, order), "select id, name from people");
    await assert.rejects(sql(personUrl(place, order), "select card from people"), /permission denied/);
    await revoke(place, order);
    await assertGone(place, order);
    assert.equal(await isRole(place, groupOf(order)), false);
    await sql(here, "drop table people");
  });

  test("a database that was dropped during the grant does not keep the grant from ending", async () => {
    const order = newOrder(place, {
      database: place.archive,
      grants: [{ schema: "public", tables: ["orders"], privileges: ["SELECT"] }],
    });
    if (admin === "createrole")
      await sql(
        here,
        `grant connect on database ${place.archive} to ${new URL(place.adminUrl).username} with grant option`,
      );
    await provision(place, order);
    await sql(here, `drop database ${place.archive}`);
    await revoke(place, order);
    await assertGone(place, order);
    assert.equal(await isRole(place, groupOf(order)), false);
  });

  test("a lock that somebody holds on the person's table delays the clean-up, not the cut", async () => {
    // Waiting for the lock takes its time; once is enough.
    if (version !== 18 || admin !== "superuser") return;
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    await sql(here, `grant ${place.makers} to ${roleOf(order)}`);
    await sql(personUrl(place, order), "create table workshop.busy (x int)");
    const holder = await signIn(here);
    await holder.query("begin");
    await holder.query("select * from workshop.busy");
    await assert.rejects(
      revoke(place, order),
      (error: unknown) => error instanceof TargetError && /lock/.test(error.message),
    );
    const seen = await probe(place, order);
    assert.equal(seen.own, "gone");
    await holder.query("rollback");
    await holder.end();
    await revoke(place, order);
    await assertGone(place, order);
    await sql(here, "drop table workshop.busy");
  });
}
