import { ask } from "../support/served.ts";
import { BenchWorld, captureLife } from "./bench-world.ts";
import { makeEndingGrants } from "./ending-grants.ts";
import { nowMs, quantile, sleepUntil } from "./numbers.ts";
import { processorTime, processorTimeEach } from "./processor-time.ts";

const N = Number(process.argv[2] ?? 200);
const world = await BenchWorld.start();
try {
  await world.serve();
  const models = await captureLife(world);
  const su = new URL(world.store.superuserUrl);
  su.pathname = "/tidegate";
  if (process.env.PGSS) await ask(su.href, "create extension if not exists pg_stat_statements");
  const ids = await makeEndingGrants(world, models, {
    count: N,
    withLogins: N,
    endsAt: `to_timestamp(${nowMs() / 1000 + 4 + N / 40} + (i - 1)::float8 / ${N})`,
  });
  const [row] = await world.inStore<{ m: number }>(
    "select extract(epoch from min(expires_at))::float8*1000 as m from grants where id = any($1)",
    [ids],
  );
  await sleepUntil(row!.m - 30);
  if (process.env.PGSS) await ask(su.href, "select pg_stat_statements_reset()");
  const before = await processorTime(world);
  for (;;) {
    const [left] = await world.inStore<{ n: number }>(
      "select count(*)::int as n from grants where id = any($1) and state in ('active','revoking')",
      [ids],
    );
    if (left!.n === 0) break;
    await sleepUntil(nowMs() + 500);
  }
  console.log("closed", processorTimeEach(before, await processorTime(world), N));
  if (process.env.PGSS) {
    const rows = await ask<{ calls: number; ms: number; q: string }>(
      su.href,
      "select calls::int, round(total_exec_time + total_plan_time)::int as ms, left(regexp_replace(query, '\\s+', ' ', 'g'), 110) as q from pg_stat_statements order by total_exec_time desc limit 32",
    );
    for (const r of rows) console.log(String(r.calls).padStart(6), String(r.ms).padStart(6), r.q);
    const [t] = await ask<{ c: number; ms: number }>(
      su.href,
      "select sum(calls)::int as c, sum(total_exec_time)::int as ms from pg_stat_statements",
    );
    console.log("total", t);
  }
  const rows = await world.inStore<{ lag: number }>(
    `select extract(epoch from pg_xact_commit_timestamp(e.xmin) - g.expires_at)::float8 * 1000 as lag from grants g join audit_entries e on e.id = g.receipt_entry_id where g.id = any($1) and g.state = 'revoked'`,
    [ids],
  );
  console.log(
    "p50",
    quantile(
      rows.map((r) => r.lag),
      0.5,
    ),
    "p99",
    quantile(
      rows.map((r) => r.lag),
      0.99,
    ),
    rows.length,
  );
  for (;;) {
    const [left] = await world.inStore<{ n: number }>(
      "select count(*)::int as n from grants where id = any($1) and due_at is not null",
      [ids],
    );
    if (left!.n === 0) break;
    await sleepUntil(nowMs() + 500);
  }
  console.log("confirmed", processorTimeEach(before, await processorTime(world), N));
} finally {
  await world.stop();
}
