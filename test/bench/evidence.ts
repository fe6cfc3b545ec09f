/** What auditors ask, of two hundred thousand grants of a year and the entries that tell of them. */
import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { GrantId } from "../../src/base/ids.ts";
import { createDatabase } from "../../src/store/embedded/create-database.ts";
import { type BenchWorld, OUR_NODE, startServer } from "./bench-world.ts";
import { HttpConnection } from "./http-client.ts";
import { type Line, median, timed } from "./numbers.ts";
import { makeYear, PERSON, RESOURCE } from "./year-of-grants.ts";

const GRANTS = 200_000;
const DAY_MS = 86_400_000;
const AUDITOR = "carol";

export async function evidence(world: BenchWorld, rounds: number): Promise<Line[]> {
  const named = { owner: "bench_evidence", password: "bench-store", database: "bench_evidence" };
  const storeUrl = await createDatabase(world.store.superuserUrl, named);
  const superuserUrl = new URL(world.store.superuserUrl);
  superuserUrl.pathname = "/bench_evidence";
  const serve = () =>
    startServer(world, world.programs.package, join(world.dir, "evidence"), { DATABASE_URL: storeUrl });
  let server = await serve();
  try {
    const models = await lives(world, server.url);
    await server.stop();
    const entries = await makeYear(storeUrl, superuserUrl.href, { models, grants: GRANTS });
    console.log(`  ${GRANTS} grants, ${entries} entries`);
    server = await serve();
    return await measured(world, server.url, rounds);
  } finally {
    await server.stop();
  }
}

type Life = {
  readonly entitlement: string;
  readonly more: object;
  readonly approve: string | null;
  readonly use: boolean;
};
/** Approved by a rule and used; approved by somebody and not used; an emergency that was reviewed. */
const LIVES: readonly [Life, Life, Life] = [
  { entitlement: "orders-db:read", more: { ticket: "INC-42" }, approve: null, use: true },
  { entitlement: "orders-db:read", more: {}, approve: "bob", use: false },
  { entitlement: "orders-db:fix", more: { emergency: true, duration: "30m" }, approve: null, use: true },
];

async function lives(world: BenchWorld, url: string): Promise<[GrantId, GrantId, GrantId]> {
  const connection = new HttpConnection(url);
  const post = async <T>(who: string, path: string, body: object): Promise<T> => {
    const answer = await connection.call("POST", path, world.token(who), body);
    if (answer.status >= 300) throw new Error(`POST ${path} was answered ${answer.status}: ${answer.body}`);
    return JSON.parse(answer.body) as T;
  };
  const lived: GrantId[] = [];
  for (const { entitlement, more, approve, use } of LIVES) {
    const asked = { entitlement, reason: "checkouts fail since noon", duration: "1h", ...more };
    const { id } = await post<{ id: string }>("erin", "/v1/requests", asked);
    if (approve !== null)
      await post(approve, `/v1/requests/${id}/reviews`, { verdict: "approve", comment: "go ahead" });
    const request = await connection.call("GET", `/v1/requests/${id}`, world.token("erin"));
    const { grantId, emergency } = JSON.parse(request.body) as { grantId: GrantId; emergency: boolean };
    await world.grantIs(connection, grantId, "active");
    if (use) await post("erin", `/v1/grants/${grantId}/credential`, {});
    await post("erin", `/v1/grants/${grantId}/revoke`, { reason: "seen enough" });
    await world.grantIs(connection, grantId, "revoked");
    if (emergency) {
      const verdict = { verdict: "justified", comment: "it was one" };
      await post(AUDITOR, `/v1/requests/${id}/emergency-review`, verdict);
    }
    lived.push(grantId);
  }
  connection.close();
  return lived as [GrantId, GrantId, GrantId];
}

async function measured(world: BenchWorld, url: string, rounds: number): Promise<Line[]> {
  const now = Date.now();
  const daysAgo = (days: number): string => new Date(now - days * DAY_MS).toISOString();
  const [year, month, quarter] = [
    { from: daysAgo(367), until: daysAgo(0) },
    { from: daysAgo(120), until: daysAgo(90) },
    { from: daysAgo(200), until: daysAgo(110) },
  ];
  const connection = new HttpConnection(url);
  const page = async (query: Record<string, string>): Promise<number> => {
    const samples: number[] = [];
    for (let round = 0; round < rounds; round += 1)
      samples.push(
        await timed(async () => {
          const asked = `/v1/evidence?${new URLSearchParams(query)}`;
          const { status, body } = await connection.call("GET", asked, world.token(AUDITOR));
          if (status !== 200 || !body.includes('"what"'))
            throw new Error(`${asked} was answered ${status}: ${body.slice(0, 500)}`);
        }),
      );
    console.log(`  ${query["question"]}: ${samples.map(Math.round).join(", ")} ms`);
    return median(samples);
  };
  const line = (measure: string, ours: number, atMost: number): Line => ({
    ...{ name: "evidence", measure, unit: "ms", ours, floor: null, value: ours, target: { atMost }, samples: rounds },
  });
  const others = [
    { question: "person", of: PERSON, ...month },
    { question: "person", of: PERSON, ...year },
    { question: "approvals", ...month },
    { question: "approvals", of: "bob", ...month },
    { question: "approvals", of: "bob", ...year },
    { question: "emergencies", ...month },
    { question: "unused", ...month },
    // The configuration is as young as the bench.
    { question: "policy", ...year },
    { question: "totals", ...month },
  ];
  const lines = [
    line("a month's endings, first page", await page({ question: "endings", ...month, cursor: "0" }), 500),
    line("times of all endings of a year", await page({ question: "endings", ...year }), 5_000),
    line(
      "access to a resource in a month, first page",
      await page({ question: "access", of: RESOURCE, ...month }),
      500,
    ),
  ];
  let slowest = 0;
  for (const query of others) slowest = Math.max(slowest, await page(query));
  lines.push(line("slowest first page of the other questions", slowest, 1_000));
  connection.close();
  lines.push(line("report of a quarter", await report(world, url, quarter), 20_000));
  return lines;
}

async function report(
  world: BenchWorld,
  url: string,
  { from, until }: { from: string; until: string },
): Promise<number> {
  const out = join(world.dir, "report.md");
  const args = ["evidence", "report", "--from", from, "--until", until, "--out", out];
  const env = { ...process.env, ...OUR_NODE, TIDEGATE_URL: url, TIDEGATE_TOKEN: world.token(AUDITOR) };
  const ms = await timed(() => promisify(execFile)(world.programs.package, args, { env }));
  rmSync(out);
  return ms;
}
