/** What a process does with what it knows while its own store is away, and what the store hears of it afterwards. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import pg from "pg";
import { bootNow } from "../../src/base/boot.ts";
import { systemChance } from "../../src/base/chance.ts";
import { systemTimers } from "../../src/base/clock.ts";
import type { DurationMs } from "../../src/base/duration.ts";
import { TargetError } from "../../src/connector/connector.ts";
import { memory } from "../../src/connectors/memory.ts";
import { recordShut } from "../../src/operations/record-shut.ts";
import { type Journal, type JournalEvent, type JournalOptions, startJournal } from "../../src/reconciler/journal.ts";
import { openJournalFile } from "../../src/reconciler/journal-file.ts";
import { journalSource } from "../../src/store/journal-source.ts";
import { automatically, configuration, directoryResource, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

/** Long enough for everything before the store goes away, on a machine that has other things to do. */
const SOON = 12_000 as DurationMs;
/** Longer than from one reading to the next: while the store is there it is never away. */
const AWAY_AFTER_MS = 3_000;

async function setting(t: TestContext) {
  const world = await createWorld({ server, t });
  for (const group of ["admins", "readers"]) world.directory.members.set(group, new Set());
  const entitlements = { admins: { group: "admins" }, readers: { group: "readers" } };
  await world.configure(
    configuration({
      principals: [person("alice"), person("bob")],
      policies: [automatically("all")],
      resources: [directoryResource("dir", world.directoryName, entitlements)],
    }),
  );
  const dir = mkdtempSync(join(tmpdir(), "tidegate-journal-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, "journal");
  const said: JournalEvent[] = [];
  const start = async (more: Partial<JournalOptions> = {}): Promise<Journal> => {
    const journal = await startJournal({
      source: journalSource(world.url, world.context.sealing),
      report: (shut) => recordShut(world.context, shut),
      file: more.file ?? (await openJournalFile(path)),
      sealing: world.context.sealing,
      installation: world.context.installation,
      connectors: { byKind: new Map([[memory.kind, memory as never]]), resolve: (connection) => connection },
      clock: systemTimers,
      chance: systemChance,
      bootNow,
      log: (event) => void said.push(event),
      awayAfterMs: AWAY_AFTER_MS,
      ...more,
    });
    t.after(() => journal.stop());
    journal.wake();
    await journal.firstRead();
    return journal;
  };
  const whats = () => said.map(({ what }) => what);
  return { world, path, said, whats, start };
}

/** Nobody gets into the store any more, and who was in is thrown out. */
async function takeAway(world: World): Promise<() => Promise<void>> {
  const name = new URL(world.url).pathname.slice(1);
  const admin = new URL(world.superuserUrl);
  admin.pathname = "/postgres";
  const run = async (...statements: string[]): Promise<void> => {
    const client = new pg.Client({ connectionString: admin.href });
    await client.connect();
    for (const statement of statements) await client.query(statement);
    await client.end();
  };
  await run(
    `alter database "${name}" allow_connections false`,
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
  );
  return () => run(`alter database "${name}" allow_connections true`);
}

const active = async (world: World, handle: string, ref: string, durationMs: number) => {
  const id = await world.granted(handle, ref, { durationMs: durationMs as DurationMs });
  await world.grantWhen(id, ({ state }) => state === "active", "active");
  return id;
};
const HOUR_MS = 3_600_000;
const isAway = (journal: Journal) => until(() => journal.away(), { what: "the journal to see that the store is away" });
const left = (world: World, group: string, handle: string) =>
  until(() => !world.members(group).includes(handle), { what: `${handle} to be out of ${group}` });

/** As one replica that lost the store after its first look, while the others have it. */
function stale(world: World): Pick<ReturnType<typeof journalSource>, "read"> {
  const source = journalSource(world.url, world.context.sealing);
  let read = false;
  return {
    async read(...asked) {
      if (read) throw new Error("no way to the store");
      read = true;
      const endings = await source.read(...asked);
      await source.close();
      return endings;
    },
  };
}

test("what a journal reads again is as the store has it, whatever it has read before", async (t) => {
  const { world } = await setting(t);
  const source = journalSource(world.url, world.context.sealing);
  t.after(() => source.close());
  const reconciler = world.reconciler();
  const isAsFresh = async (what: string): Promise<void> => {
    const fresh = journalSource(world.url, world.context.sealing);
    const [{ databaseMs: _again, ...again }, { databaseMs: _now, ...now }] = [
      await source.read(2 * HOUR_MS, 100),
      await fresh.read(2 * HOUR_MS, 100),
    ];
    await fresh.close();
    assert.deepEqual(again, now, what);
  };
  await isAsFresh("nothing yet");
  const first = await active(world, "alice", "dir:admins", HOUR_MS);
  await isAsFresh("one");
  const second = await active(world, "alice", "dir:admins", HOUR_MS + 60_000);
  await isAsFresh("another grant covers it");
  await world.store.db
    .updateTable("leases")
    .set({ details: JSON.stringify({ seen: true }) })
    .where("grant_id", "=", first)
    .execute();
  await isAsFresh("its connector remembered something");
  await reconciler.stop();
  const { revokeGrant } = await import("../../src/operations/revoke-grant.ts");
  await revokeGrant(world.context, await world.principal("alice"), second, "done");
  await isAsFresh("the other is being ended");
  const again = world.reconciler();
  await world.grantWhen(second, ({ state }) => state === "revoked", "revoked");
  await again.stop();
  await isAsFresh("the other has ended");
  assert.equal((await source.read(2 * HOUR_MS, 100)).leases.length, 1);
});

// Most of the time is waiting for ends.
describe("a journal", { concurrency: 3 }, () => {
  test("row 6: while the store is away a grant that ends is shut and no other; back, it is told first, and the grant is proven as ever", async (t) => {
    const { world, start, whats } = await setting(t);
    const reconciler = world.reconciler();
    const [ends, stays] = [
      await active(world, "alice", "dir:admins", SOON),
      await active(world, "bob", "dir:admins", HOUR_MS),
    ];
    const journal = await start();
    assert.equal(journal.away(), null);
    const giveBack = await takeAway(world);
    await isAway(journal);
    await left(world, "admins", "alice");
    assert.deepEqual(world.members("admins"), ["bob"]);
    await until(() => journal.away()?.shut === 1, { what: "the journal to say so" });
    await giveBack();
    const grant = await world.grantWhen(ends, ({ state }) => state === "revoked", "revoked");
    assert.ok(grant.state === "revoked" && grant.ending.cause === "expired" && grant.receipt.evidence.kind === "gone");
    await until(() => journal.away() === null, { what: "the store to be back" });
    assert.equal((await world.grant(stays)).state, "active");
    const entries = (await world.entries()).map(({ leaf }) => leaf).filter(({ refs }) => refs.grant === ends);
    const shut = entries.find(({ kind }) => kind === "grant.shut");
    assert.deepEqual(shut?.actor, { system: "journal" });
    assert.ok(Date.parse(String(shut?.data["shutAt"])) >= (grant.expiresMs ?? 0), "not before its end");
    assert.ok(whats().includes("store-away") && whats().includes("journal-shut") && whats().includes("store-back"));
    await reconciler.stop();
  });

  test("row 6: a process that is started while the store is away shuts what its file says, and what it shut is told when the store is back", async (t) => {
    const { world, start, path } = await setting(t);
    const reconciler = world.reconciler();
    const ends = await active(world, "alice", "dir:admins", SOON);
    await (await start()).stop();
    await reconciler.stop();
    assert.doesNotMatch(readFileSync(path, "latin1"), /alice|admins|directory/, "nothing of it is in the clear");
    const giveBack = await takeAway(world);
    const alone = await start({ source: null, installation: null, report: () => assert.fail("there is no store") });
    assert.ok(alone.away()?.lines === 1, "it is away from the first moment");
    await left(world, "admins", "alice");
    await until(() => alone.away()?.shut === 1, { what: "the journal to say so" });
    await alone.stop();
    await giveBack();
    await start();
    assert.equal((await world.grant(ends)).state, "revoking", "before anything else works on it");
    const again = world.reconciler();
    await world.grantWhen(ends, ({ state }) => state === "revoked", "revoked");
    await again.stop();
    const kinds = (await world.entries()).filter(({ leaf }) => leaf.refs.grant === ends).map(({ leaf }) => leaf.kind);
    assert.equal(kinds.filter((kind) => kind === "grant.shut").length, 1);
  });

  test("row 6: a grant that was extended behind the journal's back and shut at its earlier end is never active again", async (t) => {
    const { world, start } = await setting(t);
    const reconciler = world.reconciler();
    const id = await active(world, "alice", "dir:admins", SOON);
    const journal = await start({ source: { ...stale(world), close: async () => undefined } });
    await reconciler.stop();
    await world.store.db
      .updateTable("grants")
      .set({
        expires_at: new Date(Date.now() + HOUR_MS).toISOString(),
        due_at: new Date(Date.now() + HOUR_MS).toISOString(),
      })
      .where("id", "=", id)
      .execute();
    await isAway(journal);
    await left(world, "admins", "alice");
    await until(() => journal.away()?.shut === 1, { what: "the journal to say so" });
    await journal.stop();
    await start();
    const grant = await world.grant(id);
    assert.ok(grant.state === "revoking" && grant.ending.cause === "revoked", JSON.stringify(grant));
    assert.match(grant.ending.reason, /earlier end while Tidegate's store was away/);
  });

  test("row 6: a right that others hold longer is kept until the last of them ends", async (t) => {
    const { world, start } = await setting(t);
    const reconciler = world.reconciler();
    const first = await active(world, "alice", "dir:admins", SOON);
    const journal = await start();
    const second = await active(world, "alice", "dir:admins", SOON + 8_000);
    journal.wake();
    await until(() => journal.state().grants === 2, { what: "both in the journal" });
    const giveBack = await takeAway(world);
    await until(() => journal.away()?.shut === 1, { what: "the first to be shut" });
    assert.deepEqual(world.members("admins"), ["alice"], "the second grant still holds it");
    await left(world, "admins", "alice");
    await until(() => journal.away()?.shut === 2, { what: "the second to be shut" });
    await giveBack();
    for (const id of [first, second]) await world.grantWhen(id, ({ state }) => state === "revoked", "revoked");
    await reconciler.stop();
  });

  test("row 6: a target that does not answer is tried until it does; what was standing is kept", async (t) => {
    const { world, start, said } = await setting(t);
    const reconciler = world.reconciler();
    world.directory.members.get("readers")?.add("bob");
    await active(world, "alice", "dir:admins", SOON);
    await active(world, "bob", "dir:readers", SOON);
    const journal = await start();
    await takeAway(world);
    let down = true;
    world.directory.fail = (verb) => {
      if (down && verb === "disable") throw new TargetError("unreachable", "the directory is down");
    };
    await until(() => said.some(({ what }) => what === "journal-cannot-shut"), { what: "an attempt" });
    assert.ok(journal.away() !== null);
    down = false;
    await left(world, "admins", "alice");
    await until(() => journal.away()?.shut === 2, { what: "both to be shut" });
    assert.deepEqual(world.members("readers"), ["bob"], "it stood there before us");
    await reconciler.stop(0);
  });

  test("row 6: a grant that is being ended when the store goes away is shut at once, whatever its end", async (t) => {
    const { world, start } = await setting(t);
    const reconciler = world.reconciler();
    const id = await active(world, "alice", "dir:admins", HOUR_MS);
    await reconciler.stop();
    const { revokeGrant } = await import("../../src/operations/revoke-grant.ts");
    await revokeGrant(world.context, await world.principal("alice"), id, "done");
    await start({ horizonMs: 60_000 });
    await takeAway(world);
    await left(world, "admins", "alice");
  });

  test("row 6: a journal of another installation is not obeyed", async (t) => {
    const [one, other] = [await setting(t), await setting(t)];
    const reconciler = one.world.reconciler();
    await active(one.world, "alice", "dir:admins", HOUR_MS);
    await (await one.start()).stop();
    await reconciler.stop();
    const giveBack = await takeAway(other.world);
    const journal = await other.start({ file: await openJournalFile(one.path) });
    assert.equal((await isAway(journal)).lines, 0);
    await giveBack();
    await until(() => journal.away() === null, { what: "the store to be back" });
  });
});
