/**
 * What a look of the reconciler costs with a thousand, a hundred thousand and a million active grants; and what a server
 * holds in memory beside a million.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import pg from "pg";
import { openStore, type Store } from "../../src/store/db.ts";
import { claimDue, dueResources, msUntilDue } from "../../src/store/due.ts";
import { createDatabase } from "../../src/store/embedded/create-database.ts";
import { readFigures } from "../../src/store/figures.ts";
import { migrate } from "../../src/store/migrate.ts";
import { makeManyGrants } from "../support/many-grants.ts";
import { type BenchWorld, type Models, startServer } from "./bench-world.ts";
import { HttpConnection } from "./http-client.ts";
import { type Line, median, nowMs, sleepUntil, timed } from "./numbers.ts";

const SIZES = [1_000, 100_000, 1_000_000];
const RESOURCES = 50;
/** Due at each look, spread over all resources. */
const DUE = 100;
const LOOKS_PER_ROUND = 100;
const IDLE_MS = 8_000;

type Sized = { readonly count: number; readonly url: string; readonly store: Store };
/** With nothing due a look asks when the next grant is, and no more. */
type Measure = "finding the next due grant" | "a look that claims" | "figures";

export async function reconcilerScale(world: BenchWorld, models: Models, rounds: number): Promise<Line[]> {
  const row = await modelRow(world, models);
  const sizes: Sized[] = [];
  for (const count of SIZES) sizes.push(await makeSized(world, models, row, count));
  const seen = new Map<Measure, number[][]>();
  // All sizes by turns, so that whatever disturbs the machine disturbs each of them alike. First the looks that only read:
  // what is written leaves traces in the indexes, which is another question.
  for (const looking of [lookAhead, lookAndClaim])
    for (let look = 0; look < LOOKS_PER_ROUND * rounds; look += 1)
      for (const [place, sized] of sizes.entries())
        for (const [measure, ms] of await looking(sized)) {
          const times = seen.get(measure) ?? SIZES.map(() => []);
          times[place]?.push(ms);
          seen.set(measure, times);
        }
  const lines = [...seen].map(([measure, times]) => ratioOfSizes(measure, times));
  const largest = sizes.at(-1);
  for (const { store } of sizes) await store.close();
  if (largest !== undefined) lines.push(await memoryBeside(world, largest));
  for (const { url } of sizes) await world.dropDatabase(url);
  return lines;
}

function ratioOfSizes(measure: Measure, times: readonly (readonly number[])[]): Line {
  const [few = [], , many = []] = times;
  return {
    name: "reconciler-scale",
    measure: `${measure}, 1,000,000 to 1,000`,
    unit: "ms",
    ours: median(many),
    floor: median(few),
    value: median(many) / median(few),
    target: { atMost: 1.3 },
    samples: many.length,
  };
}

async function lookAhead({ store: { db } }: Sized): Promise<[Measure, number][]> {
  const next = await timed(() => msUntilDue(db));
  return [
    ["finding the next due grant", next],
    ["figures", await timed(() => readFigures(db))],
  ];
}

/** As the reconciler does it when something is due. What was claimed is let go again. */
async function lookAndClaim({ store: { db, pool } }: Sized): Promise<[Measure, number][]> {
  await pool.query("update grants set due_at = clock_timestamp() - interval '1 second' where id <= $1", [lastDue]);
  const claims = await timed(async () => {
    const due = await dueResources(db);
    const wanted = due.map(({ resource }) => ({ resource, places: DUE / RESOURCES }));
    await claimDue(db, wanted, "bench", 60_000);
  });
  await pool.query("update grants set due_at = expires_at, claim_owner = null, claim_until = null where id <= $1", [
    lastDue,
  ]);
  return [["a look that claims", claims]];
}

const lastDue = `gr_${String(DUE).padStart(16, "0")}`;

async function modelRow(world: BenchWorld, { keeper }: Models): Promise<string> {
  const rows = await world.inStore<{ row: string }>(
    // The fence is of that store's sequence; a new store begins its own.
    'select (to_jsonb(g) || \'{"seq": -1, "fence": 0}\')::text as row from grants g where id = $1',
    [keeper],
  );
  return rows[0]?.row ?? "{}";
}

async function makeSized(world: BenchWorld, { keeper }: Models, row: string, count: number): Promise<Sized> {
  const url = await createDatabase(world.store.superuserUrl, {
    database: `scale_${count}`,
    owner: "scale",
    password: "bench-scale",
  });
  const store = openStore(url, { connections: 1 });
  await migrate(store.pool);
  const superuser = new URL(world.store.superuserUrl);
  superuser.pathname = new URL(url).pathname;
  const client = new pg.Client({ connectionString: superuser.href });
  await client.connect();
  await client.query("set session_replication_role = replica");
  await client.query(
    "insert into grants overriding system value select * from jsonb_populate_record(null::grants, $1::jsonb)",
    [row],
  );
  await client.end();
  // They end within the weeks to come, as those of a large house do.
  const endsAt = "clock_timestamp() + interval '1 day' + (i % 1000003) * interval '1 second'";
  await makeManyGrants(superuser.href, {
    model: keeper,
    count,
    resource: `'resource-' || (i % ${RESOURCES})`,
    expiresAt: endsAt,
    dueAt: endsAt,
  });
  await store.pool.query("delete from grants where id = $1", [keeper]);
  return { count, url, store };
}

/** A server of its own on the largest store: after some idle seconds, after a page of grants and its figures were asked for. */
async function memoryBeside(world: BenchWorld, { url, count }: Sized): Promise<Line> {
  const server = await startServer(world, world.programs.package, join(world.dir, "scale"), { DATABASE_URL: url });
  try {
    await sleepUntil(nowMs() + IDLE_MS);
    const connection = new HttpConnection(server.url);
    for (const path of ["/v1/grants", "/metrics"])
      for (let call = 0; call < 5; call += 1) await connection.call("GET", path, world.token("carol"));
    connection.close();
    const value = Number(execFileSync("ps", ["-o", "rss=", "-p", String(server.pid)]).toString()) / 1_024;
    return {
      name: "reconciler-scale",
      measure: `memory beside ${count.toLocaleString("en")} active grants`,
      unit: "MB",
      ours: value,
      floor: null,
      value,
      target: { atMost: 300 },
      samples: 1,
    };
  } finally {
    await server.stop();
  }
}
