/** Timers and notifications only wake the reconciler: whether something is due is read in the store. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { DurationMs } from "../../src/base/duration.ts";
import { memory } from "../../src/connectors/memory.ts";
import { startReconciler } from "../../src/reconciler/driver.ts";
import { type Changes, hearChanges, onMoreThanRequests } from "../../src/store/changes.ts";
import { automatically, configuration, directoryResource, freshName, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

const DAY_MS = 86_400_000;

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

async function setting(t: TestContext): Promise<World> {
  const world = await createWorld({ server, t });
  world.directory.members.set("admins", new Set());
  const admins = { admins: { group: "admins", maxDurationMs: 366 * DAY_MS } };
  const resources = [directoryResource("dir", world.directoryName, admins)];
  await world.configure(configuration({ principals: [person("alice")], policies: [automatically("all")], resources }));
  return world;
}

test("row 15: a grant that ends later than a timer can wait is waited for without one, and ends by the store's time", async (t) => {
  const overflows: string[] = [];
  const hear = (warning: Error): void => {
    if (warning.name === "TimeoutOverflowWarning") overflows.push(warning.message);
  };
  process.on("warning", hear);
  t.after(() => process.off("warning", hear));
  const world = await setting(t);
  const reconciler = world.reconciler();
  const id = await world.granted("alice", "dir:admins", { durationMs: (40 * DAY_MS) as DurationMs });
  await world.grantWhen(id, ({ state }) => state === "active", "active");
  // It looks again and again, and has not mistaken an end that is far away for one that is now.
  for (const _ of [1, 2, 3]) {
    const lookedMs = reconciler.health().lastTickMs;
    await until(() => reconciler.health().lastTickMs !== lookedMs, { what: "another look" });
  }
  assert.equal((await world.grant(id)).state, "active");
  assert.deepEqual(world.members("admins"), ["alice"]);
  assert.deepEqual(overflows, []);
  await world.store.pool.query(
    "update grants set starts_at = starts_at - interval '41 days', expires_at = expires_at - interval '41 days', due_at = due_at - interval '41 days' where id = $1",
    [id],
  );
  await world.grantWhen(id, ({ state }) => state === "revoked", "revoked");
  assert.deepEqual(world.members("admins"), []);
});

const LISTENERS =
  "select pid from pg_stat_activity where application_name = 'tidegate changes' and datname = current_database()";

test("row 17: with the connection for notifications half-open, what another process changed is found by looking", async (t) => {
  const world = await setting(t);
  const changes = hearChanges(world.url);
  const reconciler = startReconciler({
    context: { ...world.context, wake: () => undefined },
    connectors: { byKind: new Map([[memory.kind, memory]]), resolve: (connection) => connection },
    owner: freshName("deaf"),
    log: () => undefined,
    pollMs: 200,
  });
  let heard = 0;
  const unsubscribe = changes.subscribe(() => {
    heard += 1;
    reconciler.wake();
  });
  let stopped: number | null = null;
  t.after(async () => {
    unsubscribe();
    if (stopped !== null) process.kill(stopped, "SIGCONT");
    await reconciler.stop(0);
    await changes.close();
  });
  await until(() => heard > 0, { what: "the first word of that connection" });
  const { rows } = await world.store.pool.query<{ pid: number }>(LISTENERS);
  stopped = rows[0]?.pid ?? assert.fail("there is no connection for notifications");
  const other = hearChanges(world.url);
  t.after(() => other.close());
  await hears(other);
  // Stopped, its server process says nothing more, and its socket stays open.
  process.kill(stopped, "SIGSTOP");
  heard = 0;
  const id = await world.granted("alice", "dir:admins");
  other.announce();
  await world.grantWhen(id, ({ state }) => state === "active", "active");
  assert.equal(heard, 0, "nobody told the reconciler");
});

/** Until it listens: what it hears first. */
async function hears(changes: Changes): Promise<void> {
  let heard = false;
  const stop = changes.subscribe(() => {
    heard = true;
  });
  await until(() => heard, { what: "the connection for notifications" });
  stop();
}

test("what changed is heard at once here and by every other process, in one word for all that changed meanwhile", async (t) => {
  const world = await setting(t);
  const [ours, other] = [hearChanges(world.url), hearChanges(world.url)];
  t.after(() => Promise.all([ours.close(), other.close()]));
  await Promise.all([hears(ours), hears(other)]);
  const heard = { ours: 0, other: 0 };
  ours.subscribe(() => {
    heard.ours += 1;
  });
  other.subscribe(() => {
    heard.other += 1;
  });
  for (let n = 0; n < 1_000; n += 1) ours.announce();
  assert.equal(heard.ours, 1_000, "here without a way to the store");
  await until(() => heard.other > 0, { what: "the word" });
  // What was announced after the first word was sent has one more.
  other.announce();
  await until(() => heard.ours > 1_000, { what: "a word from the other" });
  assert.ok(heard.other <= 3, `${heard.other} words`);
  assert.equal(heard.ours, 1_001, "nobody hears their own word");
});

test("whether only requests changed is said with the word; where anything else changed with them, that is what is said", async (t) => {
  const world = await setting(t);
  const [ours, other] = [hearChanges(world.url), hearChanges(world.url)];
  t.after(() => Promise.all([ours.close(), other.close()]));
  await Promise.all([hears(ours), hears(other)]);
  const heard = { ours: [] as string[], other: [] as string[] };
  ours.subscribe((changed) => heard.ours.push(changed));
  other.subscribe((changed) => heard.other.push(changed));
  let more = 0;
  const stop = onMoreThanRequests(other, () => {
    more += 1;
  });
  ours.announce("requests");
  await until(() => heard.other.length === 1, { what: "the word of a request" });
  // The first goes out by itself; what comes while it does is one word.
  for (const changed of ["requests", "requests", "anything", "requests"] as const) ours.announce(changed);
  await until(() => heard.other.includes("anything"), { what: "the word of anything" });
  assert.equal(heard.other[0], "requests");
  assert.equal(more, heard.other.filter((changed) => changed === "anything").length);
  assert.ok(more > 0);
  stop();
  assert.deepEqual(heard.ours, ["requests", "requests", "requests", "anything", "requests"]);
  // As a replica of the version before says it.
  heard.other.length = 0;
  await world.store.pool.query("notify tidegate_wake, 'de1e1aaa-4204-4ad6-8d97-83d86fede5a5'");
  await until(() => heard.other.length > 0, { what: "the word of an older replica" });
  assert.deepEqual(heard.other, ["anything"]);
});
