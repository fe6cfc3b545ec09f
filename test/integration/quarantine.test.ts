/** A store that may be older than what has happened, or another one: seen at the start and while it runs, obeyed by all. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import pg from "pg";
import { recover } from "../../src/admin/recover.ts";
import { newInstallationId } from "../../src/base/ids.ts";
import { isRefusal } from "../../src/base/problem.ts";
import { type HeadLog, holdAgainstHead, holdAtStart } from "../../src/jobs/hold-against-head.ts";
import { enterQuarantine } from "../../src/operations/enter-quarantine.ts";
import { leaveQuarantine } from "../../src/operations/leave-quarantine.ts";
import { sequenceAll } from "../../src/store/audit.ts";
import { checkpointFile, headNow, keepHead, signHead, signRecovery } from "../../src/store/audit-head.ts";
import { loadSigningKeys, type SigningKey } from "../../src/store/keys/signing-key.ts";
import { quarantineNow } from "../../src/store/quarantine.ts";
import { automatically, configuration, directoryResource, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const NOTICED = { why: "somebody said so", facts: {} };

async function setting(t: TestContext) {
  const world = await createWorld({ server, t });
  world.directory.members.set("readers", new Set());
  const resources = [directoryResource("vault", world.directoryName, { read: { group: "readers" } })];
  const principals = [person("alice"), person("bob")];
  await world.configure(configuration({ principals, policies: [automatically("all")], resources }));
  const dataDir = mkdtempSync(join(tmpdir(), "tidegate-quarantine-"));
  chmodSync(dataDir, 0o711);
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const said: string[] = [];
  const log: HeadLog = (level, what) => void said.push(`${level}: ${what}`);
  const keep = async (change: { installation?: string; size?: number } = {}): Promise<void> => {
    await sequenceAll(world.store.db);
    const now = await headNow(world.store.db, world.context.installation);
    await keepHead(dataDir, signHead({ ...now, ...change }, loadSigningKeys(dataDir, {})[0]));
  };
  const kinds = async () => (await world.entries()).map(({ leaf }) => leaf.kind);
  return { world, dataDir, said, log, keep, kinds };
}

const why = async ({ store }: World): Promise<string | null> => (await quarantineNow(store.db))?.why ?? null;

test("row 41: a store of another installation beside a kept head is put in quarantine", async (t) => {
  const { world, dataDir, log, keep, said } = await setting(t);
  await keep({ installation: newInstallationId() });
  await holdAtStart(world.context, dataDir, log);
  assert.match((await why(world)) ?? "", /of the installation \w+, and this store is of/);
  assert.match(said.join(), /error: quarantine/);
});

test("row 9: a store that gets older under a running server is put in quarantine once, and the head that shows it stays", async (t) => {
  const { world, dataDir, log, keep, said } = await setting(t);
  const grant = await world.granted("alice", "vault:read");
  await keep();
  assert.notEqual(await holdAgainstHead(world.context, dataDir, log), null);
  const { size } = await headNow(world.store.db, world.context.installation);
  await keep({ size: size + 100 });
  for (const _ of [1, 2]) assert.equal(await holdAgainstHead(world.context, dataDir, log), null);
  assert.match((await why(world)) ?? "", /signed at position \d+ .* and the log in the store ends at/);
  assert.equal(said.length, 1);
  assert.deepEqual(readdirSync(join(dataDir, "heads")), ["checkpoint", "keys"]);
  assert.equal((await world.grant(grant)).state, "cancelled");
});

test("row 9: a head that cannot be believed puts the store in quarantine; one that is missing beside a log that is not new is an alarm that stays", async (t) => {
  const { world, dataDir, log, said, kinds } = await setting(t);
  await world.granted("alice", "vault:read");
  await sequenceAll(world.store.db);
  await holdAtStart(world.context, dataDir, log);
  assert.equal(await why(world), null);
  assert.match(said.join(), /error: no head of the audit log/);
  assert.ok((await kinds()).includes("store.head-missing"));
  await keepHead(
    dataDir,
    signHead(await headNow(world.store.db, world.context.installation), loadSigningKeys(dataDir, {})[0]),
  );
  writeFileSync(checkpointFile(dataDir), "nothing\n");
  await holdAtStart(world.context, dataDir, log);
  assert.match((await why(world)) ?? "", /does not hold a checkpoint/);
});

/** As `tidegate recover` does, where it finds the signing key of this folder. */
async function leave({ context, store }: World, dataDir: string): Promise<string> {
  await sequenceAll(store.db);
  const note = signRecovery(await headNow(store.db, context.installation), loadSigningKeys(dataDir, {})[0]);
  await leaveQuarantine(context, "looked into it", note);
  return note;
}

test("row 9: a replica whose head is from before the recovery puts it aside; one from afterwards counts", async (t) => {
  const { world, dataDir, log, keep } = await setting(t);
  await keep({ size: 10_000 });
  await enterQuarantine(world.context, NOTICED);
  await leave(world, dataDir);
  assert.equal((await holdAgainstHead(world.context, dataDir, log))?.kept, null);
  assert.equal(await why(world), null);
  assert.match(readdirSync(join(dataDir, "heads")).join(), /head-before-/);
  await keep({ size: 10_000 });
  assert.equal(await holdAgainstHead(world.context, dataDir, log), null);
  assert.notEqual(await why(world), null);
});

test("row 9: whoever leaves a quarantine where the signing key is settles it for other replicas, and elsewhere is told that they do not", async (t) => {
  const { world, dataDir, log, keep } = await setting(t);
  const nowhere = mkdtempSync(join(tmpdir(), "tidegate-no-key-"));
  t.after(() => rmSync(nowhere, { recursive: true }));
  const beside = { databaseUrl: world.url, reason: "restored last night", althoughOpen: true, json: false, env: {} };
  await keep({ size: 10_000 });
  await enterQuarantine(world.context, NOTICED);
  const unsigned = await recover({ ...beside, dataDir: nowhere });
  assert.match(unsigned.text, /Out of quarantine.* not signed: there is no signing key here.*leave beside each/s);
  assert.deepEqual(readdirSync(nowhere), [], "no key is made for that");
  assert.equal(await holdAgainstHead(world.context, dataDir, log), null);
  // The key of this folder, beside another replica's head.
  const other = mkdtempSync(join(tmpdir(), "tidegate-recovered-at-"));
  t.after(() => rmSync(other, { recursive: true }));
  const key = readFileSync(join(dataDir, "keys", "signing.key"), "utf8");
  const signed = await recover({ ...beside, dataDir: other, env: { TIDEGATE_SIGNING_KEY: key } });
  assert.doesNotMatch(signed.text, /not signed/);
  assert.equal((await holdAgainstHead(world.context, dataDir, log))?.kept, null);
  assert.equal(await why(world), null);
});

/** What somebody may write into the store who can write there and has no signing key. */
const SAID_IN_THE_STORE: Record<string, (note: string, world: World, key: SigningKey) => Promise<string | null>> = {
  "by a row alone": async () => null,
  "by what is no note": async () => "recovered, said the DBA",
  "by a note that another key signed": async (_note, { store, context }) => {
    const other = mkdtempSync(join(tmpdir(), "tidegate-other-key-"));
    const note = signRecovery(await headNow(store.db, context.installation), loadSigningKeys(other, {})[0]);
    rmSync(other, { recursive: true });
    return note;
  },
  "by a note that was changed": async (note) => note.replace(/\n\d+\n/, "\n3\n"),
  "by a checkpoint of ours": async (_note, { store, context }, key) =>
    signHead(await headNow(store.db, context.installation), key).note,
};
for (const [how, said] of Object.entries(SAID_IN_THE_STORE))
  test(`row 9: that a quarantine was left is not believed ${how}`, async (t) => {
    const { world, dataDir, log, keep } = await setting(t);
    await keep({ size: 10_000 });
    await sequenceAll(world.store.db);
    const [key] = loadSigningKeys(dataDir, {});
    const note = signRecovery(await headNow(world.store.db, world.context.installation), key);
    await world.store.pool.query(
      "insert into quarantines (since, why, facts, left_at, recovered) values (now(), 'x', '{}', '2099-01-01', $1)",
      [await said(note, world, key)],
    );
    assert.equal(await holdAgainstHead(world.context, dataDir, log), null);
    assert.notEqual(await why(world), null);
    assert.deepEqual(readdirSync(join(dataDir, "heads")), ["checkpoint", "keys"]);
  });

test("row 9: where the log was changed once more after a quarantine was left, an older head is not put aside", async (t) => {
  const { world, dataDir, log, keep } = await setting(t);
  await keep({ size: 10_000 });
  await enterQuarantine(world.context, NOTICED);
  await leave(world, dataDir);
  const admin = new pg.Client(world.superuserUrl);
  await admin.connect();
  await admin.query(
    "set session_replication_role = replica; update audit_positions set leaf_hash = sha256('another') where seq = 2",
  );
  await admin.end();
  assert.equal(await holdAgainstHead(world.context, dataDir, log), null);
  assert.notEqual(await why(world), null);
});

test("row 9: in quarantine live grants are revoked with proof, and nothing can be asked for, approved or started", async (t) => {
  const { world, kinds } = await setting(t);
  const reconciler = world.reconciler();
  const live = await world.granted("alice", "vault:read");
  await world.grantWhen(live, ({ state }) => state === "active", "active");
  const later = await world.granted("alice", "vault:read", { startMs: Date.now() + 3_600_000 });
  const fenceOf = async () => Number((await world.store.pool.query("select nextval('fences') as n")).rows[0].n);
  const before = await fenceOf();
  assert.equal(await enterQuarantine(world.context, NOTICED), 2);
  assert.equal(await enterQuarantine(world.context, NOTICED), null, "a second one says nothing new");
  assert.ok((await fenceOf()) > before + 1_000, "claims of the store's other past are older than those to come");
  assert.equal((await world.grant(later)).state, "cancelled");
  const ended = await world.grantWhen(live, ({ state }) => state === "revoked", "revoked");
  assert.ok(ended.state === "revoked" && ended.receipt.evidence.kind === "gone");
  const asked = await world.ask("alice", "vault:read");
  assert.ok(isRefusal(asked) && asked.refused === "quarantine", JSON.stringify(asked));
  assert.match(asked.detail, /somebody said so.*tidegate recover/);
  await leaveQuarantine(world.context, "looked into it", null);
  assert.equal(await leaveQuarantine(world.context, "again", null), null);
  const again = await world.granted("alice", "vault:read");
  await world.grantWhen(again, ({ state }) => state === "active", "active again");
  const seen = await kinds();
  for (const kind of ["store.quarantined", "store.recovered"] as const)
    assert.equal(seen.filter((one) => one === kind).length, 1, kind);
  await reconciler.stop();
});

test("row 9: a request that is decided while the store goes into quarantine leaves no grant alive", async (t) => {
  const { world } = await setting(t);
  const reconciler = world.reconciler();
  await Promise.all([
    ...Array.from({ length: 8 }, () => world.ask("alice", "vault:read")),
    enterQuarantine(world.context, NOTICED),
    ...Array.from({ length: 8 }, () => world.ask("bob", "vault:read")),
  ]);
  for (const { id } of await world.grants())
    await world.grantWhen(id, ({ state }) => state === "revoked" || state === "cancelled", "ended");
  await reconciler.stop();
});

test("row 9: whoever decides a request when the store goes into quarantine is waited for, and their grant is seen", async (t) => {
  const { world } = await setting(t);
  const { promise: decided, resolve: decide } = Promise.withResolvers<void>();
  const { promise: held, resolve: isHeld } = Promise.withResolvers<void>();
  const deciding = world.context.ledger.transaction(async (tx) => {
    await tx.holdConfig();
    isHeld();
    await decided;
  });
  await held;
  t.after(() => decide());
  const entering = enterQuarantine(world.context, NOTICED);
  const waits = `select count(*)::int as n from pg_stat_activity where datname = current_database()
    and wait_event_type = 'Lock' and query like '%config_active%for update%'`;
  await until(async () => (await world.store.pool.query(waits)).rows[0].n === 1, { what: "it to wait" });
  const grant = await world.granted("alice", "vault:read");
  decide();
  await deciding;
  assert.equal(await entering, 1);
  assert.equal((await world.grant(grant)).state, "cancelled");
});
