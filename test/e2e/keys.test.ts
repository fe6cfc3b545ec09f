/** Keys of a real server: rotated while it runs, lost, and the log that is signed with one of them. */
import assert from "node:assert/strict";
import { copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import pg from "pg";
import { canonicalJson } from "../../src/base/canonical.ts";
import { chainHash, chainStart } from "../../src/store/audit.ts";
import type { SignedHead } from "../../src/store/audit-head.ts";
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
  const client = new pg.Client({ host, port, database, user, password, connectionTimeoutMillis: 5_000 });
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
  const [taken, waiting] = [await served.granted("12s"), await served.granted("5m")];
  const session = await signIn(await served.credential(taken));
  const [lost] = await keys();
  assert.ok(lost !== undefined);
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

test("S18, row 38: against a kept head an edited entry, a cut end and a rewritten log are found, with the first bad position and exit code 1", async () => {
  await served.boot();
  const grant = await served.granted("5m");
  await served.client("erin").revokeGrant(grant, {});
  await served.grantIs(grant, "revoked");
  await until(
    async () => (await served.client("carol").listAudit({ grant })).entries.some((it) => it.kind === "grant.confirmed"),
    { what: "the confirmation" },
  );
  await served.end("SIGTERM");
  const headFile = join(served.dir, "kept-head.json");
  copyFileSync(join(served.dataDir, "heads", "head.json"), headFile);
  const head = JSON.parse(readFileSync(headFile, "utf8")) as SignedHead;
  await served.boot();

  const exported = async (name: string): Promise<string> => {
    const file = join(served.dir, name);
    const { code, stderr } = await served.as("carol", "audit", "export", "--out", file);
    assert.equal(code, 0, stderr);
    return file;
  };
  const verified = (file: string, ...more: string[]) => served.as("nobody", "audit", "verify", file, ...more);

  const whole = await verified(await exported("whole.jsonl"), "--head", headFile, "--key", head.keyId);
  assert.equal(whole.code, 0, whole.stderr);
  assert.match(whole.stdout, new RegExp(`goes on from the head of position ${head.position}`));

  const lines = readFileSync(join(served.dir, "whole.jsonl"), "utf8").trimEnd().split("\n");
  const cut = join(served.dir, "cut.jsonl");
  writeFileSync(cut, `${lines.slice(0, head.position - 3).join("\n")}\n`);
  assert.equal((await verified(cut)).code, 0, "nothing in a cut log itself shows the cut");
  const seen = await verified(cut, "--head", headFile);
  assert.equal(seen.code, 1);
  assert.match(seen.stderr, new RegExp(`First bad position: ${head.position - 2}\\. .*the end is missing`));

  const other = join(served.dir, "other-head.json");
  writeFileSync(other, JSON.stringify({ ...head, position: 1 }));
  const forged = await verified(cut, "--head", other);
  assert.equal(forged.code, 1);
  assert.match(forged.stderr, /signature .* does not fit/);

  // The superuser of the store edits an entry, with the guards switched off.
  const at = 5;
  await inStore(`
    set session_replication_role = replica;
    update audit_entries set leaf = replace(leaf, '"v":1', '"forged":1,"v":1')
      where id = (select entry_id from audit_positions where seq = ${at});
    update audit_entries set leaf = replace(leaf, '"at":"2', '"at":"3')
      where id = (select entry_id from audit_positions where seq = ${at});`);
  const edited = await verified(await exported("edited.jsonl"), "--head", headFile);
  assert.equal(edited.code, 1);
  assert.match(edited.stderr, new RegExp(`First bad position: ${at}\\. .*not as it was written`));
});

test("S18, row 38: a log whose chain was rewritten from an edited entry on agrees with itself, and not with the kept head", async () => {
  await served.boot();
  const { entries } = await served.client("carol").listAudit({ limit: 1000 });
  await served.end("SIGTERM");
  const head = JSON.parse(readFileSync(join(served.dataDir, "heads", "head.json"), "utf8")) as SignedHead;
  assert.ok(head.position >= entries.length);
  // What a thief of the database can do: hash again what they wrote.
  let hash = chainStart;
  const file = join(served.dir, "rewritten.jsonl");
  await served.boot();
  const all = (await served.client("carol").listAudit({ limit: 1000 })).entries;
  const rewritten = all.map(({ seq, chainHash: _stored, who, personal, ...leaf }) => {
    const written = seq === 3 ? { ...leaf, data: { nothing: "happened" } } : leaf;
    hash = chainHash(hash, seq, canonicalJson(written));
    return JSON.stringify({ seq, chainHash: hash, ...written, who, personal });
  });
  writeFileSync(file, `${rewritten.join("\n")}\n`);
  assert.equal((await served.as("nobody", "audit", "verify", file)).code, 0);
  const kept = join(served.dir, "kept.json");
  writeFileSync(kept, JSON.stringify(head));
  const seen = await served.as("nobody", "audit", "verify", file, "--head", kept);
  assert.equal(seen.code, 1);
  assert.match(seen.stderr, new RegExp(`First bad position: ${head.position}\\. .*rewritten at or before`));
});

/** As the superuser of the embedded store that runs. */
async function inStore(text: string): Promise<void> {
  const folder = join(served.dataDir, "store");
  const [password, port] = ["superuser-password", "port"].map((name) =>
    readFileSync(join(folder, name), "utf8").trim(),
  );
  await ask(`postgres://postgres:${password}@127.0.0.1:${port}/tidegate`, text);
}
