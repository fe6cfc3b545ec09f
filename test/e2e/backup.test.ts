/** Backups of Tidegate itself, put back in front of a target on which life went on. The oracle looks at the target. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { promisify } from "node:util";
import type { GrantView } from "../../src/contract/access.ts";
import { createDatabase } from "../../src/store/embedded/create-database.ts";
import { startTestPostgres } from "../support/postgres-server.ts";
import { ask, Served } from "../support/served.ts";
import { findTool, skipWithout } from "../support/tools.ts";
import { until } from "../support/until.ts";

let served: Served;
beforeEach(async () => {
  served = await Served.prepare();
});
afterEach(() => served.stop());

const file = (name: string): string => join(served.dir, name);

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await served.local(...args);
  assert.equal(code, 0, stdout + stderr);
  return stdout;
}

async function refusedWith(expected: RegExp, ...args: string[]): Promise<void> {
  const { code, stderr } = await served.local(...args);
  assert.equal(code, 1, stderr);
  assert.match(stderr, expected);
}

const confirmed = (grant: string) =>
  until(
    async () => (await served.client("carol").listAudit({ grant })).entries.some((it) => it.kind === "grant.confirmed"),
    { what: `grant ${grant} to be confirmed` },
  );

/** Alice asks, and Bob is the lead who must agree. */
async function approvedLater(): Promise<string> {
  const reason = "checking slow checkouts";
  const { id } = await served.client("alice").submitRequest({ entitlement: "orders-db:read", duration: "5m", reason });
  return id;
}

/** A grant that the restored store took for live has ended with a receipt. In quarantine only an admin sees it. */
async function endedByRestore(id: string): Promise<GrantView> {
  const grant = await served.grantIs(id, "revoked", "carol");
  assert.equal(grant.ended?.cause, "revoked");
  assert.equal(grant.receipt?.evidence.kind, "gone");
  return grant;
}

/**
 * Life after the backup: one grant is revoked, one goes on, one is made. Answers them, and what the target then knows.
 */
async function lifeAfter(revokedSince: string) {
  await served.client("erin").revokeGrant(revokedSince, {});
  await served.grantIs(revokedSince, "revoked");
  await confirmed(revokedSince);
  const before = new Set(await served.logins());
  const madeSince = await served.granted("5m");
  const [login] = (await served.logins()).filter((it) => !before.has(it));
  assert.ok(login !== undefined);
  return { madeSince, login };
}

/** What only admins get past, and everybody is told. */
async function inQuarantine(why: RegExp): Promise<void> {
  const refused = { code: "quarantine", status: 503 };
  const asked = { entitlement: "orders-db:read", reason: "checkouts fail", ticket: "INC-42", duration: "5m" } as const;
  await assert.rejects(served.client("erin").me(), refused);
  await assert.rejects(served.client("erin").submitRequest(asked), refused);
  await assert.rejects(served.client("carol").submitRequest(asked), refused);
  assert.equal((await served.client("carol").me()).handle, "carol");
  const ready = await fetch(`${served.url}/readyz`);
  const body = (await ready.json()) as { detail: string; checks: Record<string, { ok: boolean; detail: string }> };
  assert.equal(ready.status, 503);
  assert.equal(body.checks["quarantine"]?.ok, false);
  assert.match(body.checks["quarantine"]?.detail ?? "", why);
  const status = await served.as("erin", "status");
  assert.match(status.stderr, /quarantine.*tidegate recover/s);
  assert.equal(status.code, 1);
  const doctor = await served.local("doctor", "--config", file("tidegate.yaml"));
  assert.match(doctor.stdout, /quarantine.*tidegate recover/s);
  const admins = await served.as("carol", "status");
  assert.equal(admins.code, 0, admins.stderr);
  assert.match(admins.stdout, /in quarantine since .*tidegate recover/s);
}

type Recovered = {
  quarantine: { why: string; sinceMs: number } | null;
  left: boolean;
  grants: { id: string; proven: boolean }[];
  sweeps: { sweptMs: number | null }[];
  marks: { resolvedMs: number | null }[];
};

/** Looks, is refused without a reason, and leaves with one. */
async function recovered(...ended: string[]): Promise<void> {
  await until(
    async () => {
      const { stdout } = await served.local("recover", "--json");
      const { quarantine: since, sweeps, marks } = JSON.parse(stdout) as Recovered;
      const searched = sweeps.every(({ sweptMs }) => sweptMs !== null && sweptMs >= (since?.sinceMs ?? 0));
      return searched && marks.every(({ resolvedMs }) => resolvedMs !== null);
    },
    { what: "every target to be searched and clean", timeoutMs: 90_000 },
  );
  const looked = await served.local("recover", "--json");
  assert.equal(looked.code, 1, looked.stderr);
  const seen = JSON.parse(looked.stdout) as Recovered;
  assert.ok(seen.quarantine !== null);
  for (const id of ended)
    assert.ok(
      seen.grants.some((one) => one.id === id && one.proven),
      looked.stdout,
    );
  assert.equal((await served.local("recover", "--reason", "short")).code, 1);
  assert.match(await done("recover", "--reason", "restored after the disk had failed"), /Out of quarantine/);
  assert.match(await done("recover"), /not in quarantine/);
  assert.equal((await fetch(`${served.url}/readyz`)).status, 200);
}

/** What was made after the backup is in no ledger: in quarantine a sweep removes it, whatever the resource's policy. */
async function sweptAway(login: string | undefined): Promise<void> {
  assert.ok(login, "somebody got in after the backup");
  const finding = await until(
    async () => {
      const { resources } = await served.client("carol").listDrift({ resolvedSince: "2000-01-01T00:00:00Z" });
      const found = resources.flatMap(({ findings }) => findings).find(({ subject }) => subject === login);
      return found?.resolvedAt === null ? null : found;
    },
    { what: `${login} to be swept away`, timeoutMs: 90_000 },
  );
  assert.deepEqual([finding.kind, finding.remedy], ["unknown-mark", "remove"]);
  assert.deepEqual(await served.logins(), []);
}

test("row 9: an older backup of the embedded store is started in quarantine: whatever it takes for live is ended with proof, nothing is given, and somebody must leave it with a reason", async () => {
  await served.boot();
  const [revokedSince, goesOn] = [await served.granted("5m"), await served.granted("5m")];
  const pending = await approvedLater();
  const said = await done("backup", file("one.backup"));
  assert.match(said, /The keys are not in it/);
  assert.equal(statSync(file("one.backup")).mode & 0o777, 0o600);
  await refusedWith(/exists/, "backup", file("one.backup"));
  assert.ok(
    !readFileSync(file("one.backup"), "utf8").includes(
      readFileSync(join(served.dataDir, "keys", "sealing.key"), "utf8").trim(),
    ),
  );

  const { login } = await lifeAfter(revokedSince);
  await served.end("SIGTERM");
  await refusedWith(/There is a store .* already/, "restore", file("one.backup"));
  renameSync(join(served.dataDir, "store"), file("old-store"));
  await refusedWith(/Something did happen/, "restore", file("one.backup"), "--nothing-since");
  assert.ok(!existsSync(join(served.dataDir, "store")), "a restore that fails leaves the folder as it was");
  const restored = JSON.parse(await done("restore", file("one.backup"), "--json")) as { ended: number };
  assert.equal(restored.ended, 2);

  await served.boot();
  await inQuarantine(/restored from a backup of/);
  await endedByRestore(revokedSince);
  await endedByRestore(goesOn);
  await assert.rejects(served.client("carol").reviewRequest(pending, { verdict: "approve" }), { code: "quarantine" });
  await served.end("SIGKILL");
  await served.boot();
  await inQuarantine(/restored from a backup of/);
  await sweptAway(login);
  await recovered(revokedSince, goesOn);
  assert.equal((await served.client("alice").getRequest(pending)).state, "pending");
  assert.ok(readdirSync(join(served.dataDir, "heads")).some((name) => name.startsWith("head-before-")));
  const kinds = (await served.client("carol").listAudit({ limit: 1000 })).entries.map(({ kind }) => kind);
  for (const kind of ["store.restored", "store.quarantined", "store.recovered"]) assert.ok(kinds.includes(kind), kind);

  // The log goes on from its restored place, and so does the next start.
  await served.end("SIGTERM");
  await served.boot();
  const again = await served.granted("5m");
  await served.client("erin").revokeGrant(again, {});
  assert.equal((await served.grantIs(again, "revoked")).receipt?.evidence.kind, "gone");
});

test("row 9: a planned move: stopped, backed up with its keys, restored elsewhere with nothing since: grants and sessions go on; without that word they end", async () => {
  await served.boot();
  const grant = await served.granted("5m");
  await served.end("SIGTERM");
  const said = await done("backup", file("move.backup"), "--include-keys");
  assert.match(said, /ATTENTION: the keys are in it/);
  renameSync(served.dataDir, file("left-behind"));
  await done("restore", file("move.backup"), "--nothing-since");
  await served.boot();
  const { username } = await served.credential(grant);
  assert.deepEqual(await served.logins(), [username]);
  await served.end("SIGTERM");
  // The same file again, on a machine where no head says what happened meanwhile.
  renameSync(served.dataDir, file("left-behind-too"));
  await done("restore", file("move.backup"));
  await served.boot();
  await inQuarantine(/restored from a backup of/);
  await endedByRestore(grant);
  assert.deepEqual(await served.logins(), []);
  await recovered(grant);
});

test("a backup that is cut off, changed, of another version, or whose audit log is not whole is refused, and nothing is left of it", async () => {
  await served.boot();
  const grant = await served.granted("5m");
  await served.client("erin").revokeGrant(grant, {});
  await served.grantIs(grant, "revoked");
  await served.end("SIGTERM");
  await done("backup", file("good.backup"));
  const text = readFileSync(file("good.backup"), "utf8");
  renameSync(join(served.dataDir, "store"), file("old-store"));
  const bad: [string, string, RegExp][] = [
    ["empty", "", /is empty/],
    ["no-backup", "{}\n", /not a backup of Tidegate/],
    ["cut", text.slice(0, text.length * 0.6), /cut off/],
    ["cut-line", `${text.trimEnd().split("\n").slice(0, -1).join("\n")}\n`, /ends before its end/],
    ["changed", text.replace("alice", "mallo"), /checksum does not fit/],
    ["newer", text.replace('"tidegateBackup":2', '"tidegateBackup":3'), /Restore it with the version that made it/],
    [
      "other-schema",
      resealed(text.replace(/"checksum":"[0-9a-f]{64}"/, `"checksum":"${"0".repeat(64)}"`)),
      /another version/,
    ],
    [
      "forged",
      resealed(text.replace(String.raw`\"kind\":\"grant.revoked\"`, String.raw`\"kind\":\"grant.failed\"`)),
      /audit log .* is not whole/,
    ],
  ];
  for (const [name, content, expected] of bad) {
    assert.notEqual(content, text, name);
    writeFileSync(file(name), content);
    await refusedWith(expected, "restore", file(name));
    assert.ok(!existsSync(join(served.dataDir, "store")), name);
  }
  await done("restore", file("good.backup"), "--nothing-since");
  await served.boot();
  assert.equal((await served.client("erin").getGrant(grant)).state, "revoked");
});

/** With the checksum of what it says now: what somebody does who wants it to be taken for true. */
function resealed(text: string): string {
  const lines = text.trimEnd().split("\n").slice(0, -1);
  const body = `${lines.join("\n")}\n`;
  const sha256 = createHash("sha256").update(body).digest("hex");
  return `${body}${JSON.stringify({ seal: { rows: lines.length - 1, sha256 } })}\n`;
}

const headPosition = (): number =>
  Number(readFileSync(join(served.dataDir, "heads", "checkpoint"), "utf8").split("\n")[1]);

async function program(name: string, ...args: string[]): Promise<void> {
  await promisify(execFile)(findTool(name) ?? name, args);
}

test("row 9: a store of DATABASE_URL put back with pg_dump and pg_restore starts in quarantine", {
  skip: skipWithout("pg_dump"),
}, async () => {
  const store = await startTestPostgres(15);
  try {
    const wanted = { owner: "tidegate", password: "a-password" };
    served.env = { DATABASE_URL: await createDatabase(store.superuserUrl, { ...wanted, database: "tidegate" }) };
    await served.boot();
    const [revokedSince, goesOn] = [await served.granted("5m"), await served.granted("5m")];
    const dump = file("tidegate.dump");
    await program("pg_dump", "--format=custom", `--file=${dump}`, served.env["DATABASE_URL"] ?? "");
    const { login, madeSince } = await lifeAfter(revokedSince);
    const { entries } = await served.client("carol").listAudit({ grant: madeSince });
    await until(() => headPosition() >= (entries.at(-1)?.seq ?? 0), { what: "the head to be signed" });
    await served.end("SIGKILL");

    await createDatabase(store.superuserUrl, { ...wanted, database: "restored" });
    const superuser = new URL(store.superuserUrl);
    superuser.pathname = "/restored";
    await program("pg_restore", "--exit-on-error", "--single-transaction", `--dbname=${superuser.href}`, dump);
    const restoredUrl = new URL(served.env["DATABASE_URL"] ?? "");
    restoredUrl.pathname = "/restored";
    served.env = { DATABASE_URL: restoredUrl.href };
    await served.boot();
    await inQuarantine(/the log in the store ends at \d+\. An older backup was restored/);
    await endedByRestore(revokedSince);
    await endedByRestore(goesOn);
    await sweptAway(login);
    await recovered(revokedSince, goesOn);
  } finally {
    await served.end("SIGTERM");
    await store.stop();
  }
});

test("a logical backup also goes from a database to a database, and never into one that holds something", async () => {
  const store = await startTestPostgres(15);
  try {
    const owner = { owner: "tidegate", password: "a-password" };
    const [from, to] = [
      await createDatabase(store.superuserUrl, { ...owner, database: "tidegate" }),
      await createDatabase(store.superuserUrl, { ...owner, database: "elsewhere" }),
    ];
    served.env = { DATABASE_URL: from };
    await served.boot();
    const grant = await served.granted("5m");
    await served.end("SIGTERM");
    await done("backup", file("db.backup"));
    await refusedWith(/The store is not empty/, "restore", file("db.backup"));
    served.env = { DATABASE_URL: to };
    await done("restore", file("db.backup"), "--nothing-since");
    const tables = [
      "grants",
      "leases",
      "requests",
      "audit_entries",
      "audit_positions",
      "audit_lookup",
      "sealed_secrets",
      "principals",
    ];
    for (const table of tables) {
      const rows = (url: string) => ask(url, `select * from ${table} order by 1`);
      const [was, is] = [await rows(from), await rows(to)];
      assert.ok(was.length > 0, table);
      if (table !== "audit_entries") assert.deepEqual(is, was, table);
    }
    await served.boot();
    await served.credential(grant);
    await served.client("erin").revokeGrant(grant, {});
    assert.equal((await served.grantIs(grant, "revoked")).receipt?.evidence.kind, "gone");
  } finally {
    await served.end("SIGTERM");
    await store.stop();
  }
});
