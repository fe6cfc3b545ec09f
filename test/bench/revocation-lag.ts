/** From the end of a grant to the committed receipt, against the same SQL by a bare script on as many connections. */
import pg from "pg";
import { ask } from "../support/served.ts";
import { until } from "../support/until.ts";
import { type BenchWorld, type Commits, type Models, openCommits } from "./bench-world.ts";
import { type Line, nowMs, quantile, ratioLine, sleepUntil } from "./numbers.ts";
import { newStand, replay, type Stand } from "./replay.ts";

/** "It has ended" and the receipt: less cannot be committed by anybody who keeps a ledger. */
const COMMITS = 2;
/** As many grants as the reconciler works on at once on one target. */
const WORKERS = 8;

const SINGLE = { perRound: 12, spacingMs: 700, duration: "10s" };
const MANY = { grants: 200, aheadMs: 32_000 };

type Lags = { readonly ours: readonly number[]; readonly floor: readonly number[] };

export async function revocationLag(world: BenchWorld, models: Models, rounds: number): Promise<Line[]> {
  const single: Lags[] = [];
  const many: Lags[] = [];
  const commits = await openCommits(world, WORKERS);
  try {
    for (let round = 0; round < rounds; round += 1) single.push(await oneByOne(world, models, commits));
    // Each takes more than half a minute, most of it to give what is then taken away.
    for (let round = 0; round < Math.min(rounds, 2); round += 1) many.push(await sameSecond(world, models, commits));
  } finally {
    await commits.close();
  }
  return [line("1 grant, p99", single, 0.99), line("200 in the same second, p99", many, 0.99)];
}

const line = (measure: string, seen: readonly Lags[], q: number): Line =>
  ratioLine(
    {
      name: "revocation-lag",
      measure,
      unit: "ms",
      target: { atMost: 2 },
      samples: seen.reduce((sum, { ours }) => sum + ours.length, 0),
    },
    seen.map(({ ours, floor }) => ({ ours: quantile(ours, q), floor: quantile(floor, q) })),
  );

/** Grants that end one after the other, and between them the floor. */
async function oneByOne(world: BenchWorld, models: Models, commits: Commits): Promise<Lags> {
  const connection = world.connection();
  const stands = await makeStands(world, models, SINGLE.perRound);
  const ids: string[] = [];
  let next = nowMs();
  for (let i = 0; i < SINGLE.perRound; i += 1) {
    await sleepUntil(next);
    next += SINGLE.spacingMs;
    ids.push(await world.request(connection, SINGLE.duration));
  }
  connection.close();
  const floor: number[] = [];
  for (const [i, end] of (await endsOf(world, ids)).entries()) {
    await sleepUntil(end + SINGLE.spacingMs / 2);
    const startedMs = nowMs();
    await revokeStand(world, models, stands[i] as Stand, commits, 0);
    floor.push(nowMs() - startedMs);
  }
  return { ours: await lagsOf(world, ids), floor };
}

/** Many that end within one second. The floor's end at the same moments, on as many workers, before ours are due. */
async function sameSecond(world: BenchWorld, models: Models, commits: Commits): Promise<Lags> {
  const stands = await makeStands(world, models, MANY.grants);
  const endMs = nowMs() + MANY.aheadMs;
  const ids: string[] = [];
  const askers = Array.from({ length: 2 }, async () => {
    const connection = world.connection();
    while (ids.length < MANY.grants) {
      const place = ids.push("") - 1;
      ids[place] = await world.request(connection, `${Math.ceil((endMs - nowMs()) / 1_000)}s`);
    }
    connection.close();
  });
  await Promise.all(askers);
  await until(
    async () => {
      const waiting = await world.inStore("select 1 from grants where id = any($1) and state <> 'active' limit 1", [
        ids,
      ]);
      return waiting.length === 0;
    },
    { what: "200 grants to be active", timeoutMs: MANY.aheadMs },
  );
  const ends = await endsOf(world, ids);
  const firstMs = Math.min(...ends);
  const offsets = ends.map((end) => end - firstMs).toSorted((a, b) => a - b);
  const floor = await revokeStands(world, models, stands, offsets, commits);
  if (nowMs() > firstMs) throw new Error("the floor took so long that it met the grants it is compared with");
  return { ours: await lagsOf(world, ids), floor };
}

/** The floor's grants end at these offsets; as many workers as ours take whatever has ended. */
async function revokeStands(
  world: BenchWorld,
  models: Models,
  stands: readonly Stand[],
  offsets: readonly number[],
  commits: Commits,
): Promise<number[]> {
  const startMs = nowMs() + 100;
  const lags: number[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: WORKERS }, async (_, worker) => {
      for (let i = next++; i < stands.length; i = next++) {
        const dueMs = startMs + (offsets[i] ?? 0);
        await sleepUntil(dueMs);
        await revokeStand(world, models, stands[i] as Stand, commits, worker);
        lags.push(nowMs() - dueMs);
      }
    }),
  );
  return lags;
}

async function revokeStand(
  world: BenchWorld,
  models: Models,
  stand: Stand,
  commits: Commits,
  worker: number,
): Promise<void> {
  await commits.commit(worker, 1);
  await replay(models.revocation, stand, world.adminUrl);
  await commits.commit(worker, COMMITS - 1);
}

/** Logins like those of grants, made at once: how long that takes is not what is measured here. */
async function makeStands(world: BenchWorld, models: Models, count: number): Promise<Stand[]> {
  const [group] = await ask<{ rolname: string }>(
    world.target.superuserUrl,
    "select rolname from pg_roles where rolname like 'tgg\\_%'",
  );
  const made = models.access.steps.flatMap((step) =>
    step.did === "query" && /^(comment on|alter) role /.test(step.text) ? [step.text] : [],
  );
  if (group === undefined || made.length === 0) throw new Error("the captured life is not as expected");
  const client = new pg.Client({ connectionString: world.adminUrl.href });
  await client.connect();
  const stands = Array.from({ length: count }, () => newStand(models.access, models.role));
  for (const stand of stands) {
    await client.query(`create role ${stand.role} login inherit`);
    for (const text of made) await client.query(text.replaceAll(models.access.bareId, stand.bareId));
    await client.query(`grant ${group.rolname} to ${stand.role} with inherit true, set false`);
    const { rows } = await client.query<{ oid: number }>("select oid from pg_roles where rolname = $1", [stand.role]);
    stand.oid = rows[0]?.oid ?? null;
  }
  await client.end();
  return stands;
}

async function endsOf(world: BenchWorld, ids: readonly string[]): Promise<number[]> {
  const rows = await world.inStore<{ ends: number }>(
    "select extract(epoch from expires_at)::float8 * 1000 as ends from grants where id = any($1) order by expires_at",
    [ids],
  );
  return rows.map(({ ends }) => ends);
}

/** Waits until all are closed and nothing of them is due any more; answers how long after its end each receipt was committed. */
async function lagsOf(world: BenchWorld, ids: readonly string[]): Promise<number[]> {
  await until(
    async () =>
      (await world.inStore("select 1 from grants where id = any($1) and due_at is not null limit 1", [ids])).length ===
      0,
    { what: "the grants to be revoked and confirmed", timeoutMs: 120_000 },
  );
  const rows = await world.inStore<{ lag: number }>(
    `select extract(epoch from pg_xact_commit_timestamp(e.xmin) - g.expires_at)::float8 * 1000 as lag
       from grants g join audit_entries e on e.id = g.receipt_entry_id
      where g.id = any($1) and g.state = 'revoked' and g.ending ->> 'cause' = 'expired'`,
    [ids],
  );
  if (rows.length !== ids.length)
    throw new Error(`${ids.length - rows.length} of ${ids.length} grants did not end as they should`);
  return rows.map(({ lag }) => lag);
}
