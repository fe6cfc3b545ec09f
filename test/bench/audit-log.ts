/** The audit log: what an entry costs its transaction, when it has its position, what a proof takes, and an auditor's verification. */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import { sql } from "kysely";
import type { InstallationId } from "../../src/base/ids.ts";
import { appendEntries } from "../../src/store/audit.ts";
import { inclusionProof } from "../../src/store/audit-tree.ts";
import { type Db, openStore } from "../../src/store/db.ts";
import { createDatabase } from "../../src/store/embedded/create-database.ts";
import { migrate } from "../../src/store/migrate.ts";
import { exportOf, type Made } from "../verifier/made-export.ts";
import type { BenchWorld } from "./bench-world.ts";
import { type Line, median, quantile, ratioLine, timed } from "./numbers.ts";

const MEASURE_MS = 2_500;
/** The pace of either differs by a quarter from one to the next. */
const ROUNDS_EACH = 4;
const CLIENTS = [8, 32];
const VERIFIED = 1_000_000;
const LONG = 10_000_000;
const INSTALLATION = "bench000" as InstallationId;
const VERIFIER = resolve(import.meta.dirname, "../../verifier/verify.mjs");

export async function auditLog(world: BenchWorld, rounds: number): Promise<Line[]> {
  const store = openStore(world.storeUrl, { connections: Math.max(...CLIENTS) });
  try {
    await world.inStore(
      "create table bench_things (n int); create table bench_rows (id text primary key, leaf text not null)",
    );
    const lines: Line[] = [];
    for (const clients of CLIENTS) lines.push(await appending(store.db, clients, rounds));
    lines.push(await positioned(store.db), await proving(world), ...verifying(world, rounds));
    return lines;
  } finally {
    await store.close();
    await world.inStore("drop table if exists bench_things, bench_rows");
  }
}

let told = 0;
/** As long as an entry of a grant. */
function text(): string {
  told += 1;
  return `grant ${told} `.padEnd(220, "of some length ");
}

/** One change and what tells of it: an entry of the log, or a plain row with an id and as much text. */
const change = (db: Db, tell: (tx: Parameters<typeof appendEntries>[0]) => Promise<unknown>): Promise<void> =>
  db.transaction().execute(async (tx) => {
    await sql`insert into bench_things values (1)`.execute(tx);
    await tell(tx);
  });

const entry = (db: Db) =>
  change(db, (tx) =>
    appendEntries(
      tx,
      INSTALLATION,
      [{ kind: "grant.trouble", actor: { system: "jobs" }, refs: {}, data: { of: text() } }],
      0,
    ),
  );
const row = (db: Db) =>
  change(db, (tx) => sql`insert into bench_rows values (${`en_${told}`}, ${`{"of":"${text()}"}`})`.execute(tx));

async function appending(db: Db, clients: number, rounds: number): Promise<Line> {
  const aSecond = async (work: (db: Db) => Promise<void>): Promise<number> => {
    const endMs = performance.now() + MEASURE_MS;
    let done = 0;
    const client = async () => {
      for (; performance.now() < endMs; done += 1) await work(db);
    };
    await Promise.all(Array.from({ length: clients }, client));
    return (done * 1_000) / MEASURE_MS;
  };
  await aSecond(entry);
  await aSecond(row);
  const seen: { ours: number; floor: number }[] = [];
  for (let round = 0; round < rounds * ROUNDS_EACH; round += 1)
    seen.push({ ours: await aSecond(entry), floor: await aSecond(row) });
  const measure = `changes with an entry, ${clients} clients; floor: with a plain row`;
  return ratioLine({ name: "audit-log", measure, unit: "/s", target: { atLeast: 0.85 }, samples: seen.length }, seen);
}

/** While the server runs: its sequencer gives the positions. */
async function positioned(db: Db): Promise<Line> {
  const samples: number[] = [];
  for (let n = 0; n < 150; n += 1) {
    let id = "";
    await change(db, async (tx) => {
      [id = ""] = await appendEntries(
        tx,
        INSTALLATION,
        [{ kind: "grant.trouble", actor: { system: "jobs" }, refs: {}, data: { n } }],
        0,
      );
    });
    const there = () => db.selectFrom("audit_positions").select("seq").where("entry_id", "=", id).executeTakeFirst();
    samples.push(
      await timed(async () => {
        while ((await there()) === undefined);
      }),
    );
  }
  const p99 = quantile(samples, 0.99);
  const measure = "entry to position, p99";
  return {
    name: "audit-log",
    measure,
    ours: p99,
    unit: "ms",
    floor: null,
    value: p99,
    target: { atMost: 300 },
    samples: samples.length,
  };
}

/** In a log whose upper nodes are all there, and of whose leaves those that the proof needs. */
async function proving(world: BenchWorld): Promise<Line> {
  const url = await createDatabase(world.store.superuserUrl, {
    // Not the store's own, whose server is running.
    owner: "bench_long_log",
    password: "x",
    database: "bench_long_log",
  });
  const store = openStore(url, { connections: 1 });
  try {
    await migrate(store.pool);
    const nodes = "insert into audit_nodes select $1, i, sha256(int8send(i)) from generate_series(0, $2::bigint - 1) i";
    for (const [level, width] of [
      [8, 256],
      [16, 65_536],
    ] as const)
      await store.pool.query(nodes, [level, Math.floor(LONG / width)]);
    const leaves =
      "insert into audit_positions select i, 'en_' || i, sha256(int8send(i)) from generate_series($1::bigint, $2) i";
    const at = Array.from({ length: 40 }, (_, n) => n * 250_000 + 77);
    for (const index of at) {
      const first = Math.floor(index / 256) * 256;
      await store.pool.query(leaves, [first + 1, first + 256]);
    }
    await store.pool.query(leaves, [Math.floor(LONG / 256) * 256 + 1, LONG]);
    await store.pool.query("analyze");
    for (const index of at) await inclusionProof(store.db, index, LONG);
    const samples: number[] = [];
    for (const index of at) samples.push(await timed(() => inclusionProof(store.db, index, LONG)));
    const ours = median(samples);
    const measure = "proof of an entry among 10 million";
    return {
      name: "audit-log",
      measure,
      ours,
      unit: "ms",
      floor: null,
      value: ours,
      target: { atMost: 5 },
      samples: samples.length,
    };
  } finally {
    await store.close();
    await world.dropDatabase(url);
  }
}

/** In a process of its own; the file is read before, and hashing is all that the floor does. */
const MEASURING = `
  const [, path, verify, count] = process.argv;
  const { LogVerifier } = await import(verify);
  const { createReadStream } = await import("node:fs");
  const { hash } = await import("node:crypto");
  const verifier = new LogVerifier();
  const startedMs = performance.now();
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 16 })) { bytes += chunk.length; verifier.push(chunk); }
  const verdict = verifier.end();
  const ours = performance.now() - startedMs;
  const entries = Number(count);
  const leaf = Buffer.alloc(Math.round(bytes / entries) - 64, 120);
  const node = Buffer.alloc(65, 1);
  const floorMs = performance.now();
  for (let i = 0; i < entries; i += 1) { hash("sha256", leaf, "buffer"); hash("sha256", node, "buffer"); }
  console.log(JSON.stringify({ ok: verdict.ok, ours, floor: performance.now() - floorMs }));`;

/** Tells what it took at most, in kB, of itself alone: `maxRSS` counts what the process that started it had, too. */
const TELLING =
  'import{readFileSync}from"node:fs";process.on("exit",()=>console.error(/VmHWM:\\s*(\\d+)/.exec(readFileSync("/proc/self/status","utf8"))[1]))';

/** As an auditor runs it, and what it took at most, in MB. */
function memoryOf(path: string): number {
  const args = ["--import", `data:text/javascript,${encodeURIComponent(TELLING)}`, VERIFIER, path];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`the export was not found whole: ${stderr}`);
  return Number(stderr) / 1_024;
}

function verifying(world: BenchWorld, rounds: number): Line[] {
  const path = join(world.dir, "bench-export.jsonl");
  const entries: Made[] = Array.from({ length: VERIFIED }, (_, n) => ({
    leaf: `{"actor":{"system":"jobs"},"data":{"of":"${text()}"},"n":${n}}`,
  }));
  const file = openSync(path, "w");
  for (const piece of exportOf(entries).match(/(?:.*\n){1,4096}/g) ?? []) writeSync(file, piece);
  closeSync(file);
  const seen = Array.from({ length: rounds }, () => {
    const args = ["--input-type=module", "-e", MEASURING, "--", path, VERIFIER, String(VERIFIED)];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (stdout === "") throw new Error(stderr);
    const measured = JSON.parse(stdout) as { ok: boolean; ours: number; floor: number };
    if (!measured.ok) throw new Error("the export was not found whole");
    return measured;
  });
  const memory = memoryOf(path);
  const named = { name: "audit-log", samples: VERIFIED } as const;
  return [
    ratioLine(
      { ...named, measure: "1 million entries verified; floor: the same hashes", unit: "ms", target: { atMost: 1.5 } },
      seen,
    ),
    {
      ...named,
      measure: "memory of the verifier",
      ours: memory,
      unit: "MB",
      floor: null,
      value: memory,
      target: { atMost: 100 },
    },
  ];
}
