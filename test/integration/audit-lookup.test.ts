/** What entries are found by: all of it whether an entry has its position or waits for it, and no other thing than its leaf says. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import pg from "pg";
import { canonicalJson } from "../../src/base/canonical.ts";
import type { GrantId, PrincipalId, RequestId } from "../../src/base/ids.ts";
import type { EntryDraft } from "../../src/domain/audit.ts";
import { NO_OUTLETS } from "../../src/domain/sink.ts";
import { activations, inOnePicture } from "../../src/store/access-review.ts";
import { appendEntries, headPosition, sequenceAll, signingKeyChanges, trailOf } from "../../src/store/audit.ts";
import { entryLines } from "../../src/store/audit-export.ts";
import { firstMislaid } from "../../src/store/audit-lookup.ts";
import { openStore } from "../../src/store/db.ts";
import { eraseTexts } from "../../src/store/erasure.ts";
import { entriesAbout } from "../../src/store/evidence-log.ts";
import { readFigures, revokingSinceMs } from "../../src/store/figures.ts";
import { readLedgerFacts } from "../../src/store/health-figures.ts";
import { eraseOldTexts } from "../../src/store/old-texts.ts";
import { lastAnnounced } from "../../src/store/retention.ts";
import { stillLiveUntold } from "../../src/store/still-live.ts";
import { automatically, configuration, directoryResource, person } from "../support/configuration.ts";
import { migratedAnew } from "../support/evidence-of-log.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld, type World } from "../support/world.ts";

const AT_MS = Date.UTC(2026, 0, 1);
const JOBS = { system: "jobs" } as const;

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

/** Alice has a grant that nobody could end for an hour. */
async function setting(t: TestContext): Promise<{ world: World; grant: GrantId; request: RequestId }> {
  const world = await createWorld({ server, t });
  world.directory.members.set("readers", new Set());
  const resources = [directoryResource("vault", world.directoryName, { read: { group: "readers" } })];
  await world.configure(configuration({ principals: [person("alice")], policies: [automatically("all")], resources }));
  const grant = await world.granted("alice", "vault:read");
  const { requestId: request } = await world.grant(grant);
  const trouble = { sinceMs: Date.now() - 3_600_000, attempts: 9, lastError: { code: "unreachable", detail: "" } };
  const ending = { cause: "revoked", by: null, reason: "" };
  await superuser(
    world,
    `update grants set state = 'revoking', ending = '${JSON.stringify(ending)}', trouble = '${JSON.stringify(trouble)}'`,
  );
  return { world, grant, request };
}

async function superuser({ superuserUrl }: World, statements: string): Promise<void> {
  const client = new pg.Client(superuserUrl);
  await client.connect();
  await client.query(`set session_replication_role = replica; ${statements}`);
  await client.end();
}

const tell = ({ context }: World, drafts: readonly EntryDraft[], atMs = AT_MS): Promise<unknown> =>
  context.db.transaction().execute((tx) => appendEntries(tx, context.installation, drafts, atMs));

test("an entry that waits for its position is seen by whoever sees it afterwards, in the same order", async (t) => {
  const { world, grant, request } = await setting(t);
  const { db } = world.store;
  const { id: alice } = await world.principal("alice");
  await sequenceAll(db);
  assert.equal((await stillLiveUntold(db, 0, 9)).length, 1);
  const refs = { grant, request };
  await tell(
    world,
    [
      { kind: "grant.still-live", actor: JOBS, refs, data: {} },
      { kind: "grant.revoking", actor: { principal: alice }, refs, data: {}, personal: { reason: "done" } },
      { kind: "key.signing-changed", actor: JOBS, refs: {}, data: { from: "a", to: "b", note: null } },
      { kind: "audit.drop-announced", actor: JOBS, refs: {}, data: { to: 256, keys: [] } },
      { kind: "config.activated", actor: JOBS, refs: {}, data: { version: 77 } },
      { kind: "principal.changed", actor: JOBS, refs: { principal: alice }, data: {}, personal: { handle: "al" } },
      { kind: "panic.lifted", actor: JOBS, refs: {}, data: { panic: "pa_1" }, personal: { reason: "over" } },
    ] satisfies EntryDraft[],
    Date.now(),
  );
  await superuser(
    world,
    `update principals set active = false, deactivated_at = clock_timestamp() where id = '${alice}';
     insert into panics (id, scope, principal_id, started_by, reason, started_at) values ('pa_1', 'principal', '${alice}', '${alice}', 'stop', now())`,
  );
  class Undone extends Error {}
  /** What it would take, without taking it. */
  const taken = async (erase: (tx: Parameters<typeof eraseTexts>[0]) => Promise<Record<string, number>>) => {
    let removed: Record<string, number> = {};
    const undone = db.transaction().execute(async (tx) => {
      removed = await erase(tx);
      throw new Undone();
    });
    await assert.rejects(undone, Undone);
    return removed["audit_personal"];
  };
  const answers = async () => ({
    untold: await stillLiveUntold(db, 0, 9),
    trail: (
      await trailOf(db, request, ["request.submitted", "request.approved", "grant.created", "grant.revoking"], 99)
    ).map(({ leaf, personal }) => ({ leaf, personal })),
    since: await revokingSinceMs(db, grant),
    keys: await signingKeyChanges(db),
    announced: (await lastAnnounced(db))?.to,
    versions: (await inOnePicture(db, (tx) => activations(tx, { fromMs: 0, untilMs: Date.now() + 9_000 }))).length,
    about: (await inOnePicture(db, (tx) => entriesAbout(tx, "grant", [grant], ["grant.created", "grant.revoking"])))
      .get(grant)
      ?.map(({ id, kind }) => ({ id, kind })),
    erased: await taken((tx) => eraseTexts(tx, alice, AT_MS)),
    old: await taken((tx) => eraseOldTexts(tx, { from: 0, to: 0 }, Date.now() + 9_000)),
  });
  const waiting = await answers();
  assert.deepEqual(waiting.untold, []);
  assert.equal(waiting.trail.at(-1)?.leaf.kind, "grant.revoking");
  assert.ok(waiting.trail.length >= 3);
  assert.ok(Date.now() - (waiting.since ?? 0) < 60_000);
  assert.deepEqual(waiting.keys, [{ from: "a", to: "b", note: null }]);
  assert.equal(waiting.announced, 256);
  assert.equal(waiting.versions, 2);
  assert.deepEqual(
    waiting.about?.map(({ kind }) => kind),
    ["grant.created", "grant.revoking"],
  );
  assert.ok((waiting.erased ?? 0) >= 4, `${waiting.erased}`);
  assert.ok((waiting.old ?? 0) >= 1);
  assert.equal((await lastAnnounced(db, 1_000_000))?.to, undefined, "within a size is what has a position");
  await sequenceAll(db);
  assert.deepEqual(await answers(), waiting);
});

test("a log of the version before is found by the same, also one whose beginning was dropped", async (t) => {
  const { world, grant, request } = await setting(t);
  const { pool, db } = world.store;
  const { id: alice } = await world.principal("alice");
  const drafts = Array.from(
    { length: 600 },
    (_, n): EntryDraft => ({
      kind: n % 2 === 0 ? "grant.trouble" : "operation.refused",
      actor: n % 3 === 0 ? JOBS : { principal: alice },
      refs: {
        ...(n % 5 === 0 ? { grant } : {}),
        ...(n % 7 === 0 ? { request } : {}),
        ...(n % 11 === 0 ? { principal: alice } : {}),
      },
      data: { n },
    }),
  );
  await tell(world, drafts);
  await sequenceAll(db);
  await superuser(
    world,
    `delete from audit_entries where id in (select entry_id from audit_positions where seq <= 256);
     delete from audit_lookup where seq <= 256`,
  );
  const rows = async () => (await pool.query("select * from audit_lookup order by seq")).rows;
  const given = await rows();
  assert.ok(given.length > 300, `${given.length}`);
  await migratedAnew(pool);
  assert.deepEqual(await rows(), given);
  await tell(world, drafts.slice(0, 3));
  await sequenceAll(db);
  assert.equal((await rows()).length, given.length + 3, "it goes on from there");
});

test("what the store could not parse is not written; what only looks like it is", async (t) => {
  const { world } = await setting(t);
  const { db, pool } = world.store;
  const of = (text: string) => ({ kind: "grant.trouble", actor: JOBS, refs: {}, data: { of: text } }) as const;
  for (const text of ["\0", "a\0b", "\\\0"]) await assert.rejects(tell(world, [of(text)]), /U\+0000/);
  await assert.rejects(tell(world, [of("x".repeat(2_000_000))]), /cannot be 2\d{6} characters long/);
  await tell(world, [of("\\u0000"), of("\\\\u0000"), of("\u2028".repeat(1_900_000))]);
  await sequenceAll(db);
  assert.equal((await pool.query("select from audit_unsequenced")).rowCount, 0);
});

/** A leaf as it would be of an entry with this id, but for what is given. */
const leafOf = (id: string, but: object = {}): string =>
  canonicalJson({
    ...{ v: 1, id, at: "2026-01-01T00:00:00.000Z", installation: "k3v9x2q7", kind: "grant.trouble" },
    ...{ actor: { system: "jobs" }, refs: {}, data: {}, ...but },
  });
const LONG = "long".repeat(2_000);

/** By what is wrong with them: an id, and a leaf, in the queue. */
const NO_ENTRIES: Record<string, readonly [id: string, leaf: string | null]> = {
  "no leaf anywhere": ["en_none", null],
  "an empty leaf": ["en_empty", ""],
  "what breaks off": ["en_broken", "{"],
  "too deep to be read": ["en_deep", "[".repeat(100_000)],
  "a list": ["en_list", "[]"],
  "nothing in it": ["en_nothing", "{}"],
  "the id of another": ["en_other", leafOf("en_else")],
  "an id too long for an index": [LONG, leafOf(LONG)],
  "no time that there is": ["en_when", leafOf("en_when", { at: "2026-13-01T00:00:00.000Z" })],
  "no time at all": ["en_some", leafOf("en_some", { at: "yesterday or so" })],
  "a time in other words": ["en_now", leafOf("en_now", { at: "now" })],
  "U+0000": ["en_zero", leafOf("en_zero", { data: { n: "\0" } })],
  "a kind too long for an index": ["en_long", leafOf("en_long", { kind: LONG })],
  "a grant too long for an index": ["en_grant", leafOf("en_grant", { refs: { grant: LONG } })],
  "nobody who did it": ["en_nobody", leafOf("en_nobody", { actor: { of: "nobody" } })],
  "another version": ["en_two", leafOf("en_two", { v: 2 })],
  "two lines": ["en_lines", leafOf("en_lines").replace(",", ",\n")],
  "not in order": ["en_order", JSON.stringify({ v: 1, ...(JSON.parse(leafOf("en_order")) as object) })],
  "more than any entry holds": ["en_much", leafOf("en_much", { data: { n: "x".repeat(8_000_000) } })],
  ...Object.fromEntries(
    ["id", "kind", "actor", "at", "installation", "data", "refs", "v"].flatMap((member) => [
      [`no ${member}`, [`en_${member}`, leafOf(`en_${member}`, { [member]: undefined })]],
      [`nothing as ${member}`, [`en_${member}`, leafOf(`en_${member}`, { [member]: null })]],
      [`a list as ${member}`, [`en_${member}`, leafOf(`en_${member}`, { [member]: [] })]],
    ]),
  ),
};

test("what is no entry gets no position, keeps nothing from its own, is seen by nobody who looks for entries, and is told by health", async (t) => {
  const { world, request } = await setting(t);
  const { db, pool } = world.store;
  const stray = async () =>
    (await readLedgerFacts(db, await readFigures(db), { resources: [], outlets: NO_OUTLETS })).unsequenced.stray;
  const trail = () => trailOf(db, request, ["grant.trouble"], 9);
  const queue = async () =>
    (await pool.query<{ id: string }>("select entry_id as id from audit_unsequenced order by queued")).rows;
  await sequenceAll(db);
  assert.equal(await stray(), null);
  for (const [wrong, [id, leaf]] of Object.entries(NO_ENTRIES)) {
    await pool.query("insert into audit_unsequenced (entry_id, leaf) values ($1, $2)", [id, leaf]);
    await tell(world, [{ kind: "grant.trouble", actor: JOBS, refs: { request }, data: {} }], Date.now());
    assert.equal((await trail()).length, 1, wrong);
    assert.equal(await stray(), id, wrong);
    await sequenceAll(db);
    assert.deepEqual(await queue(), [{ id }], wrong);
    assert.equal((await trail()).length, 1, wrong);
    assert.equal(await stray(), id, wrong);
    await superuser(
      world,
      "delete from audit_unsequenced; delete from audit_lookup where request_id is not null and kind = 'grant.trouble'",
    );
  }
});

test("where one is no entry, the others are written once: what was tried with all of them failed before", async (t) => {
  const { world } = await setting(t);
  const { db, pool } = world.store;
  await sequenceAll(db);
  for (const [wrong, [id, leaf]] of Object.entries(NO_ENTRIES)) {
    const drafts = Array.from(
      { length: 3 },
      () => ({ kind: "grant.trouble", actor: JOBS, refs: {}, data: {} }) as const,
    );
    await tell(world, drafts);
    await pool.query("insert into audit_unsequenced (entry_id, leaf) values ($1, $2)", [id, leaf]);
    await tell(world, drafts);
    const client = await pool.connect();
    await client.query("begin");
    // What a statement wrote that failed is among it.
    const written = async (): Promise<number[]> => {
      const counted = await client.query<{ rows: number }>(`
        select n_tup_ins::int as rows from pg_stat_xact_user_tables
         where relname in ('audit_entries', 'audit_lookup', 'audit_positions') order by relname`);
      return counted.rows.map(({ rows }) => rows);
    };
    const before = await written();
    const { rows } = await client.query<{ count: number }>("select audit_sequence() as count");
    const after = await written();
    await client.query("commit");
    client.release();
    assert.deepEqual([rows, after.map((of, i) => of - (before[i] ?? 0))], [[{ count: 6 }], [6, 6, 6]], wrong);
    await superuser(world, "delete from audit_unsequenced");
  }
});

test("who puts an entry into the queue again, or under its id another, or into the log before its time, stops nobody", async (t) => {
  const { world } = await setting(t);
  const { db, pool } = world.store;
  await sequenceAll(db);
  const put = (table: string, leaf: string) =>
    `insert into ${table} select entry_id, ${leaf} from audit_unsequenced where entry_id = $1`;
  const other = "replace(leaf, 'trouble', 'active')";
  const again = "audit_unsequenced (entry_id, leaf)";
  for (const [what, early, left] of [
    ["the same again", put(again, "leaf"), 1],
    ["another again", put(again, other), 1],
    ["the same into the log", put("audit_entries", "leaf"), 0],
    ["another into the log", put("audit_entries", other), 1],
    [
      "one that has a position",
      `insert into ${again} select entry_id, 'x' || $1 from audit_positions order by seq limit 1`,
      1,
    ],
  ] as const) {
    await tell(world, [{ kind: "grant.trouble", actor: JOBS, refs: {}, data: { what } }]);
    const { rows } = await pool.query<{ id: string }>("select entry_id as id from audit_unsequenced");
    await pool.query(early, [rows[0]?.id]);
    await tell(world, [{ kind: "grant.trouble", actor: JOBS, refs: {}, data: { what } }]);
    const before = await headPosition(db);
    await sequenceAll(db);
    await sequenceAll(db);
    assert.equal((await headPosition(db)) - before, what === "another into the log" ? 1 : 2, what);
    assert.equal((await pool.query("select from audit_unsequenced")).rowCount, left, what);
    await superuser(world, "delete from audit_unsequenced");
  }
});

test("all that waits has its position afterwards, also where one waits more often than a batch is long", async (t) => {
  const { world } = await setting(t);
  const { db, pool } = world.store;
  const drafts = (count: number) =>
    Array.from({ length: count }, () => ({ kind: "grant.trouble", actor: JOBS, refs: {}, data: {} }) as const);
  await tell(world, drafts(1));
  await sequenceAll(db);
  await tell(world, drafts(1));
  await pool.query(`insert into audit_unsequenced (entry_id, leaf)
    select entry_id, leaf from audit_unsequenced cross join generate_series(1, 1500)`);
  await tell(world, drafts(1_200));
  const before = await headPosition(db);
  await sequenceAll(db);
  assert.equal((await headPosition(db)) - before, 1_201);
});

test("however long many entries at once have made the queue, whoever gives positions never reads all of it", async (t) => {
  const world = await createWorld({ server, t });
  // What one connection did is counted at its own word.
  const store = openStore(world.url, { connections: 1 });
  t.after(() => store.close());
  const readWhole = async (): Promise<number> => {
    await store.pool.query("select pg_stat_force_next_flush()");
    const { rows } = await store.pool.query(
      "select seq_scan::int as times from pg_stat_user_tables where relname = 'audit_unsequenced'",
    );
    return rows[0].times;
  };
  await sequenceAll(store.db);
  const [before, from] = [await readWhole(), await headPosition(store.db)];
  const entry: EntryDraft = { kind: "installation.created", actor: JOBS, refs: {}, data: {} };
  for (const count of [1, 3_000, 1]) {
    const drafts = Array.from({ length: count }, () => entry);
    await store.db.transaction().execute((tx) => appendEntries(tx, world.context.installation, drafts, AT_MS));
    await sequenceAll(store.db);
    await sequenceAll(store.db);
  }
  assert.equal((await headPosition(store.db)) - from, 3_002);
  assert.equal(await readWhole(), before);
});

test("an entry that somebody put at a position, and that says nothing of itself, is one that is not found", async (t) => {
  const { world } = await setting(t);
  const { db } = world.store;
  await sequenceAll(db);
  const from = await headPosition(db);
  for (const [n, leaf] of [
    '{"kind":"none"}',
    '{"kind":"none","refs":null,"actor":null}',
    '{"kind":"none","actor":1}',
  ].entries()) {
    const to = from + n + 1;
    await superuser(
      world,
      `insert into audit_entries values ('en_bare${n}', '${leaf}');
      insert into audit_lookup (seq, entry_id, kind, actor, at) values (${to}, 'en_bare${n}', 'none', 'jobs', now());
      insert into audit_positions values (${to}, 'en_bare${n}', sha256('\\x00'::bytea || '${leaf}'::bytea))`,
    );
    const span = { from: to - 1, to };
    assert.equal(await firstMislaid(db, span, await entryLines(db, span, false)), to, leaf);
  }
});

/** What waits was written as the version before did it: into the log at once. */
const writtenAsBefore = (world: World): Promise<void> =>
  superuser(
    world,
    "insert into audit_entries select entry_id, leaf from audit_unsequenced; update audit_unsequenced set leaf = null",
  );

/** How the version before gives positions, and trusts the trigger with the rest. */
const AS_BEFORE = `
  with waiting as materialized (
    select entry_id, queued from audit_unsequenced order by queued limit 500
  ), head as materialized (
    select coalesce(max(seq), 0) as seq from audit_positions
  ), placed as (
    insert into audit_positions (seq, entry_id, leaf_hash)
    select head.seq + row_number() over (order by w.queued), w.entry_id, hashed.leaf_hash
      from waiting w cross join head cross join lateral (
        select sha256('\\x00'::bytea || convert_to(leaf, 'UTF8')) as leaf_hash from audit_entries
         where id = w.entry_id offset 0
      ) hashed
    returning seq, entry_id
  ), taken as (
    delete from audit_unsequenced
     where queued = any (array(select w.queued from waiting w join placed p on p.entry_id = w.entry_id))
  )
  select count(*) as count from placed`;

/** Of all kinds of what can be looked for, and of none. */
const told = (person: PrincipalId): EntryDraft[] =>
  Array.from(
    { length: 300 },
    (_, n): EntryDraft => ({
      kind: n % 2 === 0 ? "grant.trouble" : "operation.refused",
      actor: n % 3 === 0 ? JOBS : { principal: person },
      refs: {
        ...(n % 5 === 0 ? { grant: `gr_${n}` as GrantId } : {}),
        ...(n % 7 === 0 ? { request: `rq_${n}` as RequestId } : {}),
        ...(n % 11 === 0 ? { principal: person } : {}),
      },
      data: { n, kind: "no kind", refs: { grant: "no grant" } },
    }),
  );

test("entries are found by what their leaves say, also where a replica of the version before gave the position", async (t) => {
  const { world } = await setting(t);
  const { db, pool } = world.store;
  const { id: alice } = await world.principal("alice");
  const givers = { now: () => sequenceAll(db), before: () => pool.query(AS_BEFORE) };
  for (const [n, [writer, give]] of [
    ["now", givers.now] as const,
    ["before", givers.before] as const,
    ["before", givers.now] as const,
    ["before", givers.before] as const,
  ].entries()) {
    await tell(world, told(alice), AT_MS + n);
    if (writer === "before") await writtenAsBefore(world);
    await give();
    assert.equal((await pool.query("select from audit_unsequenced")).rowCount, 0);
  }
  const all = { from: 0, to: await headPosition(db) };
  const found = (await pool.query("select * from audit_lookup")).rowCount;
  assert.deepEqual([found, await firstMislaid(db, all, await entryLines(db, all, false))], [all.to, null]);
  const wrong = await pool.query(
    `select from audit_positions p join audit_entries e on e.id = p.entry_id
      where leaf_hash <> sha256('\\x00'::bytea || convert_to(leaf, 'UTF8'))`,
  );
  assert.equal(wrong.rowCount, 0);
});

test("whoever gives positions and brings not all by which the entries are found has the rest written", async (t) => {
  const { world } = await setting(t);
  const { db, pool } = world.store;
  const { id: alice } = await world.principal("alice");
  await sequenceAll(db);
  const from = await headPosition(db);
  await tell(world, told(alice));
  await writtenAsBefore(world);
  // All but one of them, and one that is beyond.
  await pool.query(
    `insert into audit_lookup
     select $1 + row_number() over (order by queued), entry_id, e.leaf::jsonb ->> 'kind', coalesce(e.leaf::jsonb -> 'actor' ->> 'principal', 'jobs'),
         e.leaf::jsonb -> 'refs' ->> 'grant', e.leaf::jsonb -> 'refs' ->> 'request', e.leaf::jsonb -> 'refs' ->> 'principal',
         (e.leaf::jsonb ->> 'at')::timestamptz
       from audit_unsequenced join audit_entries e on id = entry_id order by queued offset 1`,
    [from],
  );
  await pool.query("insert into audit_lookup select $1, '', '', '', null, null, null, now()", [
    from + told(alice).length + 1,
  ]);
  await pool.query(AS_BEFORE);
  const all = { from, to: await headPosition(db) };
  assert.equal(all.to - all.from, told(alice).length);
  assert.equal(await firstMislaid(db, all, await entryLines(db, all, false)), null);
});

test("where positions were cut off, what is left of them keeps no later entry from its position", async (t) => {
  const { world } = await setting(t);
  await sequenceAll(world.store.db);
  const size = await headPosition(world.store.db);
  await superuser(world, `delete from audit_positions where seq > ${size - 2}`);
  await tell(world, [{ kind: "grant.trouble", actor: JOBS, refs: {}, data: {} }]);
  await sequenceAll(world.store.db);
  assert.equal(await headPosition(world.store.db), size - 1);
});

test("who gives positions looks nothing up but what leaves the queue; only for the version before the store does", async (t) => {
  const { world } = await setting(t);
  const { db, pool } = world.store;
  const { id: alice } = await world.principal("alice");
  await sequenceAll(db);
  for (const [statement, times] of [
    ["select audit_sequence() as count", 1],
    [AS_BEFORE, 3],
  ] as const) {
    await tell(world, told(alice));
    if (times === 3) await writtenAsBefore(world);
    const client = await pool.connect();
    await client.query("begin");
    const looked = async () =>
      (
        await client.query<{ idx_scan: number }>(
          "select idx_scan from pg_stat_xact_user_tables where relname = 'audit_entries'",
        )
      ).rows[0]?.idx_scan ?? 0;
    const before = await looked();
    const { rows } = await client.query<{ count: number }>(statement);
    const after = await looked();
    await client.query("commit");
    client.release();
    const { length } = told(alice);
    assert.deepEqual([rows[0]?.count, after - before], [length, length * times]);
  }
});
