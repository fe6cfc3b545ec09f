/**
 * Requests to a decision that is stored, over HTTP, against a bare script that inserts the same rows: whatever one request
 * wrote into whatever table, in one transaction, durably, on as many connections.
 */
import { randomBytes } from "node:crypto";
import pg from "pg";
import type { BenchWorld } from "./bench-world.ts";
import { HttpConnection } from "./http-client.ts";
import { type Line, ratioLine } from "./numbers.ts";

/** Each asks for what waits for a lead: nothing is made on a target. Several, as one person asks one thing after another. */
const PEOPLE = ["alice", "erin", "bob", "frank"];
const CONNECTIONS_EACH = 2;
const MEASURE_MS = 2_500;
/** Through its first thousands of requests the server gets a third faster, as V8 compiles what it runs often. */
const WARM_UP_MS = 6_000;
const ASKED = { entitlement: "orders-db:read", duration: "1h", reason: "checking slow checkouts" };

/** A row that was written, and how another like it is. */
type Written = { readonly insert: string; readonly row: string };

export async function submit(world: BenchWorld, rounds: number): Promise<Line[]> {
  const people = PEOPLE.flatMap((person) => Array.from({ length: CONNECTIONS_EACH }, () => person));
  const clients = await Promise.all(people.map((person) => open(world, person)));
  try {
    return [await measured(world, clients, rounds)];
  } finally {
    for (const { http, store } of clients) {
      http.close();
      await store.end();
    }
    await world.inStore("drop schema if exists floor cascade");
    // Ten thousand that wait are no state for what is measured next: whoever may approve is looked up again for each of them.
    await world.inStore(
      "update requests set state = 'cancelled', ended_because = 'measured', decided_at = clock_timestamp() where state = 'pending'",
    );
  }
}

async function measured(world: BenchWorld, clients: readonly Client[], rounds: number): Promise<Line> {
  const written = await whatIsWritten(world);
  const ours = (forMs: number) => aSecond(clients, forMs, ({ http, person }) => ask(world, http, person));
  const floor = (forMs: number) => aSecond(clients, forMs, ({ store }) => insert(store, written));
  await ours(WARM_UP_MS);
  await floor(WARM_UP_MS);
  const seen: { ours: number; floor: number }[] = [];
  for (let round = 0; round < rounds * 2; round += 1) {
    const asked = await ours(MEASURE_MS);
    seen.push({ ours: asked, floor: await floor(MEASURE_MS) });
  }
  const samples = Math.round(seen.reduce((sum, round) => sum + (round.ours * MEASURE_MS) / 1_000, 0));
  const measure = "requests stored as decided";
  return ratioLine({ name: "submit", measure, unit: "req/s", target: { atLeast: 0.5 }, samples }, seen);
}

async function open(world: BenchWorld, person: string): Promise<Client> {
  const store = new pg.Client({ connectionString: world.storeUrl });
  await store.connect();
  return { http: new HttpConnection(world.server?.url ?? ""), store, person };
}

type Client = { readonly http: HttpConnection; readonly store: pg.Client; readonly person: string };

async function ask(world: BenchWorld, http: HttpConnection, person: string): Promise<string> {
  const { status, body } = await http.call("POST", "/v1/requests", world.token(person), ASKED);
  const { id, state } = JSON.parse(body) as { id: string; state: string };
  if (status !== 201 || state !== "pending") throw new Error(`the request does not wait: ${body}`);
  return id;
}

/** How often a second this is done, as fast as each is answered. */
async function aSecond(
  clients: readonly Client[],
  forMs: number,
  work: (client: Client) => Promise<unknown>,
): Promise<number> {
  const startedMs = performance.now();
  let done = 0;
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() - startedMs < forMs) {
        await work(client);
        done += 1;
      }
    }),
  );
  return done / ((performance.now() - startedMs) / 1_000);
}

/** Notes every row as it is inserted, and by which transaction. */
const NOTING = `
  create schema floor;
  create table floor.noted (n serial, transaction xid8, name text, row jsonb);
  create function floor.note() returns trigger language plpgsql as $$ begin
    insert into floor.noted (transaction, name, row) values (pg_current_xact_id(), quote_ident(tg_table_name), to_jsonb(new));
    return null;
  end $$`;

/** Its references to rows of the same request lead to those beside it, and all others to where they led. */
const REFERENCES = `do $$
  declare named text;
    defined text[] := (select array_agg(format('alter table floor.%I add %s', relname, pg_get_constraintdef(c.oid)))
      from pg_constraint c join pg_class t on t.oid = conrelid
      where contype = 'f' and relnamespace = 'public'::regnamespace and to_regclass(format('floor.%I', relname)) is not null);
  begin
    set local search_path = floor, public;
    foreach named in array coalesce(defined, '{}') loop execute named; end loop;
  end $$`;

/**
 * The rows of one request's transaction as it inserted them, table by table, and tables of the same form to put others like
 * them into. What becomes of a row soon after, as when an entry is given its position, is none of the transaction's.
 */
async function whatIsWritten(world: BenchWorld): Promise<Written[]> {
  const tables = await world.inStore<{ name: string }>(
    "select format('%I', tablename) as name from pg_tables where schemaname = 'public' order by tablename",
  );
  await world.inStore(NOTING);
  for (const { name } of tables)
    await world.inStore(`create trigger noted after insert on ${name} for each row execute function floor.note()`);
  const http = new HttpConnection(world.server?.url ?? "");
  const id = await ask(world, http, "alice");
  http.close();
  for (const { name } of tables) await world.inStore(`drop trigger noted on ${name}`);
  const rows = await world.inStore<{ name: string; row: string }>(
    `select name, row::text as row from floor.noted
     where transaction = (select transaction from floor.noted where name = 'requests' and row ->> 'id' = $1) order by n`,
    [id],
  );
  const inserts = new Map<string, string>();
  for (const name of new Set(rows.map((one) => one.name))) {
    await world.inStore(`create table floor.${name} (like public.${name} including all)`);
    const columns = await world.inStore<{ names: string }>(
      `select string_agg(format('%I', attname), ', ' order by attnum) as names from pg_attribute
       where attrelid = $1::regclass and attnum > 0 and not attisdropped and attidentity = '' and attgenerated = ''`,
      [`public.${name}`],
    );
    const names = columns[0]?.names ?? "";
    inserts.set(
      name,
      `insert into floor.${name} (${names}) select ${names} from jsonb_populate_record(null::floor.${name}, $1::jsonb)`,
    );
  }
  await world.inStore(REFERENCES);
  // What refers to another comes after it.
  return rows.toReversed().map(({ name, row }) => ({ insert: inserts.get(name) ?? "", row }));
}

/** Ids of what one request makes; whom and what it tells of besides stays. */
const IDS = /\b(?:rq|en|ms)_[0-9a-z]{16,}\b/g;

async function insert(store: pg.Client, written: readonly Written[]): Promise<void> {
  const fresh = new Map<string, string>();
  const another = (id: string): string => {
    const known = fresh.get(id) ?? `${id.slice(0, id.indexOf("_"))}_${randomBytes(13).toString("hex")}`;
    fresh.set(id, known);
    return known;
  };
  await store.query("begin");
  for (const { insert: text, row } of written)
    await store.query({ name: text.slice(0, 60), text, values: [row.replaceAll(IDS, another)] });
  await store.query("commit");
}
