/** A page of grants over HTTP, against a bare Fastify route that runs the same query. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import type { BenchWorld } from "./bench-world.ts";
import { HttpConnection } from "./http-client.ts";
import { type Line, ratioLine } from "./numbers.ts";

const BARE_ROUTE = resolve(import.meta.dirname, "bare-route.ts");
const CONNECTIONS = 8;
const MEASURE_MS = 2_500;
const WARM_UP_MS = 1_500;
/** How many grants there are to page through: a page of the default size and some to leave out, and a busy year's. */
const STORES = [60, 1_000];

export async function http(world: BenchWorld, rounds: number): Promise<Line[]> {
  const lines: Line[] = [];
  for (const grants of STORES) {
    const count = await fill(world, grants);
    lines.push(await pageOf(world, rounds, count));
  }
  return lines;
}

async function pageOf(world: BenchWorld, rounds: number, grants: number): Promise<Line> {
  const bare = spawn(process.execPath, [BARE_ROUTE, world.storeUrl, world.configFile], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [said] = (await once(bare.stdout, "data")) as [Buffer];
  const floorUrl = said.toString().trim();
  const oursUrl = world.server?.url ?? "";
  const seen: { ours: number; floor: number }[] = [];
  await load(oursUrl, world.token("erin"), WARM_UP_MS);
  await load(floorUrl, world.token("erin"), WARM_UP_MS);
  for (let round = 0; round < rounds * 2; round += 1) {
    const ours = await load(oursUrl, world.token("erin"), MEASURE_MS);
    seen.push({ ours, floor: await load(floorUrl, world.token("erin"), MEASURE_MS) });
  }
  const ended = once(bare, "close");
  bare.kill("SIGTERM");
  await ended;
  const samples = Math.round(seen.reduce((sum, { ours }) => sum + (ours * MEASURE_MS) / 1_000, 0));
  const measure = `GET /v1/grants, 50 of ${grants.toLocaleString("en")}`;
  return ratioLine({ name: "http", measure, unit: "req/s", target: { atLeast: 0.6 }, samples }, seen);
}

/** Calls as fast as the answers come, on several connections. Answers how many a second. */
async function load(url: string, token: string, forMs: number): Promise<number> {
  const startedMs = performance.now();
  let answers = 0;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const connection = new HttpConnection(url);
      while (performance.now() - startedMs < forMs) {
        const { status, body } = await connection.call("GET", "/v1/grants", token);
        if (status !== 200) throw new Error(`${url} answered ${status}: ${body}`);
        answers += 1;
      }
      connection.close();
    }),
  );
  return answers / ((performance.now() - startedMs) / 1_000);
}

/** As many real grants of the caller, whatever ran before; answers how many there are now. */
async function fill(world: BenchWorld, wanted: number): Promise<number> {
  const [count] = await world.inStore<{ n: number }>("select count(*)::int as n from grants");
  const before = count?.n ?? 0;
  let made = before;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const connection = world.connection();
      while (made < wanted) {
        made += 1;
        await world.grantIs(connection, await world.request(connection, "2h"), "active");
      }
      connection.close();
    }),
  );
  // What autovacuum does within a minute, done now: until then the planner takes the tables for nearly empty.
  await world.inStore("analyze");
  return Math.max(before, made);
}
