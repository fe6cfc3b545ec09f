/** A provider that tells of a large organisation by SCIM, and of somebody who leaves it with fifty grants. */
import { randomBytes } from "node:crypto";
import { type BenchWorld, type Commits, type Models, openCommits, SCIM_TOKEN } from "./bench-world.ts";
import { forgetGrants, makeEndingGrants, makeStands } from "./ending-grants.ts";
import type { HttpConnection } from "./http-client.ts";
import { type Line, nowMs, ratioLine, sleepUntil, timed } from "./numbers.ts";
import { revokeStands, WORKERS } from "./revocation-lag.ts";

const USERS = 10_000;
const GROUPS = 500;
const MEMBERS = 20;
/** Calls that are under way at once: providers send several. */
const CONNECTIONS = 12;
const GRANTS = 50;
/** However many are asked for: the first after other work takes longer, and making fifty logins takes as long as ending them. */
const LEAVING_ROUNDS = 3;
const DONE_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 100;

export async function scim(world: BenchWorld, models: Models): Promise<Line[]> {
  const left = await world.notingEntries(() => leaving(world, models));
  return [left, await synchronised(world)];
}

const person = (name: string) => ({ userName: `${name}@bench.example`, externalId: name, displayName: name });

async function told(connection: HttpConnection, method: string, path: string, body: unknown): Promise<{ id: string }> {
  const answer = await connection.call(method, `/scim/v2${path}`, SCIM_TOKEN, body);
  if (answer.status >= 300) throw new Error(`${method} ${path} was answered ${answer.status}: ${answer.body}`);
  return (answer.body === "" ? {} : JSON.parse(answer.body)) as { id: string };
}

/** Everybody, then every group with its members, as at the first time that a provider is connected. */
async function synchronised(world: BenchWorld): Promise<Line> {
  const connections = Array.from({ length: CONNECTIONS }, () => world.connection());
  const each = async (count: number, work: (connection: HttpConnection, n: number) => Promise<void>): Promise<void> => {
    let next = 0;
    await Promise.all(
      connections.map(async (connection) => {
        for (let n = next++; n < count; n = next++) await work(connection, n);
      }),
    );
  };
  const run = randomBytes(4).toString("hex");
  const ids: string[] = [];
  const ms = await timed(async () => {
    await each(USERS, async (connection, n) => {
      ids[n] = (await told(connection, "POST", "/Users", person(`p${n}-${run}`))).id;
    });
    await each(GROUPS, async (connection, n) => {
      const members = Array.from({ length: MEMBERS }, (_, i) => ({ value: ids[(n * MEMBERS + i) % USERS] }));
      await told(connection, "POST", "/Groups", { displayName: `g${n}-${run}`, members });
    });
  });
  for (const connection of connections) connection.close();
  const ours = ((USERS + GROUPS) * 1_000) / ms;
  const measure = `${USERS.toLocaleString("en")} users and ${GROUPS} groups of ${MEMBERS}`;
  const named = { name: "scim", measure, unit: "/s" as const, samples: USERS + GROUPS };
  return { ...named, ours, floor: null, value: ours, target: { atLeast: 300 } };
}

async function leaving(world: BenchWorld, models: Models): Promise<Line> {
  const commits = await openCommits(world, WORKERS);
  const seen: { ours: number; floor: number }[] = [];
  try {
    for (let round = 0; round < LEAVING_ROUNDS; round += 1) seen.push(await leavesOnce(world, models, commits));
  } finally {
    await commits.close();
  }
  const measure = `deactivated with ${GRANTS} grants, until all are verified gone`;
  return ratioLine(
    { name: "scim", measure, unit: "ms", target: { atMost: 1.5 }, samples: LEAVING_ROUNDS * GRANTS },
    seen,
  );
}

async function leavesOnce(
  world: BenchWorld,
  models: Models,
  commits: Commits,
): Promise<{ ours: number; floor: number }> {
  const stands = await makeStands(world, models, GRANTS);
  const floor = Math.max(
    ...(await revokeStands(
      world,
      models,
      stands,
      stands.map(() => 0),
      commits,
    )),
  );
  const connection = world.connection();
  const name = `leaver-${randomBytes(4).toString("hex")}`;
  const { id } = await told(connection, "POST", "/Users", person(name));
  const inTwoHours = "clock_timestamp() + interval '2 hours'";
  const grants = await makeEndingGrants(world, models, { count: GRANTS, withLogins: GRANTS, endsAt: inTwoHours });
  await world.inStore(
    "update grants set principal_id = (select id from principals where handle = $2) where id = any($1)",
    [grants, name],
  );
  const startMs = nowMs();
  await told(connection, "PATCH", `/Users/${id}`, { Operations: [{ op: "Replace", path: "active", value: "False" }] });
  const ours = (await lastReceipt(world, grants)) - startMs;
  connection.close();
  await forgetGrants(world, grants);
  return { ours, floor };
}

/** When the last of them was seen to be gone, as the store committed it; nothing of them is due any more then. */
async function lastReceipt(world: BenchWorld, grants: readonly string[]): Promise<number> {
  const lastMs = nowMs() + DONE_WITHIN_MS;
  const waiting = "select 1 from grants where id = any($1) and due_at is not null limit 1";
  while ((await world.inStore(waiting, [grants])).length > 0) {
    if (nowMs() > lastMs) throw new Error(`the grants were not revoked and confirmed in ${DONE_WITHIN_MS} ms`);
    await sleepUntil(nowMs() + LOOK_EVERY_MS);
  }
  const [row] = await world.inStore<{ last: number; count: number }>(
    `select max(extract(epoch from pg_xact_commit_timestamp(e.xmin)))::float8 * 1000 as last, count(*)::int as count
       from grants g join bench_written e on e.entry_id = g.receipt_entry_id
      where g.id = any($1) and g.state = 'revoked' and g.ending ->> 'cause' = 'deactivated'`,
    [grants],
  );
  if (row?.count !== grants.length) throw new Error(`${row?.count} of ${grants.length} grants ended as they should`);
  return row.last;
}
