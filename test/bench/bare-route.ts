/**
 * The floor of `http`: Fastify and one route, which runs the query of the page of grants and answers its rows. No token is
 * looked at, nothing is parsed or shown in other words. Arguments: the store's URL.
 */
import fastify from "fastify";
import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { viewerOf } from "../../src/http/viewer.ts";
import { CatalogCache } from "../../src/operations/context.ts";
import { openStore, type Tables } from "../../src/store/db.ts";
import { findByHandle } from "../../src/store/principals.ts";
import { SqlLedger } from "../../src/store/sql-ledger.ts";
import { visibleGrants } from "../../src/store/visible.ts";

const PAGE = 50;

const store = openStore(process.argv[2] ?? "");
const [erin, catalog] = [
  await findByHandle(store.db, "erin"),
  await new CatalogCache().active(new SqlLedger(store.db)),
];
if (erin === null || catalog === null) throw new Error("the store is not the one of the benchmark");

/** The very statement, learned by running it once. */
let [text, values] = ["", [] as readonly unknown[]];
const listening = new Kysely<Tables>({
  dialect: new PostgresDialect({ pool: store.pool }),
  log: ({ query }) => {
    [text, values] = [query.sql, query.parameters];
  },
});
await visibleGrants(listening, viewerOf(erin, catalog), { limit: PAGE });

await store.close();
const pool = new pg.Pool({ connectionString: process.argv[2], max: 12 });
const app = fastify();
app.get("/v1/grants", async () => ({ grants: (await pool.query(text, [...values])).rows }));
process.stdout.write(`${await app.listen({ host: "127.0.0.1", port: 0 })}\n`);
process.once("SIGTERM", () => void app.close().then(() => pool.end()));
