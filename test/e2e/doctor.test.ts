/** `tidegate doctor` against a real server, its store, its folder and its target. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Finding, FindingGroup } from "../../src/base/finding.ts";
import { tidegateVersion } from "../../src/base/version.ts";
import { ask, Served } from "../support/served.ts";
import { cli, type Ended, onlyJson, problem, startStub } from "./cli-harness.ts";

let served: Served;
before(async () => {
  served = await Served.prepare();
  await served.boot();
});
after(() => served.stop());

const config = () => join(served.dir, "tidegate.yaml");
const local = (...more: string[]) => served.local("doctor", "--config", config(), ...more);

async function findings(...more: string[]): Promise<{ code: number; groups: FindingGroup[]; all: readonly Finding[] }> {
  const { code, stdout, stderr } = await local("--json", ...more);
  assert.notEqual(stdout, "", stderr);
  const { groups, ok } = JSON.parse(stdout) as { ok: boolean; groups: FindingGroup[] };
  assert.equal(ok, code === 0);
  return { code, groups, all: groups.flatMap((group) => group.findings) };
}

const about = (all: readonly Finding[], check: string): Finding =>
  all.find((one) => one.check === check) ?? assert.fail(`nothing about ${check}: ${JSON.stringify(all, null, 1)}`);

test("beside a healthy server nothing is wrong, in groups, and it ends with 0", async () => {
  await served.granted("5m");
  const { code, groups, all } = await findings();
  assert.equal(code, 0, JSON.stringify(groups, null, 1));
  assert.deepEqual(
    groups.map(({ title }) => title),
    ["Configuration", "Store", "Keys", `Data folder ${served.dataDir}`, "Target orders-db (postgres)"],
  );
  for (const check of [
    "reachable",
    "schema",
    "clock of this process against the database's",
    "signing key",
    "disk space",
  ])
    assert.notEqual(about(all, check).ok, false, check);
  assert.match(about(all, "sealing key opens what the store holds").saw, /^2 of 2 secrets open$/);
  assert.equal(about(all, "modes").ok, true);
  assert.match(about(all, "can give orders-db:read").saw, /are there and can be passed on/);
  const people = await local();
  assert.equal(people.code, 0, people.stdout);
  assert.match(people.stdout, /^Configuration\n {2}✓ /);
  assert.match(
    people.stdout,
    /\n {2}! PUBLIC may not make temporary tables: .*\n {6}REVOKE TEMPORARY ON DATABASE "orders" FROM PUBLIC;/,
  );
  const secret = new URL(served.target.superuserUrl).password;
  assert.ok(!people.stdout.includes(secret) && !JSON.stringify(groups).includes(secret));
});

test("before the first start it says that nothing was started and what makes the store; all else is looked at, and it ends with 0", async () => {
  const nothing = join(served.dir, "nothing");
  const look = (...more: string[]) => cli(["doctor", "--config", config(), "--data", nothing, ...more]);
  const json = await look("--json");
  assert.equal(json.code, 0, json.stdout);
  const all = outside(json);
  assert.equal(about(all, "there").ok, "unknown");
  assert.match(about(all, "there").saw, /nothing has been started in .*nothing yet/);
  assert.match(about(all, "there").fix ?? "", /tidegate serve --config .* makes the store.*DATABASE_URL/);
  assert.equal(about(all, "disk space").ok, true, "of the place where the folder will be");
  assert.equal(about(all, "admin signs in").ok, true);
  assert.equal(about(all, "can give orders-db:read").ok, true);
  assert.equal(existsSync(nothing), false, "it makes nothing");
  const bad = await cli(["doctor", "--config", join(served.dir, "none.yaml"), "--data", nothing]);
  assert.equal(bad.code, 1, "what is wrong beside it still counts");

  // Keys without a store: a server has been here, and its store is gone.
  mkdirSync(join(nothing, "keys"), { recursive: true, mode: 0o700 });
  writeFileSync(join(nothing, "keys", "signing.key"), "left behind", { mode: 0o600 });
  const lost = await look();
  assert.equal(lost.code, 1);
  assert.match(lost.stdout, /✗ there: there is no store in .*, but .*keys shows that a server has run here\n.*restore/);
});

test("what is wrong is marked, with what to do under it, and it ends with 1", async () => {
  const key = join(served.dataDir, "keys", "sealing.key");
  chmodSync(key, 0o644);
  try {
    const open = await local();
    assert.equal(open.code, 1);
    assert.match(open.stdout, /✗ modes: others may get at .*sealing\.key \(mode 0644\)\n {6}chmod 600 /);
  } finally {
    chmodSync(key, 0o600);
  }
  const kept = readFileSync(key, "utf8");
  writeFileSync(key, `${Buffer.alloc(32, 7).toString("base64")}\n`);
  try {
    const { all } = await findings();
    const sealing = about(all, "sealing key opens what the store holds");
    assert.equal(sealing.ok, false);
    assert.match(sealing.fix ?? "", /tidegate keys abandon [0-9a-f]+/);
  } finally {
    writeFileSync(key, kept);
  }
  await served.onTarget("alter table orders rename to elsewhere");
  try {
    const gives = about((await findings()).all, "can give orders-db:read");
    assert.equal(gives.ok, false);
    assert.match(gives.saw, /table public\.orders/);
  } finally {
    await served.onTarget("alter table elsewhere rename to orders");
  }
});

test("a configuration that is not valid is told line by line, and the rest is looked at all the same", async () => {
  const kept = readFileSync(config(), "utf8");
  // The running server keeps its last good one.
  const bad = join(served.dir, "bad.yaml");
  writeFileSync(bad, kept.replace("version: 1", "version: 2"));
  const { code, stdout } = await served.local("doctor", "--config", bad, "--json");
  assert.equal(code, 1);
  const { groups } = JSON.parse(stdout) as { groups: FindingGroup[] };
  assert.match(groups[0]?.findings[0]?.check ?? "", /bad\.yaml:\d+:\d+$/);
  assert.equal(
    about(
      groups.flatMap((group) => group.findings),
      "schema",
    ).ok,
    true,
  );
});

test("a store that is older than this version is told so, and is not brought up to date by looking", async () => {
  const url = new URL(served.target.superuserUrl);
  await ask(url.href, "create database oldstore");
  url.pathname = "/oldstore";
  served.env = { DATABASE_URL: url.href };
  try {
    const { code, all } = await findings();
    assert.equal(code, 1);
    assert.equal(about(all, "schema").ok, false);
    assert.deepEqual(await ask(url.href, "select 1 from pg_tables where tablename = 'schema_migrations'"), []);
    served.env = { DATABASE_URL: url.href.replace(/:\d+\//, ":1/") };
    const gone = await findings();
    assert.equal(gone.code, 1);
    assert.match(about(gone.all, "reachable").saw, /ECONNREFUSED/);
  } finally {
    served.env = {};
  }
});

const whole = (ended: Ended): { ok: boolean; groups: FindingGroup[] } =>
  onlyJson(ended) as unknown as { ok: boolean; groups: FindingGroup[] };
const outside = (ended: Ended): readonly Finding[] => whole(ended).groups.flatMap((group) => group.findings);

test("from outside a server is looked at with --url: reachable, ready, whose token, which version, the clock", async () => {
  const { code, stdout } = await served.as("alice", "doctor", "--url", "--json");
  assert.equal(code, 0, stdout);
  const { groups } = JSON.parse(stdout) as { groups: FindingGroup[] };
  const all = groups.flatMap((group) => group.findings);
  assert.equal(about(all, "version").saw, `${tidegateVersion()}, as this command`);
  assert.match(about(all, "token").saw, /alice/);
  assert.equal(about(all, "clock here against the server's").saw, "the same");
  const strangers = await fetch(new URL("/healthz", served.url));
  assert.equal(strangers.headers.get("tidegate-version"), null, "strangers are not told the version");
});

test("a token that is not valid, a server that does not answer and one of another version are told apart", async () => {
  const expired = await cli(["doctor", "--url", served.url, "--json"], { TIDEGATE_TOKEN: "tgt_gone" });
  assert.equal(expired.code, 1);
  assert.equal(about(outside(expired), "token").ok, false);
  assert.equal(about(outside(expired), "version").ok, "unknown");

  const nobody = await cli(["doctor", "--url", "http://127.0.0.1:9", "--json"]);
  assert.equal(nobody.code, 1);
  assert.deepEqual(
    outside(nobody).map(({ check, ok }) => [check, ok]),
    [["reachable", false]],
  );

  const me = {
    id: "pr_1",
    handle: "alice",
    name: "Alice",
    email: null,
    kind: "user",
    type: "",
    groups: [],
    roles: [],
    onCallTier: 0,
  };
  const headers = { "tidegate-version": "7.1.0", date: "Thu, 01 Jan 2026 00:00:00 GMT" };
  const stub = await startStub({
    "GET /readyz": { body: { ready: true, checks: { store: { ok: true, detail: "answers" } } } },
    "GET /v1/me": { body: me, headers },
    "GET /v1/grants": { ...problem("malformed-request", 400, "there is no such filter"), headers },
  });
  try {
    const newer = await cli(["doctor", "--url", stub.url, "--json"]);
    assert.equal(newer.code, 1);
    assert.equal(about(outside(newer), "version").saw, `the server is 7.1.0, this command ${tidegateVersion()}`);
    assert.equal(about(outside(newer), "clock here against the server's").ok, "warning");
    // Any other command that fails there says so, too.
    const failed = await cli(["grants"], { TIDEGATE_URL: stub.url });
    assert.match(failed.stderr, /The server is Tidegate 7\.1\.0 and this command is .*\n.*there is no such filter/);
  } finally {
    await stub.close();
  }
});
