/** The life of a grant on real servers, 14 to 18, with an admin that is superuser and one that only has CREATEROLE. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { newInstallationId } from "../../src/base/ids.ts";
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
  type Place,
  personUrl,
  probe,
  provision,
  readOrders,
  revoke,
  roleOf,
  signIn,
  sql,
  urlWith,
  value,
} from "./connector-postgres-support.ts";

/** 2,000 in the long run, as S06 says; fewer in every other, which shows the same. */
function cyclesOf(version: number, admin: string): number {
  if (version !== 18 || admin !== "superuser") return 6;
  return process.env["TIDEGATE_LONG"] === undefined ? 40 : 2_000;
}

export function lifeOfAGrant(version: PostgresVersion, admin: Place["admin"]): void {
  let place: Place;
  before(async () => {
    place = await makePlace(version, admin);
  });

  test("a grant gives what its scope names and nothing else, for its time", async () => {
    const order = newOrder(place, {
      ...readOrders(place),
      read_only: true,
      statement_timeout: "30s",
      connection_limit: 2,
    });
    await provision(place, order);
    const person = await signIn(personUrl(place, order));
    assert.equal((await person.query("select * from orders")).rowCount, 2);
    await assert.rejects(person.query("select * from customers"), { code: "42501" });
    await assert.rejects(person.query("delete from orders"), { code: "25006" });
    await person.query("set default_transaction_read_only = off");
    await assert.rejects(person.query("delete from orders"), { code: "42501" });
    assert.equal((await person.query("show statement_timeout")).rows[0].statement_timeout, "30s");
    await person.end();
    const role = await sql(
      place.superuserUrl,
      `select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolconnlimit,
        rolvaliduntil between now() + interval '59 minutes' and now() + interval '61 minutes' as hour from pg_roles where rolname = '${roleOf(order)}'`,
    );
    assert.deepEqual(role, [
      {
        rolsuper: false,
        rolcreaterole: false,
        rolcreatedb: false,
        rolreplication: false,
        rolbypassrls: false,
        rolconnlimit: 2,
        hour: true,
      },
    ]);
    await revoke(place, order);
    await assertGone(place, order);
  });

  test("columns that the scope leaves out cannot be read", async () => {
    const order = newOrder(place, {
      database: place.database,
      grants: [
        { schema: "public", tables: ["customers"], columns: ["id", "name"], privileges: ["SELECT"] },
        { schema: "public", sequences: ["tickets"], privileges: ["USAGE"] },
      ],
    });
    await provision(place, order);
    const person = await signIn(personUrl(place, order));
    assert.deepEqual((await person.query("select id, name from customers")).rows, [{ id: 1, name: "ada" }]);
    await assert.rejects(person.query("select card from customers"), { code: "42501" });
    await assert.rejects(person.query("select * from customers"), { code: "42501" });
    await person.query("select nextval('tickets')");
    await assert.rejects(person.query("select setval('tickets', 1)"), { code: "42501" });
    await person.end();
    await revoke(place, order);
    await assertGone(place, order);
  });

  test("S04, row 24: a live session, even after SET ROLE, is cut; its next query fails and a new login is refused", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    await sql(
      place.superuserUrl,
      `create role costume_${place.database}`,
      `grant costume_${place.database} to ${roleOf(order)}`,
    );
    const [plain, disguised] = [await signIn(personUrl(place, order)), await signIn(personUrl(place, order))];
    await disguised.query(`set role costume_${place.database}`);
    await plain.query("begin");
    await plain.query("select * from orders");
    await revoke(place, order);
    await assert.rejects(plain.query("select 1"));
    await assert.rejects(disguised.query("select 1"));
    await assert.rejects(signIn(personUrl(place, order)), { code: "28P01" });
    await assertGone(place, order);
    await sql(place.superuserUrl, `drop role costume_${place.database}`);
  });

  test("S05, row 23: what the person made, in several databases, is kept under the graveyard owner; the role is gone", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    await sql(place.superuserUrl, `grant ${place.makers} to ${roleOf(order)}`);
    for (const database of [place.database, place.archive]) {
      await sql(
        personUrl(place, order, database),
        "create table workshop.notes (id serial primary key, text text)",
        "insert into workshop.notes (text) values ('keep me')",
        "create sequence workshop.numbers",
        "alter default privileges grant select on tables to public",
        "grant select on workshop.notes to public",
        "select lo_create(0)",
      );
    }
    await revoke(place, order);
    await assertGone(place, order);
    for (const database of [place.database, place.archive]) {
      assert.equal(await value(place, "select text from workshop.notes", database), "keep me");
      const owners =
        "select string_agg(distinct relowner::regrole::text, ',') from pg_class where relname in ('notes', 'numbers', 'notes_id_seq')";
      assert.equal(await value(place, owners, database), `tgx_${place.installation}`);
      await sql(
        urlWith(place.superuserUrl, { database }),
        "drop table workshop.notes",
        "drop sequence workshop.numbers",
      );
    }
    assert.equal(
      await value(place, `select rolcanlogin from pg_roles where rolname = 'tgx_${place.installation}'`),
      false,
    );
  });

  test("S06, row 28: after many cycles no role is left and no ACL has grown", async () => {
    const acl =
      "select concat(relacl, (select datacl from pg_database where datname = current_database()), (select nspacl from pg_namespace where nspname = 'public')) from pg_class where relname = 'orders'";
    const roles = "select count(*)::int from pg_roles";
    const first = newOrder(place, readOrders(place));
    await provision(place, first);
    await revoke(place, first);
    const [aclBefore, rolesBefore] = [await value(place, acl), await value(place, roles)];
    for (let cycle = 0; cycle < cyclesOf(version, admin); cycle++) {
      const order = newOrder(place, readOrders(place));
      await provision(place, order);
      await revoke(place, order);
    }
    assert.equal(await value(place, acl), aclBefore);
    assert.equal(await value(place, roles), rolesBefore);
  });

  test("S07 of two grants to one entitlement the first ends alone, and the group goes with the last", async () => {
    const [first, second] = [newOrder(place, readOrders(place)), newOrder(place, readOrders(place))];
    await provision(place, first);
    await provision(place, second);
    assert.equal(groupOf(first), groupOf(second));
    const [one, two] = [await signIn(personUrl(place, first)), await signIn(personUrl(place, second))];
    await revoke(place, first);
    await assertGone(place, first);
    await assert.rejects(one.query("select 1"));
    assert.equal((await two.query("select * from orders")).rowCount, 2);
    await (await signIn(personUrl(place, second))).end();
    assert.equal(await isRole(place, groupOf(second)), true);
    await revoke(place, second);
    await assert.rejects(two.query("select 1"));
    await assertGone(place, second);
    assert.equal(await isRole(place, groupOf(second)), false);
  });

  test("S14 a scope that names what is not there is refused for good, by name, and nothing is made", async () => {
    const refuse = async (scope: PostgresScope, message: RegExp) => {
      const order = newOrder(place, scope);
      await assert.rejects(provision(place, order), isTargetError("no-such-object", message, true));
      assert.equal(await isRole(place, roleOf(order)), false);
      if (scope.role === undefined) assert.equal(await isRole(place, groupOf(order)), false);
      await revoke(place, order);
      await assertGone(place, order);
    };
    const { database } = place;
    const select = { schema: "public", privileges: ["SELECT"] };
    await refuse({ database, grants: [{ ...select, tables: ["orders", "invoices"] }] }, /: table public\.invoices$/);
    await refuse(
      { database, grants: [{ ...select, tables: ["orders"], columns: ["id", "pirce"] }] },
      /: column public\.orders\.pirce$/,
    );
    await refuse(
      { database, grants: [{ ...select, sequences: ["orders"] }] },
      /sequence public\.orders \(what has that name is no sequence\)/,
    );
    await refuse({ database, grants: [{ schema: "sales", tables: ["*"], privileges: ["SELECT"] }] }, /: schema sales$/);
    await refuse(
      { database: "no_such_database", grants: [{ ...select, tables: ["orders"] }] },
      /no database no_such_database/,
    );
    await refuse({ database, role: "no_such_role" }, /no role no_such_role/);
  });

  test("every verb may be repeated: a second provisioning kills the first password and makes all equal again", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    const [role, group] = [roleOf(order), groupOf(order)];
    await sql(
      urlWith(place.superuserUrl, { database: place.database }),
      `create role extra_${place.database}`,
      `grant extra_${place.database} to ${role}`,
      `grant delete on orders to ${group}`,
      `grant select on customers to ${group}`,
      `revoke select on orders from ${group} cascade`,
      `alter role ${role} set statement_timeout = '1ms'`,
    );
    // Whoever granted must revoke: an admin without superuser can only say so.
    if (admin === "createrole") {
      await assert.rejects(provision(place, order), isTargetError("conflict", /has more than its scope/));
      await sql(
        urlWith(place.superuserUrl, { database: place.database }),
        `revoke delete on orders from ${group}`,
        `revoke select on customers from ${group}`,
      );
      await assert.rejects(provision(place, order), isTargetError("conflict", /is a member of .*extra_/));
      await sql(place.superuserUrl, `revoke extra_${place.database} from ${role}`);
    }
    const again = { ...order, secret: newOrder(place, readOrders(place)).secret };
    await provision(place, again);
    await assert.rejects(signIn(personUrl(place, order)), { code: "28P01" });
    const person = await signIn(personUrl(place, again));
    assert.equal((await person.query("select * from orders")).rowCount, 2);
    await assert.rejects(person.query("delete from orders"), { code: "42501" });
    await assert.rejects(person.query("select * from customers"), { code: "42501" });
    await assert.rejects(person.query(`set role extra_${place.database}`), { code: "42501" });
    await claim(place, order, (target) => target.extend(order, { remainingMs: 2 * HOUR_MS }));
    await claim(place, order, (target) => target.extend(order, { remainingMs: 2 * HOUR_MS }));
    assert.equal(
      await value(
        place,
        `select rolvaliduntil > now() + interval '119 minutes' from pg_roles where rolname = '${role}'`,
      ),
      true,
    );
    assert.equal((await person.query("select 1")).rowCount, 1, "extending keeps the session");
    await revoke(place, order);
    await revoke(place, order);
    await assertGone(place, order);
    await assertGone(place, order);
    await sql(place.superuserUrl, `drop role extra_${place.database}`);
  });

  test("revoking what was never made succeeds, and extending it does not", async () => {
    const order = newOrder(place, readOrders(place));
    await revoke(place, order);
    await assertGone(place, order);
    await assert.rejects(
      claim(place, order, (target) => target.extend(order, { remainingMs: HOUR_MS })),
      isTargetError("conflict"),
    );
  });

  test("row 25: logins that race the revocation all end", async () => {
    const order = newOrder(place, { ...readOrders(place), connection_limit: 50 });
    await provision(place, order);
    const racers: Awaited<ReturnType<typeof signIn>>[] = [];
    let racing = true;
    const race = async (): Promise<void> => {
      while (racing)
        await signIn(personUrl(place, order)).then(
          (client) => racers.push(client),
          () => (racing = false),
        );
    };
    const races = [race(), race(), race(), race()];
    await signIn(personUrl(place, order)).then((client) => racers.push(client));
    await revoke(place, order);
    racing = false;
    await Promise.all(races);
    assert.notEqual(racers.length, 0);
    for (const racer of racers) await assert.rejects(racer.query("select 1"));
    await assertGone(place, order);
  });

  test("row 26: a prepared transaction is rolled back, whatever database it is in", async () => {
    const order = newOrder(place, {
      database: place.database,
      grants: [{ schema: "public", tables: ["orders"], privileges: ["SELECT", "UPDATE"] }],
    });
    await provision(place, order);
    await sql(
      personUrl(place, order),
      "begin",
      "update orders set note = 'gone' where id = 1",
      `prepare transaction 'it''s ${roleOf(order)}'`,
    );
    await sql(
      urlWith(personUrl(place, order), { database: place.archive }),
      "begin",
      "select pg_advisory_xact_lock_shared(1)",
      "create temp table if not exists x (y int) on commit drop",
    ).catch(() => {});
    assert.equal((await probe(place, order)).own, "live");
    await revoke(place, order);
    await assertGone(place, order);
    assert.equal(await value(place, "select count(*)::int from pg_prepared_xacts"), 0);
    assert.equal(await value(place, "select note from orders where id = 1"), "leaks");
  });

  test("S31 where the graveyard owner cannot take the objects, access is gone, nothing is dropped, and it says why", async () => {
    // An installation whose graveyard owner is not there yet.
    const fresh = { ...place, installation: newInstallationId() };
    const graveyard = `tgx_${fresh.installation}`;
    const order = newOrder(fresh, readOrders(place));
    await provision(fresh, order);
    const here = urlWith(place.superuserUrl, { database: place.database });
    await sql(here, `grant ${place.makers} to ${roleOf(order)}`);
    // For a superuser every object can be moved; so its graveyard owner is one that is not ours.
    if (admin === "superuser") await sql(here, `create role ${graveyard}`);
    const person = await signIn(personUrl(fresh, order));
    await person.query("create table workshop.diary (day date)");
    await person.query("create function workshop.answer() returns int language sql security definer as 'select 42'");
    const why =
      admin === "superuser"
        ? isTargetError("conflict", /nothing was dropped.*DROP ROLE/)
        : isTargetError("not-permitted", /nothing was dropped.*Run there: GRANT CREATE ON SCHEMA "workshop" TO/);
    await assert.rejects(revoke(fresh, order), why);
    await assert.rejects(person.query("select 1"));
    const seen = await probe(fresh, order);
    assert.equal(seen.own, "gone", JSON.stringify(seen));
    assert.equal(seen.right, "gone");
    assert.ok(
      seen.remains.includes(`owns table workshop.diary in database ${place.database}`),
      JSON.stringify(seen.remains),
    );
    assert.equal(await value(place, "select count(*)::int from pg_class where relname = 'diary'"), 1);
    // The DBA does what the message says.
    await sql(
      here,
      admin === "superuser" ? `drop role ${graveyard}` : `grant create on schema workshop to ${graveyard}`,
    );
    await revoke(fresh, order);
    await assertGone(fresh, order);
    assert.equal(await value(place, "select relowner::regrole::text from pg_class where relname = 'diary'"), graveyard);
    assert.equal(
      await value(place, "select prosecdef from pg_proc where proname = 'answer'"),
      false,
      "what nobody owns must not lend its owner's rights",
    );
    await sql(here, "drop table workshop.diary", "drop function workshop.answer()");
  });

  test("privileges that somebody else gave to the login delay its removal where only they can take them, never the cut", async () => {
    const order = newOrder(place, readOrders(place));
    await provision(place, order);
    const here = urlWith(place.superuserUrl, { database: place.archive });
    await sql(here, `grant select on orders to ${roleOf(order)}`, `grant usage on schema workshop to ${roleOf(order)}`);
    if (admin === "createrole") {
      await assert.rejects(revoke(place, order), isTargetError("not-permitted", /schema workshop.*DROP OWNED BY/));
      const seen = await probe(place, order);
      assert.equal(seen.own, "gone");
      assert.ok(seen.remains.includes(`has privileges in database ${place.archive}`), JSON.stringify(seen.remains));
      await sql(here, `drop owned by ${roleOf(order)}`);
    }
    await revoke(place, order);
    await assertGone(place, order);
  });
}
