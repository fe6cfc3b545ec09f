import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openStore } from "../../src/store/db.ts";
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
