/** The tree of the log on a real store: proofs, the export, what somebody does to the tables, and the upgrade from the chain. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { sign } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import pg from "pg";
import { canonicalJson } from "../../src/base/canonical.ts";
import { sha256Hex } from "../../src/base/hash.ts";
import type { InstallationId } from "../../src/base/ids.ts";
import { foldComplete, GrowingTree, isConsistent, isIncluded, leafHash } from "../../src/base/merkle.ts";
import { HeadSigner } from "../../src/jobs/sign-heads.ts";
import { appendEntries, headPosition, sequenceAll } from "../../src/store/audit.ts";
import { disagreement, headNow, keepHead, readKeptHead, signHead } from "../../src/store/audit-head.ts";
import { rootAt } from "../../src/store/audit-tree.ts";
import { openStore } from "../../src/store/db.ts";
import { createDatabase } from "../../src/store/embedded/create-database.ts";
import { loadSigningKeys, publicBytes } from "../../src/store/keys/signing-key.ts";
import { LogVerifier, type Verdict } from "../../verifier/verify.mjs";
import { type Api, createApi, withTokens } from "../support/api.ts";
import { automatically, configuration, directoryResource, person } from "../support/configuration.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { createWorld, type World } from "../support/world.ts";

let server: TestPostgres;
before(async () => {
  server = await startTestPostgres(18, { fsync: "off" });
});
after(() => server.stop());

/** A log of some hundred entries, two lines of hashes long and a bit. */
async function setting(t: TestContext): Promise<{ world: World; api: Api; size: number }> {
  const world = await createWorld({ server, t });
  world.directory.members.set("readers", new Set());
  const resources = [directoryResource("vault", world.directoryName, { read: { group: "readers" } })];
  const principals = [person("alice"), person("audrey", { roles: ["auditor"] })];
  await world.configure(withTokens(configuration({ principals, policies: [automatically("all")], resources })));
  const { store, context } = world;
  await sequenceAll(store.db);
  // Some at a time, so that batches begin and end everywhere.
  for (let left = 560; left > 0; left -= 70) {
    const drafts = Array.from({ length: 70 }, (_, n) => ({
      kind: "grant.trouble" as const,
      actor: { system: "jobs" as const },
      refs: {},
      data: { n },
      ...(n % 10 === 0 ? { personal: { reason: `because of ${n}, "quoted"` } } : {}),
    }));
    await store.db.transaction().execute((tx) => appendEntries(tx, context.installation, drafts, 1_700_000_000_000));
    await sequenceAll(store.db);
  }
  const api = createApi(world);
  t.after(() => api.close());
  return { world, api, size: (await headNow(store.db, context.installation)).size };
}

/** By the definition, from what the entries say. */
async function treeOf({ store }: World, size: number): Promise<GrowingTree> {
  const { rows } = await store.pool.query<{ leaf: string }>(
    "select e.leaf from audit_positions p join audit_entries e on e.id = p.entry_id where p.seq <= $1 order by p.seq",
    [size],
  );
  const tree = new GrowingTree();
  for (const { leaf } of rows) tree.append(leafHash(leaf));
  return tree;
}

async function verify(api: Api, query = "", checkpoints: { name: string; note: string }[] = []): Promise<Verdict> {
  const { status, text } = await api.get("audrey", `/v1/audit/export${query}`);
  assert.equal(status, 200, text);
  const verifier = new LogVerifier({ checkpoints });
  verifier.push(Buffer.from(text));
  return verifier.end();
}

const tampered = async ({ superuserUrl }: World, statement: string): Promise<void> => {
  const client = new pg.Client(superuserUrl);
  await client.connect();
  await client.query(`set session_replication_role = replica; ${statement}`);
  await client.end();
};

test("the root at every size is that of the definition, and every proof of the API holds", async (t) => {
  const { world, api, size } = await setting(t);
  const { db } = world.store;
  const root = async (n: number) => (await treeOf(world, n)).root();
  for (const n of [0, 1, 2, 255, 256, 257, 511, 512, 513, size])
    assert.deepEqual(Buffer.from(await rootAt(db, n)), Buffer.from(await root(n)), `size ${n}`);
  const hashes = (proof: string[]) => proof.map((one) => Buffer.from(one, "base64"));
  for (const [seq, at] of [
    [1, size],
    [256, 256],
    [257, 300],
    [300, size],
    [size, size],
  ] as const) {
    const { body } = await api.get("alice", `/v1/audit/proof?seq=${seq}&size=${at}`);
    assert.ok(isIncluded(Buffer.from(body.leafHash, "base64"), seq - 1, at, hashes(body.proof), await root(at)));
  }
  for (const from of [0, 1, 255, 256, 300, size]) {
    const { body } = await api.get("alice", `/v1/audit/consistency?from=${from}&to=${size}`);
    const [first, second] = [await root(from), await root(size)];
    assert.ok(isConsistent({ size: from, root: first }, { size, root: second }, hashes(body.proof)), `from ${from}`);
  }
  for (const url of [`proof?seq=${size + 9}`, `proof?seq=2&size=1`, `consistency?from=${size + 9}`])
    assert.equal((await api.get("alice", `/v1/audit/${url}`)).status, 404, url);
});

test("the export is whole, with the texts of people and without, also after they were erased, and is for auditors", async (t) => {
  const { world, api, size } = await setting(t);
  assert.equal((await api.get("alice", "/v1/audit/export")).status, 403);
  const { text } = await api.get("audrey", "/v1/audit/export");
  assert.match(text, /because of 20, \\"quoted\\"/);
  for (const query of ["", "?personal=no"]) {
    const verdict = await verify(api, query);
    assert.ok(verdict.ok, JSON.stringify(verdict));
    assert.equal(verdict.entries, size);
  }
  assert.doesNotMatch((await api.get("audrey", "/v1/audit/export?personal=no")).text, /because of/);
  await world.store.pool.query("delete from audit_personal");
  assert.ok((await verify(api)).ok);
});

test("an export made here verifies where there is nothing of the product: the verifier alone, with Node", async (t) => {
  const { api, size } = await setting(t);
  const folder = scratch(t);
  const { text } = await api.get("audrey", "/v1/audit/export");
  copyFileSync(resolve(import.meta.dirname, "../../verifier/verify.mjs"), join(folder, "verify.mjs"));
  const verifying = (name: string, exported: string) => {
    writeFileSync(join(folder, name), exported);
    return spawnSync(process.execPath, ["verify.mjs", name, "--json"], { cwd: folder, env: {}, encoding: "utf8" });
  };
  const whole = verifying("whole.jsonl", text);
  assert.deepEqual([whole.status, whole.stderr], [0, ""]);
  assert.equal((JSON.parse(whole.stdout) as { entries: number }).entries, size);
  const bad = verifying("bad.jsonl", text.replace('"n":33', '"n":34'));
  assert.deepEqual([bad.status, (JSON.parse(bad.stdout) as { ok: boolean }).ok], [1, false]);
});

test("S18, row 38: what somebody does to the tables of the log is named by its position", async (t) => {
  const { world, size } = await setting(t);
  const { db } = world.store;
  const { installation } = world.context;
  const [key] = loadSigningKeys(scratch(t), {});
  const signed = signHead(await headNow(db, installation), key);
  const api = createApi(world, { latestCheckpoint: async () => signed });
  t.after(() => api.close());
  const at = (seq: number): string => `(select entry_id from audit_positions where seq = ${seq})`;
  const finds = async (position: number, why: RegExp): Promise<void> => {
    const verdict = await verify(api);
    assert.ok(!verdict.ok);
    assert.match(verdict.why, why);
    assert.equal(verdict.position, position, verdict.why);
  };
  const backUp = `create schema kept; create table kept.e as table audit_entries;
    create table kept.p as table audit_positions; create table kept.l as table audit_lookup; create table kept.n as table audit_nodes`;
  await tampered(world, backUp);
  const restore = async (): Promise<void> => {
    for (const [table, kept] of [
      ["audit_entries", "kept.e"],
      ["audit_positions", "kept.p"],
      ["audit_lookup", "kept.l"],
      ["audit_nodes", "kept.n"],
    ])
      await tampered(world, `delete from ${table}; insert into ${table} table ${kept}`);
    assert.ok((await verify(api)).ok);
  };
  await tampered(world, `update audit_entries set leaf = replace(leaf, '"n":', '"m":') where id = ${at(300)}`);
  await finds(300, /not as it was written/);
  await restore();
  await tampered(world, `delete from audit_entries where id = ${at(300)}`);
  await finds(300, /missing in the store/);
  await restore();
  await tampered(world, "delete from audit_positions where seq = 300");
  await finds(300, /missing in the store/);
  await restore();
  await tampered(world, `delete from audit_positions where seq > ${size - 5}`);
  await finds(size - 4, /the end is missing/);
  await restore();
  // Whoever edits what entries are found by leaves them whole, and hides them from whoever asks.
  const found: [string, number?][] = [
    ["update audit_lookup set kind = 'grant.revoked' where seq = 300"],
    ["update audit_lookup set actor = 'reconciler' where seq = 300"],
    ["update audit_lookup set grant_id = 'gr_1' where seq = 300"],
    ["update audit_lookup set request_id = 'rq_1' where seq = 300"],
    ["update audit_lookup set principal_id = 'pr_1' where seq = 300"],
    ["update audit_lookup set at = at + interval '1 ms' where seq = 300"],
    ["update audit_lookup set entry_id = 'en_1' where seq = 300"],
    ["delete from audit_lookup where seq in (300, 400)"],
    [
      "update audit_nodes set earliest = latest + interval '1 s', latest = latest + interval '1 day' where index = 1",
      257,
    ],
  ];
  for (const [statement, first = 300] of found) {
    await tampered(world, statement);
    await finds(first, /would not find the entry/);
    await restore();
  }
  await tampered(world, `update audit_entries set leaf = replace(leaf, '"at":"2', '"at":"3') where id = ${at(300)}`);
  await finds(300, /not as it was written/);
  await restore();
  const hidden =
    "leaf_hash = sha256('\\x00'::bytea || convert_to((select leaf from audit_entries where id = entry_id), 'UTF8'))";
  await tampered(world, `update audit_entries set leaf = replace(leaf, '"n":', '"m":') where id = ${at(300)}`);
  await tampered(world, `update audit_positions set ${hidden} where seq = 300`);
  // Whoever rewrites the hash too gets no further than to where the nodes above are the old ones.
  await finds(257, /hashes of positions 257 to 512 are not those that were signed/);
  await tampered(world, "delete from audit_nodes");
  for (const path of [`proof?seq=300&size=${size}`, `consistency?from=300&to=${size}`]) {
    const { status, body } = await api.get("audrey", `/v1/audit/${path}`);
    assert.equal(status, 503, "it cannot be proven any more, and says why");
    assert.match(
      body.detail,
      /^The log is not whole: the store lacks hashes .* tidegate audit verify to see what is left\.$/,
    );
  }
  await finds(size + 1, /missing in the store/);
});

test("the node over 65,536 entries is that of the nodes below it, and none is made of less than all", async (t) => {
  const world = await createWorld({ server, t });
  const { db, pool } = world.store;
  await sequenceAll(db);
  const below = Array.from({ length: 255 }, (_, n) => leafHash(`node ${n}`));
  await pool.query("insert into audit_nodes select 8, i - 1, h from unnest($1::bytea[]) with ordinality t (h, i)", [
    below.map((hash) => Buffer.from(hash)),
  ]);
  const place =
    "insert into audit_positions select i, 'en_' || i, sha256(int8send(i)) from generate_series($1::bigint, $2) i";
  await pool.query(place, [65_282, 65_535]);
  await approved(world, {});
  await assert.rejects(sequenceAll(db), /the store lacks hashes of the log/);
  assert.equal(await headPosition(db), 65_535);
  await pool.query(place, [65_281, 65_281]);
  await sequenceAll(db);
  assert.equal(await headPosition(db), 65_536);
  const { rows } = await pool.query<{ level: number; index: number; hash: Buffer }>(
    "select level, index, hash from audit_nodes where level = 16 or index = 255 order by level",
  );
  const leaves = await pool.query<{ hash: Buffer }>(
    "select leaf_hash as hash from audit_positions where seq > 65280 order by seq",
  );
  const last = foldComplete(leaves.rows.map(({ hash }) => hash));
  assert.deepEqual(rows, [
    { level: 8, index: 255, hash: Buffer.from(last) },
    { level: 16, index: 0, hash: Buffer.from(foldComplete([...below, last])) },
  ]);
});

function scratch(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "tidegate-tree-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const approved = (world: World, data: { emergency?: true }) =>
  world.store.db
    .transaction()
    .execute((tx) =>
      appendEntries(
        tx,
        world.context.installation,
        [{ kind: "request.approved", actor: { system: "jobs" }, refs: {}, data }],
        0,
      ),
    );

test("a head is signed after an emergency at once, and an older one never takes the place of a newer one", async (t) => {
  const { world } = await setting(t);
  const dataDir = scratch(t);
  const signing = loadSigningKeys(dataDir, {});
  const signer = new HeadSigner(world.context, { signing, dataDir, alarm: () => assert.fail("an alarm") });
  const first = await signer.sign();
  const tell = (data: { emergency?: true }) => approved(world, data);
  const kept = async () => (await readKeptHead(dataDir))?.size ?? 0;
  await tell({});
  await sequenceAll(world.store.db);
  await signer.signAfterEmergency();
  assert.equal(await kept(), first?.size, "nothing of an emergency");
  await tell({ emergency: true });
  await sequenceAll(world.store.db);
  await signer.signAfterEmergency();
  assert.equal(await kept(), (first?.size ?? 0) + 2);
  const sizes = await Promise.all(
    Array.from({ length: 5 }, async () => {
      await tell({});
      return (await signer.sign())?.size ?? 0;
    }),
  );
  assert.equal(await kept(), Math.max(...sizes));
});

test("an emergency that could not be signed is looked for again: it is under a head once the log agrees with the kept one", async (t) => {
  const { world } = await setting(t);
  const dataDir = scratch(t);
  const signing = loadSigningKeys(dataDir, {});
  const signer = new HeadSigner(world.context, { signing, dataDir, alarm: () => undefined });
  const first = await signer.sign();
  assert.ok(first !== null);
  const ahead = signHead({ ...first, size: first.size + 1_000 }, signing[0]);
  await keepHead(dataDir, ahead);
  await approved(world, { emergency: true });
  await sequenceAll(world.store.db);
  await signer.signAfterEmergency();
  assert.equal((await readKeptHead(dataDir))?.size, ahead.size, "nothing is signed over a head that the log lacks");
  await keepHead(dataDir, first);
  await signer.signAfterEmergency();
  assert.equal((await readKeptHead(dataDir))?.size, await headPosition(world.store.db));
});

test("row 36: a log of before the tree becomes one, and the head that was kept over its chain is held against it, once", async (t) => {
  const world = await createWorld({ server, t });
  const url = await createDatabase(server.superuserUrl, {
    owner: "chained",
    password: "x",
    database: `chained_${process.pid}`,
  });
  const store = openStore(url, { connections: 1 });
  t.after(() => store.close());
  const { db, pool } = store;
  const folder = resolve(import.meta.dirname, "../../src/store/migrations");
  const names = readdirSync(folder)
    .filter((name) => !name.endsWith(".test.ts"))
    .sort();
  const run = async (wanted: (name: string) => boolean): Promise<void> => {
    for (const name of names.filter(wanted)) {
      const { sql } = (await import(join(folder, name))) as { sql: string };
      await pool.query("begin");
      await pool.query(sql);
      await pool.query("commit");
    }
  };
  await run((name) => name < "0025");
  const leaves = Array.from({ length: 700 }, (_, n) =>
    canonicalJson({
      v: 1,
      kind: "grant.trouble",
      actor: { system: "jobs" },
      at: "2026-01-31T12:00:00.000Z",
      data: { n, ü: "\u2028" },
    }),
  );
  let hash = sha256Hex("tidegate audit chain v1");
  const hashes = leaves.map((leaf, i) => {
    hash = sha256Hex(`${hash}\n${i + 1}\n${sha256Hex(leaf)}`);
    return hash;
  });
  await pool.query(
    "insert into audit_entries select 'en_' || n, leaf from unnest($1::text[]) with ordinality as t (leaf, n)",
    [leaves],
  );
  await pool.query(
    "insert into audit_positions select n, 'en_' || n, hash from unnest($1::text[]) with ordinality as t (hash, n)",
    [hashes],
  );
  await run((name) => name >= "0025");
  for (const size of [1, 256, 600, 700]) {
    const tree = new GrowingTree();
    for (const leaf of leaves.slice(0, size)) tree.append(leafHash(leaf));
    assert.deepEqual(Buffer.from(await rootAt(db, size)), Buffer.from(tree.root()));
  }
  await assert.rejects(pool.query("update audit_nodes set hash = hash"), /permission denied|insert-only/);
  await assert.rejects(pool.query("update audit_positions set leaf_hash = leaf_hash"), /permission denied|insert-only/);

  const dataDir = scratch(t);
  const [key] = loadSigningKeys(dataDir, {});
  const installation = "k3v9x2q7" as InstallationId;
  const headOfChain = (position: number, chainHash: string): void => {
    const said = { v: 1, installation, position, chainHash, at: "2026-01-31T12:00:00.000Z" };
    const signature = sign(null, Buffer.from(`tidegate audit head v1\n${canonicalJson(said)}`), key.privateKey);
    const publicKey = publicBytes(key.publicKey).toString("base64url");
    mkdirSync(join(dataDir, "heads"), { recursive: true });
    writeFileSync(
      join(dataDir, "heads", "head.json"),
      JSON.stringify({ ...said, keyId: key.id, publicKey, signature: signature.toString("base64url") }),
    );
  };
  const why = async () => {
    const kept = await readKeptHead(dataDir);
    assert.ok(kept !== null);
    return disagreement(db, installation, kept);
  };
  headOfChain(650, hashes[649] ?? "");
  assert.equal(await why(), null);
  headOfChain(650, hashes[648] ?? "");
  assert.match(String(await why()), /another at position 650/);
  headOfChain(701, hashes[699] ?? "");
  assert.match(String(await why()), /ends at 700/);
  headOfChain(700, hashes[699] ?? "");
  await keepHead(dataDir, signHead(await headNow(db, installation), key));
  assert.deepEqual(readdirSync(join(dataDir, "heads")).sort(), ["checkpoint", "head-of-chain.json", "keys"]);
  assert.equal(await why(), null);
  assert.equal(
    (await disagreement(db, world.context.installation, (await readKeptHead(dataDir)) ?? assert.fail())) === null,
    false,
  );
});
