/** Keys of a real server: rotated while it runs, lost, and the log that is signed with one of them. */
import assert from "node:assert/strict";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import pg from "pg";
import { ask, Served } from "../support/served.ts";
import { until } from "../support/until.ts";

let served: Served;
beforeEach(async () => {
  served = await Served.prepare();
});
afterEach(() => served.stop());

type ListedKeys = { sealing: { id: string; state: string; credentials: number; connections: number }[] };

async function keys(): Promise<ListedKeys["sealing"]> {
  const { code, stdout, stderr } = await served.local("keys", "list", "--json");
  assert.equal(code, 0, stderr);
  return (JSON.parse(stdout) as ListedKeys).sealing;
}

async function signIn(given: { host: string; port: number; database: string; username: string; password: string }) {
  const { host, port, database, username: user, password } = given;
  const client = new pg.Client({ host, port, database, user, password, connectionTimeoutMillis: 30_000 });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

test("a sealing key is rotated while a server runs: everything is sealed anew, and only then the earlier key may go", async () => {
  await served.boot();
  for (const file of ["sealing.key", "signing.key"])
    assert.equal(statSync(join(served.dataDir, "keys", file)).mode & 0o777, 0o600, file);
  const grant = await served.granted("5m");
  const [first] = await keys();
  assert.deepEqual([first?.state, first?.credentials, first?.connections], ["current", 1, 1]);
  const tooSoon = await served.local("keys", "forget", first?.id ?? "");
  assert.equal(tooSoon.code, 1);
  assert.match(tooSoon.stderr, /is the current key/);

  const rotated = await served.local("keys", "rotate");
  assert.equal(rotated.code, 0, rotated.stderr);
  const after = await until(
    async () => {
      const now = await keys();
      return now.find(({ id }) => id === first?.id)?.connections === 0 ? now : null;
    },
    { what: "the secrets to be sealed anew" },
  );
  assert.notEqual(after[0]?.id, first?.id);
  assert.deepEqual([after[0]?.state, after[0]?.credentials, after[0]?.connections], ["current", 1, 1]);
  const forgotten = await served.local("keys", "forget", first?.id ?? "");
  assert.equal(forgotten.code, 0, forgotten.stderr);
  assert.deepEqual(
    (await keys()).map(({ id }) => id),
    [after[0]?.id],
  );
  await (await signIn(await served.credential(grant))).end();
  await served.client("erin").revokeGrant(grant, {});
  await served.grantIs(grant, "revoked");
  const kinds = (await served.client("carol").listAudit({ limit: 1000 })).entries.map(({ kind }) => kind);
  for (const kind of ["key.added", "key.promoted", "key.forgotten"]) assert.ok(kinds.includes(kind), kind);
});

test("a lost sealing key: the server says what is lost and the way on; grants in flight are revoked on time, with proof, and undelivered secrets are made anew", async () => {
  await served.boot();
  const waiting = await served.granted("5m");
  const [lost] = await keys();
  assert.ok(lost !== undefined);
  const taken = await served.granted("30s");
  const session = await signIn(await served.credential(taken));
  await served.end("SIGKILL");
  rmSync(join(served.dataDir, "keys", "sealing.key"));

  const said = await served.refused();
  assert.match(said, new RegExp(`1 undelivered credential and 2 kept connections with key ${lost.id}`));
  assert.match(said, new RegExp(`tidegate keys abandon ${lost.id}`));
  const preview = await served.local("keys", "abandon", lost.id);
  assert.equal(preview.code, 2);
  assert.match(preview.stderr, /Nothing was changed/);
  assert.match(await served.refused(), /keys abandon/, "to look at it changes nothing");
  const abandoned = await served.local("keys", "abandon", lost.id, "--yes");
  assert.equal(abandoned.code, 0, abandoned.stderr);

  await served.boot();
  const fresh = await signIn(await served.credential(waiting));
  assert.equal((await fresh.query("select id from orders")).rowCount, 1, "nobody had to do anything");
  const ended = await served.grantIs(taken, "revoked");
  assert.equal(ended.ended?.cause, "expired");
  assert.equal(ended.receipt?.evidence.kind, "gone");
  await assert.rejects(session.query("select 1"));
  await served.client("erin").revokeGrant(waiting, {});
  assert.equal((await served.grantIs(waiting, "revoked")).receipt?.evidence.kind, "gone");
  assert.deepEqual(await served.logins(), []);
  const entries = (await served.client("carol").listAudit({ limit: 1000 })).entries;
  assert.deepEqual(entries.find(({ kind }) => kind === "key.abandoned")?.data, {
    key: lost.id,
    undelivered: 1,
    connections: 2,
  });
});

test("S18, row 38: against a kept checkpoint an edited entry, a cut end and another log are found, with the first bad position and exit code 1", async () => {
  await served.boot();
  const grant = await served.granted("5m");
  await served.client("erin").revokeGrant(grant, {});
  await served.grantIs(grant, "revoked");
  await until(
    async () => (await served.client("carol").listAudit({ grant })).entries.some((it) => it.kind === "grant.confirmed"),
    { what: "the confirmation" },
  );
  const taken = await served.as("carol", "audit", "checkpoint");
  assert.equal(taken.code, 0, taken.stderr);
  const checkpoint = join(served.dir, "kept");
  writeFileSync(checkpoint, taken.stdout);
  const size = Number(taken.stdout.split("\n")[1]);
  const { key } = await served.client("carol").auditCheckpoint();

  const exported = async (name: string): Promise<string> => {
    const file = join(served.dir, name);
    const { code, stderr } = await served.as("carol", "audit", "export", "--out", file);
    assert.equal(code, 0, stderr);
    return file;
  };
  const verified = (...more: string[]) => served.as("carol", "audit", "verify", ...more);
  const finds = async (position: number, why: RegExp, ...args: string[]): Promise<void> => {
    const { code, stderr } = await verified(...args, "--checkpoint", checkpoint);
    assert.equal(code, 1, stderr);
    assert.match(stderr, new RegExp(`First bad position: ${position}: .*${why.source}`));
  };

  const whole = await exported("whole.jsonl");
  for (const args of [[], [whole], [whole, "--key", key]]) {
    const { code, stdout, stderr } = await verified(...args, "--checkpoint", checkpoint);
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`goes on from .*kept: ${size} entries`));
  }
  const lines = readFileSync(whole, "utf8").trimEnd().split("\n");
  writeFileSync(join(served.dir, "cut.jsonl"), `${lines.slice(0, 2 + size - 3).join("\n")}\n`);
  await finds(size - 2, /the export was cut short/, join(served.dir, "cut.jsonl"));
  const forged = join(served.dir, "forged");
  writeFileSync(forged, taken.stdout.replace(`\n${size}\n`, "\n1\n"));
  const refused = await verified(whole, "--checkpoint", forged);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /proves nothing: .*was changed after it was signed/);

  // The superuser of the store edits an entry, with the guards switched off: the server goes on, and its export shows it.
  const at = 5;
  await inStore(`
    set session_replication_role = replica;
    update audit_entries set leaf = replace(leaf, '"at":"2', '"at":"3')
      where id = (select entry_id from audit_positions where seq = ${at});`);
  await finds(at, /not as it was written/);
  await finds(at, /not as it was written/, await exported("edited.jsonl"));

  // And cuts the end off: the server is in quarantine, and what it signed before shows the cut.
  await inStore(`
    set session_replication_role = replica;
    update audit_entries set leaf = replace(leaf, '"at":"3', '"at":"2')
      where id = (select entry_id from audit_positions where seq = ${at});
    delete from audit_positions where seq > ${size - 3};`);
  await until(async () => (await served.local("recover", "--json")).stdout.includes('"quarantine":{'), {
    what: "the quarantine",
  });
  const { stderr } = await verified("--checkpoint", checkpoint);
  assert.match(stderr, /NOT whole|proves nothing/);
});

test("the signing key is followed by another: the earlier one signs for it, and who trusts that needs to be told nothing", async () => {
  await served.boot();
  const { key: first } = await served.client("carol").auditCheckpoint();
  const rotated = await served.local("keys", "rotate", "--signing");
  assert.equal(rotated.code, 0, rotated.stderr);
  assert.match(rotated.stdout, /Start the server again/);
  await served.end("SIGTERM");
  await served.boot();
  const { key: second } = await served.client("carol").auditCheckpoint();
  assert.notEqual(second, first);
  for (const key of [first, second]) {
    const { code, stderr } = await served.as("carol", "audit", "verify", "--key", key);
    assert.equal(code, 0, stderr);
  }
  const { entries } = await served.client("carol").listAudit({ kind: "key.signing-changed" });
  assert.deepEqual(
    entries.map(({ data }) => [data["from"], data["to"]]),
    [[first, second]],
  );
  const kept = readFileSync(join(served.dataDir, "heads", "keys"), "utf8");
  assert.equal(kept, `${first}\n${second}\n`);
});

/** As the superuser of the embedded store that runs. */
async function inStore(text: string): Promise<void> {
  const folder = join(served.dataDir, "store");
  const [password, port] = ["superuser-password", "port"].map((name) =>
    readFileSync(join(folder, name), "utf8").trim(),
  );
  await ask(`postgres://postgres:${password}@127.0.0.1:${port}/tidegate`, text);
}
