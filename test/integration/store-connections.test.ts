import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { notWaitedFor, openStore, type Store, type Tx } from "../../src/store/db.ts";
import { isStalePlan } from "../../src/store/preparing-client.ts";
import { SqlLedger } from "../../src/store/sql-ledger.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server?.stop());

test("a connection that breaks between two statements fails the next one, and not the process", async () => {
  const store = openStore(server.superuserUrl, { connections: 2 });
  try {
    const client = await store.pool.connect();
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    client.once("end", resolve);
    await store.pool.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
    await ended;
    await assert.rejects(client.query("select 1"));
    client.release();
    assert.equal((await store.pool.query("select 1 as one")).rows[0]?.one, 1);
  } finally {
    await store.close();
  }
});

test("a table that a migration changed fails a prepared statement once, and then no connection any more", async () => {
  const store = openStore(server.superuserUrl, { connections: 1 });
  const other = openStore(server.superuserUrl, { connections: 1 });
  try {
    await store.pool.query("create table changing (id int)");
    const look = (by: typeof store) =>
      sql<{ id: number }>`select * from changing where id = ${1} or id is null`.execute(by.db);
    await look(store);
    await look(other);
    const { rows } = await store.pool.query("select 1 from pg_prepared_statements where statement like '%changing%'");
    assert.equal(rows.length, 1);
    await store.pool.query("alter table changing add column more text");
    await assert.rejects(look(store), isStalePlan);
    assert.deepEqual((await look(store)).rows, []);
    assert.deepEqual((await look(other)).rows, []);
  } finally {
    await store.close();
    await other.close();
  }
});

test("a transaction whose start does not work does nothing, and says why", async () => {
  const store = openStore(server.superuserUrl, { connections: 1 });
  try {
    await store.pool.query("create table begun (id int)");
    const { rows } = await store.pool.query<{ pid: number }>("select pg_backend_pid() as pid");
    const other = openStore(server.superuserUrl, { connections: 1 });
    const work = store.db.transaction().execute(async (tx) => {
      await other.pool.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
      await sql`insert into begun values (1)`.execute(tx);
    });
    await assert.rejects(work);
    assert.deepEqual((await other.pool.query("select * from begun")).rows, []);
    await other.close();
    assert.deepEqual(
      await store.db.transaction().execute(async (tx) => {
        await sql`insert into begun values (2)`.execute(tx);
        return (await sql<{ id: number }>`select id from begun`.execute(tx)).rows;
      }),
      [{ id: 2 }],
    );
  } finally {
    await store.close();
  }
});

/** Writes and goes on before it is written; one that is negative is refused. */
const leave = (tx: Tx, id: number): Promise<unknown> =>
  sql`${notWaitedFor} insert into left_behind values (${id})`.execute(tx);
const leftBehind = async (store: Store): Promise<number[]> =>
  (await store.pool.query<{ id: number }>("select id from left_behind order by id")).rows.map(({ id }) => id);

async function onOneConnection(work: (store: Store) => Promise<void>): Promise<void> {
  const store = openStore(server.superuserUrl, { connections: 1 });
  try {
    await work(store);
  } finally {
    await store.close();
  }
}

test("what is not waited for is written, or the commit fails and says why, and nothing is", () =>
  onOneConnection(async (store) => {
    await store.pool.query("create table left_behind (id int check (id > 0))");
    await store.db.transaction().execute(async (tx) => {
      await leave(tx, 1);
      await leave(tx, 2);
    });
    assert.deepEqual(await leftBehind(store), [1, 2]);
    const committing = store.db.transaction().execute(async (tx) => {
      await leave(tx, 3);
      await leave(tx, -1);
      await leave(tx, 4);
    });
    await assert.rejects(committing, /left_behind_id_check/);
    assert.deepEqual(await leftBehind(store), [1, 2]);
    const goingOn = store.db.transaction().execute(async (tx) => {
      await leave(tx, -1);
      // Not that the transaction is aborted, which says nothing.
      await assert.rejects(sql`select 1`.execute(tx), /left_behind_id_check/);
      await leave(tx, 5);
    });
    await assert.rejects(goingOn, /current transaction is aborted/);
    assert.deepEqual(await leftBehind(store), [1, 2]);
  }));

test("of two that meet the loser goes again, also where it did not wait for what it lost by", () =>
  onOneConnection(async (store) => {
    await store.pool.query("create table taken (id int primary key)");
    await store.pool.query("insert into taken values (1)");
    let id = 0;
    await new SqlLedger(store.db).transaction(async (tx) => {
      id += 1;
      await sql`${notWaitedFor} insert into taken values (${id})`.execute(tx.sql);
      await sql`${notWaitedFor} insert into taken values (${id + 10})`.execute(tx.sql);
    });
    assert.deepEqual((await store.pool.query("select id from taken order by id")).rows, [
      { id: 1 },
      { id: 2 },
      { id: 12 },
    ]);
  }));

test("what cannot be sent is not taken for written", () =>
  onOneConnection(async (store) => {
    await store.pool.query("create table sent (id int, about jsonb)");
    const unsent = { toJSON: () => assert.fail("cannot be sent") };
    const work = store.db.transaction().execute(async (tx) => {
      await sql`insert into sent values (1)`.execute(tx);
      await sql`${notWaitedFor} insert into sent values (2, ${unsent})`.execute(tx);
    });
    await assert.rejects(work, /cannot be sent/);
    assert.deepEqual((await store.pool.query("select id from sent")).rows, []);
  }));

test("who gives up after what is not waited for fails with their own reason, and the connection serves on", () =>
  onOneConnection(async (store) => {
    const given = store.db.transaction().execute(async (tx) => {
      await sql`${notWaitedFor} insert into nowhere values (1)`.execute(tx);
      throw new Error("no longer wanted");
    });
    await assert.rejects(given, /no longer wanted/);
    // Nobody would ask next.
    await assert.rejects(sql`${notWaitedFor} insert into nowhere values (1)`.execute(store.db), /nowhere/);
    assert.equal((await store.pool.query("select 1 as one")).rows[0]?.one, 1);
  }));
