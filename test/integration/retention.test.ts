/** Retention: what is old and over goes from the beginning of the log, after an entry has said so, and every proof holds. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import fc from "fast-check";
import { sql } from "kysely";
import pg from "pg";
import { systemChance } from "../../src/base/chance.ts";
import { systemTimers } from "../../src/base/clock.ts";
import { isConsistent, isIncluded } from "../../src/base/merkle.ts";
import { isRefusal } from "../../src/base/problem.ts";
import type { EvidenceRow } from "../../src/contract/evidence.ts";
import type { Retention } from "../../src/domain/sink.ts";
import { retain } from "../../src/jobs/retain.ts";
import type { Context } from "../../src/operations/context.ts";
import { announceDrop, dropAnnounced, JOBS, type Keeping } from "../../src/operations/drop-entries.ts";
import { recordSigningKey } from "../../src/operations/record-signing-key.ts";
import { startSending } from "../../src/sinks/send.ts";
import type { Batch } from "../../src/sinks/sink.ts";
import { SINKS } from "../../src/sinks/sinks.ts";
import { appendEntries, sequenceAll, signingKeyChanges } from "../../src/store/audit.ts";
import { type Checkpoint, headNow, originOf, signHead } from "../../src/store/audit-head.ts";
import { consistencyProof, inclusionProof, leafHashAt, rootAt } from "../../src/store/audit-tree.ts";
import { checkBackup } from "../../src/store/backup/backup-file.ts";
import { loadBackup, requireWholeLog } from "../../src/store/backup/load-backup.ts";
import { writeBackup } from "../../src/store/backup/write-backup.ts";
import { openStore } from "../../src/store/db.ts";
import { createDatabase } from "../../src/store/embedded/create-database.ts";
import { signNote, verifierOf } from "../../src/store/keys/signed-note.ts";
import { signingKeysOf } from "../../src/store/keys/signing-key.ts";
import { migrate } from "../../src/store/migrate.ts";
import { putQuarantine } from "../../src/store/quarantine.ts";
import { droppedPart, retentionFigures } from "../../src/store/retention.ts";
import { beginSink } from "../../src/store/sinks.ts";
import { LogVerifier, type Verdict, Verifier } from "../../verifier/verify.mjs";
import { type Api, createApi, withTokens } from "../support/api.ts";
import { automatically, configuration, directoryResource, needs, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { until } from "../support/until.ts";
import { createWorld, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

const DAY = 86_400_000;
const OLD = "2020-01-01T00:00:00.000Z";
const KEPT: Retention = { entriesMs: 90 * DAY };
/** The key with which the API of tests signs. */
const KEY = signingKeysOf(Buffer.alloc(32, 7).toString("base64"), "this test")[0];

type Setting = { world: World; api: Api };

async function setting(t: TestContext, outlets = {}): Promise<Setting> {
  const world = await createWorld({ server, t });
  world.directory.members.set("readers", new Set());
  const resources = [directoryResource("vault", world.directoryName, { read: { group: "readers" } })];
  const principals = [person("alice"), person("bob"), person("carol"), person("audrey", { roles: ["auditor"] })];
  const policies = [automatically("alice", { when: 'user.name == "alice"' }), needs("carol", ["user:carol"])];
  const audit = { sinks: {}, retention: KEPT, ...outlets };
  await world.configure({ ...withTokens(configuration({ principals, policies, resources })), audit });
  const api = createApi(world, { latestCheckpoint: () => signed(world) });
  t.after(() => api.close());
  return { world, api };
}

const superuser = async ({ superuserUrl }: World, statements: string): Promise<void> => {
  const client = new pg.Client(superuserUrl);
  await client.connect();
  await client.query(`set session_replication_role = replica; ${statements}`);
  await client.end();
};

const AGED = `replace(leaf, '"at":"' || (leaf::jsonb ->> 'at') || '"', '"at":"${OLD}"')`;
/** What has no position yet was written, and asked for, years ago. */
const age = (world: World): Promise<void> =>
  superuser(
    world,
    `update audit_entries set leaf = ${AGED} where id in (select entry_id from audit_unsequenced);
     update audit_unsequenced set leaf = ${AGED};
     update requests set created_at = '${OLD}'; update grants set created_at = '${OLD}'`,
  );

async function grow({ context }: World, count: number, atMs = Date.parse(OLD)): Promise<void> {
  const drafts = Array.from({ length: count }, (_, n) => ({
    ...{ kind: "grant.trouble" as const, actor: { system: "jobs" as const }, refs: {}, data: { n } },
    ...(n % 10 === 0 ? { personal: { reason: `because of ${n}` } } : {}),
  }));
  await context.db.transaction().execute((tx) => appendEntries(tx, context.installation, drafts, atMs));
  await sequenceAll(context.db);
}

/** A log of so many old entries, the first of them those of the making, whether they had their positions by now or not. */
async function grown(world: World, size: number): Promise<void> {
  await sequenceAll(world.context.db);
  await superuser(
    world,
    `insert into audit_unsequenced (entry_id) select entry_id from audit_positions order by seq;
     delete from audit_positions; delete from audit_lookup; delete from audit_nodes`,
  );
  await age(world);
  await sequenceAll(world.context.db);
  await grow(world, size - (await headNow(world.context.db, world.context.installation)).size);
}

async function signed({ context }: World): Promise<Checkpoint> {
  await sequenceAll(context.db);
  return signHead(await headNow(context.db, context.installation), KEY);
}

const bound = (target: object, key: string | symbol): unknown => {
  const value: unknown = Reflect.get(target, key, target);
  return typeof value === "function" ? value.bind(target) : value;
};
/** The same in which something of each transaction is another. */
function changed({ context }: World, own: (tx: object, key: string | symbol) => unknown): Context {
  const within = (tx: object) => new Proxy(tx, { get: (target, key) => own(target, key) ?? bound(target, key) });
  const transaction = (body: (tx: unknown) => Promise<unknown>) => context.ledger.transaction((tx) => body(within(tx)));
  const ledger = new Proxy(context.ledger, {
    get: (target, key) => (key === "transaction" ? transaction : bound(target, key)),
  });
  return { ...context, ledger };
}
const twoDaysAgo = (world: World): Context =>
  changed(world, (tx, key) =>
    key === "nowMs" ? async () => (await (tx as { nowMs(): Promise<number> }).nowMs()) - 2 * DAY : undefined,
  );

/** As the job does it: announced two days ago, and now. */
async function retained(world: World): Promise<number> {
  const heads = { signWhenDue: () => signed(world) };
  await retain(twoDaysAgo(world), heads);
  await retain(world.context, heads);
  return (await droppedPart(world.context.db))?.to ?? 0;
}

type Note = { readonly name: string; readonly note: string };
async function verify(api: Api, checkpoints: readonly Note[] = []): Promise<Verdict> {
  const { status, text } = await api.get("audrey", "/v1/audit/export");
  assert.equal(status, 200, text);
  const verifier = new LogVerifier({ checkpoints });
  verifier.push(Buffer.from(text));
  return verifier.end();
}
async function whole(api: Api, checkpoints: readonly Note[] = []): Promise<Extract<Verdict, { ok: true }>> {
  const verdict = await verify(api, checkpoints);
  assert.ok(verdict.ok, JSON.stringify(verdict));
  return verdict;
}

test("S18: what is old and over is announced, is dropped a day later, and every proof of before and after holds", async (t) => {
  const { world, api } = await setting(t);
  const { db, installation } = world.context;
  await age(world);
  const name = originOf(installation);
  const earlierKey = signingKeysOf(Buffer.alloc(32, 4).toString("base64"), "this test")[0];
  const [from, to] = [verifierOf(name, earlierKey).text, verifierOf(name, KEY).text];
  const note = signNote(`${name}/next-key\n${to}\n${OLD}\n`, name, earlierKey);
  await recordSigningKey(world.context, { to, kept: from, noteBy: () => note });
  await grown(world, 700);
  const kept = await Promise.all(
    [1, 100, 256, 300, 512, 600].map(async (size) => ({
      name: String(size),
      note: signHead({ installation, size, root: await rootAt(db, size), at: OLD }, KEY).note,
    })),
  );
  const changes = await signingKeyChanges(db);
  const { text: earlier } = await api.get("audrey", "/v1/audit/export");
  await grow(world, 5, Date.now());
  const heads = { signWhenDue: () => signed(world) };
  await retain(world.context, heads);
  await retain(world.context, heads);
  const announced = (await world.entries()).filter(({ leaf }) => leaf.kind === "audit.drop-announced");
  assert.equal(announced.length, 1, "once, and nothing goes for a day");
  const said = announced[0]?.leaf.data ?? {};
  assert.deepEqual([said["from"], said["to"], said["before"], said["kept"]], [1, 512, OLD, "90d"]);
  assert.equal(said["root"], Buffer.from(await rootAt(db, 512)).toString("base64"));
  assert.equal((await whole(api, kept)).dropped, undefined);
  await superuser(
    world,
    "delete from audit_entries where (leaf::jsonb ->> 'kind') like 'audit.%'; delete from audit_positions where seq > 705; delete from audit_lookup where seq > 705",
  );

  assert.equal(await retained(world), 512);
  assert.equal(await retained(world), 512, "again, it finds nothing more");
  const { rows } = await world.store.pool.query(
    "select from audit_personal t where not exists (select from audit_entries e where e.id = t.entry_id)",
  );
  assert.equal(rows.length, 0, "the texts went with their entries");
  const found = await world.store.pool.query("select min(seq) as first from audit_lookup");
  assert.deepEqual(found.rows, [{ first: 513 }], "and so did what they were found by");
  const verdict = await whole(api, kept);
  assert.deepEqual([verdict.dropped?.to, verdict.dropped?.by, verdict.dropped?.before], [512, 706, OLD]);
  assert.equal(verdict.kept.length, kept.length);
  assert.deepEqual(await signingKeyChanges(db), changes, "what verifies earlier signatures is still told");
  const { size, root } = await headNow(db, installation);
  for (let seq = 1; seq <= size; seq += 1)
    assert.ok(isIncluded(await leafHashAt(db, seq), seq - 1, size, await inclusionProof(db, seq - 1, size), root));
  for (const first of [0, 1, 256, 300, 512, 700])
    assert.ok(
      isConsistent(
        { size: first, root: await rootAt(db, first) },
        { size, root },
        await consistencyProof(db, first, size),
      ),
    );
  const before = new LogVerifier({});
  before.push(Buffer.from(earlier));
  assert.ok(before.end().ok, "and so does an export that was made before");
});

test("S18: a drop that breaks off changes nothing, and two at once drop once", async (t) => {
  const { world, api } = await setting(t);
  await grown(world, 600);
  const keeping = async (): Promise<Keeping> => ({
    ...{ entriesMs: 90 * DAY, outlets: { sinks: {} } },
    signed: (await signed(world)).size,
  });
  assert.ok(await announceDrop(twoDaysAgo(world), await keeping()));
  await whole(api);
  const tooEarly = { ...(await keeping()), signed: 600 };
  assert.equal(await dropAnnounced(world.context, tooEarly), false, "what says so is under a signed head first");
  const breaking = changed(world, (_, key) =>
    key === "write" ? () => Promise.reject(new Error("the machine died")) : undefined,
  );
  await assert.rejects(dropAnnounced(breaking, await keeping()), /the machine died/);
  assert.equal(await droppedPart(world.context.db), null);
  assert.equal((await whole(api)).dropped, undefined);
  const signedAt = await keeping();
  const done = await Promise.all([dropAnnounced(world.context, signedAt), dropAnnounced(world.context, signedAt)]);
  assert.deepEqual(done.toSorted(), [false, true]);
  assert.equal((await whole(api)).dropped?.to, 512);
  const entries = (await world.entries()).filter(({ leaf }) => leaf.kind === "audit.dropped");
  assert.deepEqual(
    entries.map(({ leaf: { data } }) => [data["from"], data["to"]]),
    [[1, 512]],
  );
});

test("S18: whatever is appended, announced, dropped and signed, in whatever order, the log is whole at each step", async (t) => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 400 }) },
    fc.constantFrom("announce" as const, "drop" as const, "drop" as const, "sign" as const),
  );
  const any = fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 14 }), async (steps) => {
    const { world, api } = await setting(t);
    const { db } = world.context;
    await grown(world, 300);
    let head = await signed(world);
    const kept: Note[] = [];
    for (const one of [...steps, "announce", "sign", "drop"] as const) {
      const keeping = { entriesMs: 90 * DAY, signed: head.size, outlets: { sinks: {} } };
      if (typeof one === "number") await grow(world, one);
      else if (one === "announce") await announceDrop(twoDaysAgo(world), keeping);
      else if (one === "drop") await dropAnnounced(world.context, keeping);
      else {
        head = await signed(world);
        kept.push({ name: String(head.size), note: head.note });
      }
      const { dropped, entries: size } = await whole(api, kept);
      assert.equal(dropped?.to ?? 0, (await droppedPart(db))?.to ?? 0);
      const root = await rootAt(db, size);
      for (const seq of [1, 256, 257, size])
        assert.ok(isIncluded(await leafHashAt(db, seq), seq - 1, size, await inclusionProof(db, seq - 1, size), root));
    }
    await world.stop();
  });
  await fc.assert(any, { numRuns: 5 });
});

test("row 38: Tidegate's own login cannot drop what is young, what nobody announced for a day, or anything but the beginning", async (t) => {
  const { world } = await setting(t);
  const { db, installation } = world.context;
  await grown(world, 1_000);
  await grow(world, 300, Date.now());
  const { pool } = world.store;
  const deleting = (from: number, to: number, but = 0): string =>
    `delete from audit_entries where id in (select entry_id from audit_positions where seq between ${from} and ${to} and seq <> ${but})`;
  const refused = (statement: string, why: RegExp) => assert.rejects(pool.query(statement), why, statement);
  const announce = async (to: number, atMs: number): Promise<void> => {
    const draft = { kind: "audit.drop-announced" as const, actor: JOBS, refs: {}, data: { to, keys: [] } };
    await db.transaction().execute((tx) => appendEntries(tx, installation, [draft], atMs));
    await sequenceAll(db);
  };
  await refused(deleting(1, 256), /before an entry has said so for a day/);
  await announce(512, Date.now() - DAY / 2);
  await refused(deleting(1, 256), /before an entry has said so for a day/);
  await announce(512, Date.now() - 2 * DAY);
  for (const [from, to, but] of [
    [257, 512],
    [1, 255],
    [2, 256],
    [1, 300],
    [1, 512, 7],
  ] as const)
    await refused(deleting(from, to, but), /only its beginning is dropped/);
  await refused(deleting(1, 768), /before an entry has said so for a day/);
  await announce(1_280, Date.now() - 2 * DAY);
  await refused(deleting(1, 1_280), /younger than 90 days/);
  await refused("delete from audit_entries", /insert-only/);
  await refused("update audit_entries set leaf = leaf", /permission denied|insert-only/);
  await refused("truncate audit_entries", /permission denied|insert-only/);
  await refused("delete from audit_positions where seq = 1", /permission denied|insert-only/);
  await refused("delete from audit_nodes", /permission denied|insert-only/);
  await refused("delete from audit_lookup where seq = 1", /insert-only/);
  await refused("update audit_lookup set kind = 'x' where seq = 1", /permission denied|insert-only/);
  const liar = `create temp table audit_positions as
      select seq - 512 as seq, entry_id from public.audit_positions where seq between 513 and 768
      union all select seq, entry_id from public.audit_positions where seq > 1300;
    delete from public.audit_entries where id in (select entry_id from pg_temp.audit_positions where seq <= 256)`;
  await refused(liar, /only its beginning is dropped/);
  await db
    .transaction()
    .execute((tx) =>
      appendEntries(tx, installation, [{ kind: "grant.trouble", actor: { system: "jobs" }, refs: {}, data: {} }], 0),
    );
  await refused("delete from audit_unsequenced", /leaves into the log/);
  await refused("update audit_unsequenced set leaf = null", /permission denied|insert-only/);
  await refused("truncate audit_unsequenced", /permission denied|insert-only/);
  const elsewhere = `create temp table audit_entries as select entry_id as id, leaf from public.audit_unsequenced;
    delete from public.audit_unsequenced`;
  await refused(elsewhere, /leaves into the log/);
  const another = `insert into audit_entries select entry_id, replace(leaf, 'trouble', 'active') from audit_unsequenced;
    delete from audit_unsequenced`;
  await refused(another, /leaves into the log/);
  const same = "insert into audit_entries select entry_id, leaf from audit_unsequenced";
  await refused(`${same}; delete from audit_unsequenced`, /leaves into the log/);
  await pool.query(same);
  await refused("delete from audit_entries where id in (select entry_id from audit_unsequenced)", /only its beginning/);
  await pool.query(deleting(1, 512));
  await pool.query(deleting(513, 768));
});

test("nothing goes that belongs to what is not over, nor what comes after it", async (t) => {
  const { world, api } = await setting(t);
  await grown(world, 300);
  const { requestId } = (await world.ask("bob", "vault:read")) as { requestId: string };
  await age(world);
  await grow(world, 500);
  assert.equal(await retained(world), 256);
  await whole(api);
  const { status } = await api.post("bob", `/v1/requests/${requestId}/cancel`, {});
  assert.equal(status, 200);
  assert.equal(await retained(world), 768);
  assert.equal((await whole(api)).dropped?.to, 768);
});

test("nothing goes that a sink or an anchor has not got, and health says so; nothing goes in quarantine", async (t) => {
  const siem = { name: "siem", sink: "file", settings: {}, from: "beginning", personal: false } as const;
  const outlets = { sinks: { siem: { ...siem, withinMs: 300_000, holdsUp: "nothing" } } } as const;
  const { world } = await setting(t, outlets);
  const { db } = world.context;
  await grown(world, 600);
  assert.equal(await retained(world), 0);
  const figures = await retentionFigures(db, { ...outlets, retention: KEPT });
  assert.deepEqual([figures?.droppedTo, figures?.lagging], [0, ["siem"]]);
  assert.ok(Math.abs((figures?.overdueMs ?? 0) - 2 * DAY) < DAY / 2);
  await beginSink(db, "entries", "siem", "now");
  await putQuarantine(db as never, { sinceMs: Date.now(), why: "a test", facts: {} });
  assert.equal(await retained(world), 0);
  await world.store.pool.query("update quarantines set left_at = clock_timestamp()");
  assert.equal(await retained(world), 512);
  await beginSink(db, "entries", "late", "beginning");
  const { position } = await db
    .selectFrom("sinks")
    .select("position")
    .where("name", "=", "late")
    .executeTakeFirstOrThrow();
  assert.equal(position, 512, "a new sink begins with what is there");
});

test("a required sink that comes back after the log was dropped goes on with what is left, says what it lacks, and holds up nothing", async (t) => {
  const siem = { name: "siem", sink: "file", settings: {}, from: "beginning", personal: false } as const;
  const outlets = { sinks: { siem: { ...siem, withinMs: 300_000, holdsUp: "everything" } } } as const;
  const { world } = await setting(t);
  const { context } = world;
  await grown(world, 512);
  await grow(world, 100, Date.now());
  await world.store.pool.query(
    `insert into sinks (purpose, name, position, created_at) values ('entries', 'siem', 100, '${OLD}')`,
  );
  assert.equal(await retained(world), 512);
  const active = (await context.catalog.active(context.ledger))?.configuration ?? assert.fail("none is active");
  await world.configure({ ...active, audit: { ...active.audit, ...outlets } });
  await sequenceAll(context.db);
  assert.ok(!isRefusal(await world.ask("alice", "vault:read")), "it is late by what is there to be sent");

  const seqs: number[] = [];
  const told: string[] = [];
  const send = async ({ entries }: Batch) => {
    seqs.push(...entries.map(({ seq }) => seq));
    return { sent: true } as const;
  };
  const sending = startSending({
    ...{ context, timers: systemTimers, chance: systemChance, resolve: (settings) => settings },
    ...{ kinds: { ...SINKS, file: () => ({ send }) }, checkpoint: async () => null },
    log: (_level, what, more) => told.push(`${what} ${JSON.stringify(more)}`),
  });
  t.after(() => sending.stop());
  const { size } = await headNow(context.db, context.installation);
  await until(async () => (seqs.at(-1) ?? 0) >= size, { what: "the log to arrive" });
  await sending.stop();
  assert.deepEqual(
    seqs,
    Array.from({ length: seqs.length }, (_, n) => 513 + n),
  );
  const { rows } = await world.store.pool.query("select note, last_error from sinks where name = 'siem'");
  assert.deepEqual(rows, [{ note: "101 to 512 were dropped, and not sent", last_error: null }]);
  assert.equal(told.filter((line) => /arrives again.*101 to 512 were dropped/.test(line)).length, 1, told.join());
});

test("S18: lists, events, timelines, evidence and receipts say what was dropped, and never tell less in silence", async (t) => {
  const { world, api } = await setting(t);
  world.reconciler();
  const grant = await world.granted("alice", "vault:read");
  await world.grantWhen(grant, ({ state }) => state === "active", "to be active");
  await api.post("alice", `/v1/grants/${grant}/revoke`, { reason: "done" });
  const { requestId } = await world.grantWhen(
    grant,
    (it) => it.state === "revoked" && it.confirmMs === null,
    "to be gone",
  );
  await grown(world, 400);
  const { text: receipt } = await api.get("audrey", `/v1/grants/${grant}/receipt`);
  assert.ok(receipt.startsWith("Tidegate receipt"), receipt);
  const get = (url: string) => api.get("audrey", url);
  assert.equal((await get("/v1/audit")).body.dropped, null);
  assert.equal(await retained(world), 256);

  const SAYS = /up to position 256, written until 2020-01-01T00:00:00.000Z, was dropped by retention: see entry 401/;
  const says = async (url: string) => (await get(url)).body.dropped?.says ?? null;
  const list = (await get("/v1/audit")).body;
  assert.equal(list.entries[0].seq, 257);
  assert.match(list.dropped.says, SAYS);
  for (const silent of ["?after=256", "?order=newest&limit=3", "?from=2025-01-01T00:00:00Z"])
    assert.equal(await says(`/v1/audit${silent}`), null, silent);
  for (const told of ["?order=newest&limit=1000", `?grant=${grant}`, `?request=${requestId}`, "?kind=principal.added"])
    assert.match(await says(`/v1/audit${told}`), SAYS, told);
  for (const told of ["totals&from=2019-01-01T00:00:00Z", "policy", "approvals&from=2020-01-01T00:00:00Z"])
    assert.match(await says(`/v1/evidence?question=${told}`), SAYS, told);
  assert.equal(await says("/v1/evidence?question=totals"), null);
  const counted = async (query: string): Promise<(number | null)[]> =>
    (await get(`/v1/evidence?question=totals${query}`)).body.rows.flatMap(({ what, count }: EvidenceRow) =>
      what === "log" ? [count] : [],
    );
  assert.deepEqual(await counted("&from=2019-01-01T00:00:00Z"), [], "less than there was is no count");
  assert.deepEqual(await counted(""), [0]);
  const { rows: inForce } = (await get("/v1/evidence?question=policy")).body;
  assert.deepEqual(
    inForce.map(({ what, until, entries }: EvidenceRow) => [what, until, entries]),
    [["version 1", null, []]],
  );
  assert.match(inForce[0].state, /^[0-9a-f]{64}$/);
  assert.match(inForce[0].note, /the log does not go back to its activation/);
  assert.equal((await get("/v1/evidence?question=policy&limit=1&cursor=1")).body.rows.length, 0);
  const unused = (await get("/v1/evidence?question=unused&from=2019-01-01T00:00:00Z")).body.rows;
  assert.deepEqual(
    unused.map(({ state }: { state: string }) => state),
    ["not known"],
  );
  const [ending] = (await get("/v1/evidence?question=endings&from=2019-01-01T00:00:00Z")).body.rows;
  assert.deepEqual([ending.grant, ending.state, ending.note, ending.entries], [grant, "proven gone", "withdrawn", []]);
  assert.ok(ending.until > ending.at, "when it ended and was gone is known without its entries");
  const events = await get("/v1/events?after=1");
  assert.deepEqual([events.status, events.body.code], [400, "invalid-input"]);
  assert.match(events.body.detail, SAYS);
  const { timeline } = (await get(`/v1/requests/${requestId}`)).body;
  assert.match(timeline[0].what, SAYS);
  const none = await get(`/v1/grants/${grant}/receipt`);
  assert.deepEqual([none.status, none.body.code], [409, "no-receipt"]);
  assert.match(none.body.detail, /Use the one that was kept/);
  assert.equal((await get(`/v1/grants/${grant}`)).status, 200);
  assert.match(await says("/v1/review?from=2019-01-01T00:00:00Z"), SAYS);
  assert.equal(await says("/v1/review"), null);
  assert.equal((await get("/v1/audit/proof?seq=3")).status, 200);

  const of = new Verifier({});
  of.push(Buffer.from(receipt));
  assert.ok(of.end().ok, "the receipt that was kept verifies as before");
  assert.equal((await whole(api, [{ name: "receipt", note: receipt }])).kept.length, 1);
});

test("a backup of a log whose beginning was dropped is restored, and one with another hash in it is not", async (t) => {
  const { world } = await setting(t);
  await grown(world, 600);
  assert.equal(await retained(world), 512);
  const folder = mkdtempSync(join(tmpdir(), "tidegate-retention-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const restore = async (name: string, meanwhile: readonly string[] = []): Promise<void> => {
    const path = join(folder, name);
    await writeBackup(world.store, path, null);
    const { header } = await checkBackup(path);
    const given = { database: name, owner: `${name}_owner`, password: "x" };
    const store = openStore(await createDatabase(server.superuserUrl, given), { connections: 2 });
    try {
      await migrate(store.pool);
      await store.db.transaction().execute(async (tx) => {
        await loadBackup(tx, header, path);
        for (const statement of meanwhile) await sql.raw(statement).execute(tx);
        await requireWholeLog(tx, header, path);
      });
    } finally {
      await store.close();
    }
  };
  await restore("restored_whole");
  const mislaid = ["alter table audit_lookup disable trigger all", "delete from audit_lookup where seq = 560"];
  await assert.rejects(restore("restored_mislaid", mislaid), /position 560 does not fit/);
  await superuser(world, "update audit_positions set leaf_hash = sha256('x') where seq = 7");
  await assert.rejects(restore("restored_other"), /audit log in .* is another|tree of the audit log/);
});

test("texts of people go by their age, from the log and from rows of what is over, and every proof holds", async (t) => {
  const { world, api } = await setting(t, { retention: { personalMs: 90 * DAY } });
  const { pool } = world.store;
  const heads = { signWhenDue: () => signed(world) };
  const say = async (who: string, reason: string): Promise<string> => {
    const asked = { entitlement: "vault:read", duration: "10m", ticket: "INC-1", reason };
    const { body, text } = await api.post(who, "/v1/requests", asked);
    assert.ok(body.id, text);
    await api.post(who, `/v1/requests/${body.id}/comments`, { text: `${reason}-comment` });
    return body.id;
  };
  const over = await say("bob", "zq-over");
  await api.post("carol", `/v1/requests/${over}/reviews`, { verdict: "deny", comment: "zq-over-review" });
  await age(world);
  await pool.query(`update comments set created_at = '${OLD}'; update reviews set created_at = '${OLD}'`);
  await grown(world, 300);
  const open = await say("bob", "zq-open");
  await age(world);
  await pool.query(`update comments set created_at = '${OLD}'`);
  await grow(world, 20, Date.now());
  const holding = async (what: string): Promise<string[]> => {
    const found: string[] = [];
    for (const table of ["audit_personal", "requests", "reviews", "comments"]) {
      const { rows } = await pool.query<{ all: string | null }>(
        `select string_agg(t::text, ' ') as all from ${table} t`,
      );
      if (rows[0]?.all?.includes(what) === true) found.push(table);
    }
    return found;
  };
  assert.deepEqual(await holding("zq-over"), ["audit_personal", "requests", "reviews", "comments"]);
  const kept = { name: "before", note: (await signed(world)).note };
  await retain(world.context, heads);
  assert.deepEqual(await holding("zq-over"), []);
  assert.deepEqual(await holding("zq-open"), ["audit_personal", "requests", "comments"]);
  const called = async () => (await pool.query("select from audit_personal where value = 'alice'")).rows.length;
  assert.ok((await called()) > 0, "what somebody active is called stays");
  const done = (): Promise<Record<string, unknown>[]> =>
    world.entries().then((all) => all.flatMap(({ leaf }) => (leaf.kind === "audit.texts-dropped" ? [leaf.data] : [])));
  const [told, ...more] = await done();
  assert.deepEqual(more, []);
  const removed = told?.["removed"] as Record<string, number>;
  assert.deepEqual([removed["requests"], removed["reviews"], removed["comments"]], [1, 1, 1]);
  await retain(world.context, heads);
  assert.equal((await done()).length, 1, "again, it finds nothing and says nothing");
  const verdict = await whole(api, [kept]);
  assert.deepEqual([verdict.dropped, verdict.kept.length], [undefined, 1]);
  assert.equal((await api.get("bob", `/v1/requests/${over}`)).body.reason, "(erased)");

  await api.post("bob", `/v1/requests/${open}/cancel`, {});
  await retain(world.context, heads);
  assert.deepEqual(await holding("zq-open"), []);
  await pool.query("update principals set active = false, deactivated_at = now() where handle = 'alice'");
  await retain(world.context, heads);
  assert.equal(await called(), 0, "and goes once they have left");
  await whole(api, [kept]);
});
