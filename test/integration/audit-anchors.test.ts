/** Checkpoints of the log go outside, and what is there holds. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { systemChance } from "../../src/base/chance.ts";
import { systemTimers, type Timers } from "../../src/base/clock.ts";
import { newInstallationId } from "../../src/base/ids.ts";
import type { DeclaredAnchor } from "../../src/domain/sink.ts";
import { HeadSigner } from "../../src/jobs/sign-heads.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { openGit } from "../../src/sinks/git.ts";
import { type Sending, startSending } from "../../src/sinks/send.ts";
import { exportLog } from "../../src/store/audit-export.ts";
import { parseCheckpoint } from "../../src/store/audit-head.ts";
import { parseVerifier, verifierOf } from "../../src/store/keys/signed-note.ts";
import { loadSigningKeys, type SigningKeys } from "../../src/store/keys/signing-key.ts";
import { anchorFigures, witnessed } from "../../src/store/sinks.ts";
import { Verifier } from "../../verifier/verify.mjs";
import { organisation } from "../support/api-people.ts";
import { assertUntold } from "../support/issued-secrets.ts";
import { mailServer, opened } from "../support/mail-server.ts";
import { quietSource } from "../support/metrics-source.ts";
import { stoppedWithTheTest } from "../support/sending.ts";
import { syslogReceiver } from "../support/syslog-receiver.ts";
import { certificate } from "../support/tls-front.ts";
import { until } from "../support/until.ts";
import { webhookReceiver } from "../support/webhook-receiver.ts";
import { startWitness, type Witness } from "../support/witness.ts";
import { createWorld, type World } from "../support/world.ts";

const SECRET = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
const PASSWORD = crypto.randomUUID();
const HASTY: Timers = { ...systemTimers, after: (ms, act) => systemTimers.after(ms / 100, act) };

let world: World;
let dir: string;
let signing: SigningKeys;
let heads: HeadSigner;
let logKey: string;
const logged: string[] = [];
const running = stoppedWithTheTest(() => world);

before(async () => {
  world = await createWorld();
  dir = mkdtempSync(join(tmpdir(), "tidegate-anchors-"));
  signing = loadSigningKeys(dir, {});
  heads = new HeadSigner(world.context, { signing, dataDir: dir, alarm: () => undefined });
  logKey = verifierOf(`tidegate/${world.context.installation}`, signing[0]).text;
});
after(async () => {
  rmSync(dir, { recursive: true, force: true });
  await world.stop();
});

type Wanted = Pick<DeclaredAnchor, "name" | "anchor" | "settings">;
const configure = async (...anchors: Wanted[]): Promise<void> => {
  const all = anchors.map((one): DeclaredAnchor => ({ ...one, everyMs: 600_000, withinMs: 3_600_000 }));
  const audit = { sinks: {}, anchors: Object.fromEntries(all.map((one) => [one.name, one])) };
  await world.configure({ ...organisation(world.directoryName), audit });
};
function replica(): Sending {
  const { context } = world;
  const sending = startSending({
    ...{ context, timers: HASTY, chance: systemChance },
    log: (...told) => logged.push(JSON.stringify(told)),
    resolve: (settings) => ({ ...settings, ...("password" in settings ? { password: PASSWORD } : {}) }),
    checkpoint: () => heads.signWhenDue(),
  });
  running.push(sending);
  return sending;
}
const grow = async (): Promise<number> => {
  await world.ask("alice", "orders:read");
  return (await world.entries()).length;
};
/** As if its time had come. */
const due = () => world.store.pool.query("update sinks set due_at = clock_timestamp()");
const figures = async (name: string) => (await anchorFigures(world.store.db, [name])).get(name);
/** The checkpoint is there for a log of at least this size. */
const anchored = (name: string, size: number): Promise<unknown> =>
  until(async () => ((await figures(name))?.size ?? 0) >= size, { what: `${name} to hold ${size}` });
const failing = (name: string): Promise<string> =>
  until(async () => (await figures(name))?.lastError, { what: `${name} to fail` });
const sizeOf = (note: string): number =>
  parseCheckpoint(note, [parseVerifier(logKey) ?? assert.fail()], "what was kept").size;

/** What an auditor finds with that checkpoint and the export. */
async function verified(note: string, ...witnesses: string[]) {
  const checkpoint = (await heads.latest()) ?? assert.fail();
  const lines = await text(Readable.from(exportLog(world.store.db, { checkpoint, changes: [], withPersonal: false })));
  const verifier = new Verifier({ keys: [logKey], checkpoints: [{ name: "witnessed", note }], witnesses });
  verifier.push(Buffer.from(lines));
  return verifier.end();
}

describe("a signed checkpoint is kept", () => {
  test("in a file, by a webhook and by syslog, each time that it is due, and verifies with the key of the log", async (t) => {
    const [hook, siem] = [await webhookReceiver(SECRET), await syslogReceiver()];
    t.after(() => Promise.all([hook.close(), siem.close()]));
    const path = join(dir, "checkpoints.jsonl");
    await configure(
      { name: "kept", anchor: "file", settings: { path } },
      { name: "hook", anchor: "webhook", settings: { url: hook.url, secret: SECRET } },
      { name: "siem", anchor: "syslog", settings: { address: `tcp://127.0.0.1:${siem.port}` } },
    );
    replica();
    for (const name of ["kept", "hook", "siem"]) await anchored(name, 1);
    const size = await grow();
    await due();
    for (const name of ["kept", "hook", "siem"]) await anchored(name, size);
    type Line = { checkpoint: string };
    const inFile = readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as Line).checkpoint);
    const inHooks = hook.hooks.map(({ body }) => (body as unknown as { data: Line }).data.checkpoint);
    const inSyslog = siem.received.map((message) => (JSON.parse(message.text) as Line).checkpoint);
    for (const notes of [inFile, inHooks, inSyslog]) assert.ok(sizeOf(notes.at(-1) ?? "") >= size);
    assert.ok(hook.hooks.every(({ verified }) => verified));
    assert.equal(siem.received[0]?.kind, "checkpoint");
  });

  test("as a commit in a repository of git, pushed to another; a push that fails is tried again", async () => {
    const [bare, work] = [join(dir, "bare.git"), join(dir, "work")];
    const git = (...args: string[]): string => execFileSync("git", args, { encoding: "utf8", stdio: "pipe" });
    git("init", "--quiet", "--initial-branch=main", work);
    git("-C", work, "remote", "add", "origin", bare);
    await configure({ name: "git", anchor: "git", settings: { path: work, push: "origin" } });
    replica();
    assert.match(await failing("git"), /^git fetch ended with \d+/);
    git("init", "--quiet", "--bare", "--initial-branch=main", bare);
    await due();
    await anchored("git", 1);
    const size = await grow();
    await due();
    await anchored("git", size);
    assert.ok(sizeOf(git("-C", bare, "show", "main:checkpoint")) >= size);
    const log = git("-C", bare, "log", "--format=%an %s", "main").trim().split("\n");
    assert.equal(log.length, 2);
    for (const line of log) assert.match(line, /^tidegate \d+ entries at \d{4}-/);
  });

  test("by two replicas with clones of their own: each goes on from what the other pushed, and takes nothing of it away", async () => {
    const [bare, one, other] = [join(dir, "shared.git"), join(dir, "clone-1"), join(dir, "clone-2")];
    const git = (...args: string[]): string => execFileSync("git", args, { encoding: "utf8", stdio: "pipe" });
    const as = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com"];
    git("init", "--quiet", "--bare", "--initial-branch=main", bare);
    for (const clone of [one, other]) git("clone", "--quiet", bare, clone);
    const put = async (path: string, note: string) =>
      openGit({ path, push: "origin" }, () => assert.fail("nothing is proven")).put(
        { ...((await heads.latest()) ?? assert.fail()), note },
        0,
        AbortSignal.timeout(30_000),
      );
    const sent = { sent: true };
    assert.deepEqual([await put(one, "1\n"), await put(other, "2\n"), await put(one, "3\n")], [sent, sent, sent]);
    // Somebody adds a file of their own, by the other clone.
    writeFileSync(join(other, "README"), "what this is\n");
    git("-C", other, "fetch", "--quiet");
    git("-C", other, "reset", "--quiet", "origin/main");
    git("-C", other, "add", "README");
    git("-C", other, ...as, "commit", "--quiet", "-m", "README", "--", "README");
    git("-C", other, "push", "--quiet", "origin", "HEAD");
    assert.deepEqual([await put(one, "4\n"), await put(other, "5\n")], [sent, sent]);
    assert.equal(git("-C", bare, "show", "main:checkpoint"), "5\n");
    assert.equal(git("-C", bare, "show", "main:README"), "what this is\n");
    assert.equal(git("-C", bare, "rev-list", "--count", "main").trim(), "6");
  });

  test("by a git whose hooks see no secret of this server", async (t) => {
    const [work, seen] = [join(dir, "hooked"), join(dir, "seen")];
    execFileSync("git", ["init", "--quiet", work]);
    writeFileSync(join(work, ".git/hooks/post-commit"), `#!/bin/sh\nenv > '${seen}'\n`, { mode: 0o755 });
    process.env["TIDEGATE_TEST_SECRET"] = "a secret";
    t.after(() => delete process.env["TIDEGATE_TEST_SECRET"]);
    const checkpoint = (await heads.latest()) ?? assert.fail();
    const anchor = openGit({ path: work }, () => assert.fail("nothing is proven"));
    assert.deepEqual(await anchor.put(checkpoint, 0, AbortSignal.timeout(30_000)), { sent: true });
    const names = Array.from(readFileSync(seen, "utf8").matchAll(/^\w+(?==)/gm), ([name]) => name);
    assert.ok(names.includes("PATH") && names.includes("HOME"), names.join());
    assert.deepEqual(
      names.filter((name) => name.startsWith("TIDEGATE")),
      [],
    );
  });

  test("S24 in a mailbox: what is attached verifies an export. A login that is refused is left alone, and told without its password", async (t) => {
    const [tls, user] = [certificate(), "tidegate"];
    const server = await mailServer({ scheme: "smtp", tls, login: { user, password: `${PASSWORD}-new` } });
    t.after(() => server.close());
    const settings = {
      ...{
        server: `smtp://127.0.0.1:${server.port}`,
        ca: tls.cert.toString(),
        user,
        password: `\${env:SMTP_PASSWORD}`,
      },
      ...{ from: "tidegate@example.com", to: ["auditor@example.com"] },
    };
    await configure({ name: "auditor", anchor: "mail", settings });
    replica();
    assert.match(await failing("auditor"), /^it does not let the user in: .* \(535/);
    const { rows } = await world.store.pool.query(
      "select due_at - clock_timestamp() > '4 minutes' as rests from sinks",
    );
    assert.deepEqual(rows, [{ rests: true }]);
    server.login = { user, password: PASSWORD };
    await due();
    await anchored("auditor", 1);
    const size = await grow();
    await due();
    await anchored("auditor", size);
    const note = opened(server.mails.at(-1)?.raw ?? "").parts[1]?.text ?? "";
    assert.ok(sizeOf(note) >= size);
    const verdict = await verified(note);
    assert.ok(verdict.ok, JSON.stringify(verdict));
    const other = await verified(note.replace(/\n\d+\n/, "\n1\n"));
    assert.ok(!other.ok, "a checkpoint that was changed");
    assertUntold(logged.join("\n"), "the log");
    assert.ok(!logged.join("\n").includes(PASSWORD));
  });

  test("at none that fails the others wait, and one that is stale is red with why", async () => {
    const path = join(dir, "others.jsonl");
    await configure(
      { name: "gone", anchor: "git", settings: { path: join(dir, "nowhere") } },
      { name: "kept", anchor: "file", settings: { path } },
    );
    replica();
    assert.match(await failing("gone"), /ENOENT/);
    await anchored("kept", 1);
    await world.store.pool.query("update sinks set created_at = created_at - interval '2 hours'");
    const outlets = async () =>
      (await world.context.catalog.active(world.context.ledger))?.configuration.audit ?? assert.fail();
    const metrics = createMetrics(quietSource({ db: world.store.db, outlets }));
    const { checks } = await metrics.health();
    const of = (name: string) => checks.find((one) => one.name === "anchor" && one.subject === name);
    assert.equal(of("gone")?.level, "red");
    assert.match(of("gone")?.says ?? "", /^Anchored at gone to size 0, age 72\d\d s \(.*ENOENT/);
    assert.equal(of("kept")?.level, "green");
    assert.match(of("kept")?.says ?? "", /^Anchored at kept to size \d+, age /);
    assert.match(await metrics.text(), /tidegate_audit_anchor_stale\{anchor="gone"\} 1/);
  });
});

describe("a witness signs", () => {
  const witnessing = async (t: { after(undo: () => Promise<void>): void }): Promise<Witness> => {
    const witness = await startWitness("witness.example/w1", logKey);
    t.after(() => witness.close());
    await configure({ name: "w1", anchor: "witness", settings: { url: witness.url, vkey: witness.vkey } });
    return witness;
  };
  const signed = async (): Promise<string> => (await witnessed(world.store.db))[0]?.checkpoint ?? "";
  test("a log that goes on, from what it saw last; its signature is kept, and an auditor verifies it", async (t) => {
    const witness = await witnessing(t);
    replica();
    await anchored("w1", 1);
    for (let i = 0; i < 4; i += 1) {
      const size = await grow();
      await due();
      await anchored("w1", size);
    }
    assert.ok(witness.asked.every((body) => !/^old 0/.test(body) || body === witness.asked[0]));
    const note = await signed();
    assert.match(note, /\n— tidegate\/\S+ \S+\n— witness\.example\/w1 \S+\n$/);
    const verdict = await verified(note, witness.vkey);
    assert.ok(verdict.ok, JSON.stringify(verdict));
    assert.deepEqual(
      verdict.witnessed?.map((it) => [it.witness, it.size]),
      [["witness.example/w1", witness.seen.size]],
    );
    const stranger = await startWitness("witness.example/w1", logKey);
    t.after(() => stranger.close());
    for (const bad of [note.replace(/— witness\S+ \S+\n/, ""), note.replace(/(— witness\S+ .{20})./, "$1x")]) {
      const found = await verified(bad, witness.vkey);
      assert.ok(!found.ok && /signed by the witness/.test(found.why), JSON.stringify(found));
    }
    const other = await verified(note, stranger.vkey);
    assert.ok(!other.ok && /signed by the witness/.test(other.why));
  });

  test("from the size that it knows, where we had forgotten it, or it had", async (t) => {
    const witness = await witnessing(t);
    const sending = replica();
    await anchored("w1", 1);
    await sending.stop();
    await grow();
    await world.store.pool.query("update sinks set position = 0, due_at = clock_timestamp()");
    replica();
    await anchored("w1", 1);
    assert.match(witness.asked.at(-2) ?? "", /^old 0\n/);
    assert.match(witness.asked.at(-1) ?? "", /^old [1-9]/);
    witness.seen = { size: 0, root: Buffer.alloc(0) };
    const size = await grow();
    await due();
    await anchored("w1", size);
    assert.equal(witness.seen.size >= size, true);
  });

  test("nothing else: what it refuses, and a signature that is not its, is told and not kept", async (t) => {
    const witness = await witnessing(t);
    const cases: readonly [NonNullable<Witness["answers"]>, RegExp][] = [
      [{ status: 403, body: "" }, /does not know the key/],
      [{ status: 404, body: "" }, /does not know this log/],
      [{ status: 422, body: "" }, /does not see that the log goes on/],
      [{ status: 409, body: "99999999\n" }, /has signed 99999999 entries.*cut back/],
      [{ status: 409, body: "what\n" }, /another log of this size/],
      [{ status: 500, body: "" }, /answered 500/],
      [{ status: 200, body: "" }, /no signature with its key/],
      [{ status: 200, body: `— witness.example/w1 ${Buffer.alloc(76, 7).toString("base64")}\n` }, /no signature/],
      [{ status: 200, body: "x".repeat(200_000) }, /no signature/],
    ];
    replica();
    await anchored("w1", 1);
    const before = await signed();
    for (const [answers, why] of cases) {
      witness.answers = answers;
      await world.store.pool.query("update sinks set last_error = null, due_at = clock_timestamp()");
      // A turn that began before may still write what it was answered.
      const told = async (): Promise<boolean> => {
        await due();
        return why.test((await figures("w1"))?.lastError ?? "");
      };
      await until(told, { what: `w1 to fail with ${why}` });
    }
    assert.equal(await signed(), before);
  });

  test("no log that was forked: the fork is told", async (t) => {
    const witness = await witnessing(t);
    replica();
    await anchored("w1", 1);
    // What it has seen at this size is another log than ours.
    witness.seen = { ...witness.seen, root: Buffer.alloc(32, 1) };
    await grow();
    await due();
    assert.match(await failing("w1"), /the log was changed|another log/);
    assert.notEqual(newInstallationId(), world.context.installation);
  });
});
