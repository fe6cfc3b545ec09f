/** The demo's production: a real PostgreSQL with an orders database that is worth protecting. */
import { join } from "node:path";
import pg from "pg";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../store/embedded/embedded-postgres.ts";

export type Production = {
  readonly server: EmbeddedPostgres /** Signs in as the superuser to the orders database. */;
  readonly adminUrl: string;
};

const ORDERS = 40_000;
const CUSTOMERS = 10_000;

/** Starts it, on the port it had before, and fills it the first time. */
export async function startProduction(dir: string): Promise<Production> {
  const server = await startEmbeddedPostgres({ dir: join(dir, "production") });
  const adminUrl = withDatabase(server.superuserUrl, "orders");
  await query(server.superuserUrl, async (client) => {
    const there = await client.query("select 1 from pg_database where datname = 'orders'");
    if (there.rowCount === 0) await client.query("create database orders");
  });
  await query(adminUrl, async (client) => {
    const there = await client.query<{ there: boolean }>(
      "select to_regclass('public.payment_cards') is not null as there",
    );
    if (there.rows[0]?.there !== true) await client.query(SEED);
  });
  return { server, adminUrl };
}

export async function query<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

/** One transaction: a kill half-way leaves nothing, and the next start fills it. */
const SEED = `
begin;
create table customers (
  id int primary key generated always as identity,
  name text not null,
  email text not null,
  phone text not null
);
insert into customers (name, email, phone)
select (array['Ada','Grace','Edsger','Barbara','Donald','Radia'])[1 + i % 6] || ' ' || (array['Byron','Murray','Wybe','Huberman','Ervin','Perlman'])[1 + (i / 6) % 6] || ' ' || i,
       'customer' || i || '@example.com', '+00 555 ' || lpad(i::text, 6, '0')
from generate_series(1, ${CUSTOMERS}) as i;

create table orders (
  id int primary key generated always as identity,
  customer_id int not null references customers (id),
  placed_at timestamptz not null,
  status text not null,
  total_cents int not null
);
insert into orders (customer_id, placed_at, status, total_cents)
select 1 + i % ${CUSTOMERS}, now() - i * interval '7 minutes', (array['paid','shipped','stuck','refunded'])[1 + i % 4], 500 + (i * 7919) % 20000
from generate_series(1, ${ORDERS}) as i;
create index orders_status on orders (status);

create table payment_cards (
  id int primary key generated always as identity,
  customer_id int not null references customers (id),
  card_number text not null
);
insert into payment_cards (customer_id, card_number)
select i, '4000 0000 0000 ' || lpad((i % 10000)::text, 4, '0') from generate_series(1, ${CUSTOMERS}) as i;
commit;
`;
