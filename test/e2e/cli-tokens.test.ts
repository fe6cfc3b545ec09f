/** Tokens from the command line: the real program against a real server. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Served } from "../support/served.ts";
import { cli, type Ended } from "./cli-harness.ts";

let served: Served;
let dir: string;
before(async () => {
  served = await Served.prepare();
  await served.boot();
  dir = await mkdtemp(join(tmpdir(), "tidegate-tokens-"));
});
after(async () => {
  await served.stop();
  await rm(dir, { recursive: true });
});

const withFile = (file: string, ...args: string[]): Promise<Ended> =>
  cli([...args, "--token-file", file], { TIDEGATE_URL: served.url, TIDEGATE_TOKEN: undefined });

test("a token is issued into a file, used, rotated in place without a gap, and revoked", async () => {
  const file = join(dir, "laptop.token");
  const scopes = ["--scope", "requests:read", "account"];
  const issued = await served.as("alice", "token", "issue", "laptop", ...scopes, "--for", "30d", "--out", file);
  assert.equal(issued.code, 0, issued.stderr);
  const first = (await readFile(file, "utf8")).trim();
  assert.match(first, /^tgt_/);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.ok(!issued.stdout.includes(first));
  assert.match(issued.stdout, /laptop of alice \(tk_\w+\), good for requests:read, account, ends /);
  assert.match(
    (await withFile(file, "whoami")).stdout,
    /signed in with the token laptop .*, good for requests:read, account/,
  );
  const denied = await withFile(file, "audit", "list");
  assert.deepEqual([denied.code, /needs audit:read/.test(denied.stderr)], [3, true], denied.stderr);

  const rotated = await withFile(file, "token", "rotate", "--in-place", "--overlap", "10m");
  assert.equal(rotated.code, 0, rotated.stderr);
  const second = (await readFile(file, "utf8")).trim();
  assert.notEqual(second, first);
  assert.ok(!rotated.stdout.includes(second));
  for (const token of [first, second])
    assert.equal((await cli(["whoami"], { TIDEGATE_URL: served.url, TIDEGATE_TOKEN: token })).code, 0);
  assert.match((await withFile(file, "token")).stdout, /laptop \(this one\)/);

  const revoked = await served.as("alice", "token", "revoke", "laptop");
  assert.equal(revoked.code, 0, revoked.stderr);
  assert.equal(revoked.stdout.trim().split("\n").length, 2, "the old one and the new one");
  assert.equal((await withFile(file, "whoami")).code, 1);
});

test("what cannot be is said before a secret is lost", async () => {
  const file = join(dir, "other.token");
  const unknown = await served.as("alice", "token", "issue", "x", "--scope", "everything", "--out", file);
  assert.equal(unknown.code, 2);
  const beyond = await served.as("alice", "token", "issue", "x", "--scope", "access", "--for", "91d", "--out", file);
  assert.deepEqual(
    [beyond.code, /lasts 90d at most/.test(beyond.stderr)],
    [2, true],
    `${beyond.code} ${beyond.stderr}`,
  );
  await assert.rejects(stat(file), "no file is left behind");
  const nowhere = await served.as("alice", "token", "rotate", "--in-place");
  assert.deepEqual([nowhere.code, /--token-file/.test(nowhere.stderr)], [2, true]);
  assert.equal((await served.as("alice", "token", "revoke", "nothing-like-it")).code, 1);
  const json = JSON.parse((await served.as("alice", "token", "issue", "y", "--scope", "access", "--json")).stdout);
  assert.match(String(json["secret"]), /^tgt_/);
});
