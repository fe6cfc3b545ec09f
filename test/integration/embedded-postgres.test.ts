import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, cp, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, type TestContext, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Client } from "pg";
import { serverAccount } from "../../src/store/embedded/account.ts";
import { createDatabase } from "../../src/store/embedded/create-database.ts";
import { startEmbeddedPostgres } from "../../src/store/embedded/embedded-postgres.ts";
import { lockFolder } from "../../src/store/embedded/folder-lock.ts";
import { pidFileOwner, stopPostmaster } from "../../src/store/embedded/postmaster.ts";
import { identifyProcess } from "../../src/store/embedded/process-identity.ts";
import { waitUntil } from "../../src/store/embedded/wait-until.ts";
import { availablePostgresVersions, nativeFolder, startTestPostgres } from "../support/postgres-server.ts";

const asRoot = process.getuid?.() === 0;
const onLinux = process.platform === "linux";
const PATIENCE_MS = 30_000;
const source = (file: string): string => new URL(`../../src/store/embedded/${file}`, import.meta.url).href;

test("rows, port and password are kept over a stop and a start", async (t) => {
  const dir = join(await freshFolder(t), "store");
  const first = await startEmbeddedPostgres({ dir });
  await query(first.superuserUrl, "create table kept as select 1 as one");
  assert.equal(first.takenOver, false);
  await first.stop();
  await first.stop();
  assert.equal(identifyProcess(first.pid), null, "stop() returns when the server is gone");

  const second = await startEmbeddedPostgres({ dir });
  assert.equal(second.superuserUrl, first.superuserUrl);
  assert.deepEqual(await query(second.superuserUrl, "select one from kept"), [{ one: 1 }]);
  await second.stop();
});

test("the server is durable, listens on loopback only and asks for a password", async (t) => {
  const server = await startEmbeddedPostgres({ dir: join(await freshFolder(t), "store") });
  const settings = ["fsync", "full_page_writes", "data_checksums", "password_encryption", "unix_socket_directories"];
  const shown = await Promise.all(settings.map((name) => query(server.superuserUrl, `show ${name}`)));
  assert.deepEqual(
    shown.map(([row]) => Object.values(row ?? {})[0]),
    ["on", "on", "on", "scram-sha-256", ""],
  );
  assert.deepEqual(await query(server.superuserUrl, "show listen_addresses"), [{ listen_addresses: "127.0.0.1" }]);
  const wrong = server.superuserUrl.replace(/:[^:@]+@/, ":wrong@");
  await assert.rejects(query(wrong, "select 1"), { code: "28P01" });
  await server.stop();
});

test("row 5: a second process on the same folder is refused with the pid that holds it", async (t) => {
  const dir = await usedFolder(t);
  const holder = await startInChild(t, dir);
  await assert.rejects(startEmbeddedPostgres({ dir }), (error: Error) => {
    assert.match(error.message, new RegExp(`in use by process ${holder.child.pid}\\b`));
    assert.match(error.message, /--data DIR/);
    return true;
  });
  assert.deepEqual(await query(holder.url, "select 1 as one"), [{ one: 1 }], "the holder's server was left alone");
});

test("the same process cannot start a folder twice, and can again after stop()", async (t) => {
  const dir = await usedFolder(t);
  const first = await startEmbeddedPostgres({ dir });
  await assert.rejects(startEmbeddedPostgres({ dir }), /in use by process .*That is this process/);
  await first.stop();
  await (await startEmbeddedPostgres({ dir })).stop();
});

test("a server left by a killed process is taken over with its data", async (t) => {
  const dir = await usedFolder(t);
  const holder = await startInChild(t, dir);
  await query(holder.url, "create table kept as select 1 as one");
  await killHard(holder.child);

  const server = await startEmbeddedPostgres({ dir });
  assert.equal(server.takenOver, true);
  assert.equal(server.pid, holder.postmaster);
  assert.equal(server.superuserUrl, holder.url);
  assert.deepEqual(await query(server.superuserUrl, "select one from kept"), [{ one: 1 }]);
  await server.stop();
  assert.equal(identifyProcess(holder.postmaster), null);
});

test("a left-over server with other settings or another port than asked for is started anew with its data", async (t) => {
  const dir = await usedFolder(t);
  const first = await startInChild(t, dir);
  await query(first.url, "create table kept as select 1 as one");
  await killHard(first.child);
  const second = await startInChild(t, dir, { settings: { work_mem: "8MB" } });
  assert.notEqual(second.postmaster, first.postmaster);
  assert.deepEqual(await query(second.url, "show work_mem"), [{ work_mem: "8MB" }]);
  await killHard(second.child);

  const port = await unusedPort();
  const third = await startEmbeddedPostgres({ dir, port, settings: { work_mem: "8MB" } });
  assert.equal(third.takenOver, false);
  assert.equal(third.port, port);
  assert.deepEqual(await query(third.superuserUrl, "select one from kept"), [{ one: 1 }]);
  await third.stop();
});

test("a left-over server that does not answer is stopped and started anew", async (t) => {
  const dir = await usedFolder(t);
  const holder = await startInChild(t, dir);
  await killHard(holder.child);
  process.kill(holder.postmaster, "SIGSTOP");
  const server = await startEmbeddedPostgres({ dir });
  assert.equal(server.takenOver, false);
  assert.deepEqual(await query(server.superuserUrl, "select 1 as one"), [{ one: 1 }]);
  await server.stop();
});

test("a process that is done ends although its server runs, and the server has a session of its own", async (t) => {
  const dir = await usedFolder(t);
  const holder = await startInChild(t, dir, {}, "");
  await happens(() => holder.child.exitCode !== null);
  assert.equal(holder.child.exitCode, 0);
  // Ctrl-C goes to the process group of the terminal.
  const group = spawnSync("ps", ["-o", "pgid=", "-p", String(holder.postmaster)], { encoding: "utf8" }).stdout.trim();
  assert.equal(group, String(holder.postmaster));
  assert.ok(!existsSync(join(dir, "launcher.pid")), "the folder was given back at exit");
  const server = await startEmbeddedPostgres({ dir });
  assert.equal(server.takenOver, true);
  await server.stop();
});

test("row 4: acknowledged rows survive kill -9 of the postmaster", async (t) => {
  const dir = await usedFolder(t);
  const lines: string[] = [];
  const first = await startEmbeddedPostgres({ dir, log: (line) => lines.push(line) });
  await query(first.superuserUrl, "create table kept (n int)");
  let acknowledged = 0;
  await writeUntilCut(first.superuserUrl, (n) => {
    acknowledged = n;
    if (n === 200) process.kill(first.pid, "SIGKILL");
  });
  await happens(() => lines.some((line) => line.includes("ended by itself (SIGKILL)")));
  await first.stop();

  const second = await startEmbeddedPostgres({ dir });
  assert.equal(second.takenOver, false);
  const [row] = await query(second.superuserUrl, "select max(n) as last, count(*)::int as rows from kept");
  assert.ok(acknowledged >= 200);
  assert.ok(
    Number(row?.["last"]) >= acknowledged,
    `${String(row?.["last"])} is the last row, ${acknowledged} was acknowledged`,
  );
  assert.equal(row?.["last"], row?.["rows"]);
  await second.stop();
});

test("sessions that outlive a killed server are waited for", async (t) => {
  const dir = await usedFolder(t);
  const first = await startEmbeddedPostgres({ dir });
  const client = await connect(first.superuserUrl);
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  const session = rows[0]?.pid ?? assert.fail();
  process.kill(session, "SIGSTOP");
  t.after(() => identifyProcess(session) !== null && process.kill(session, "SIGKILL"));
  process.kill(first.pid, "SIGKILL");
  await happens(() => identifyProcess(first.pid) === null);
  await first.stop();

  const starting = startEmbeddedPostgres({ dir });
  await happens(async () => (await readFile(join(dir, "server.log"), "utf8")).includes("pre-existing shared memory"));
  process.kill(session, "SIGCONT");
  const second = await starting;
  assert.deepEqual(await query(second.superuserUrl, "select 1 as one"), [{ one: 1 }]);
  await second.stop();
  await client.end().catch(() => undefined);
});

test("a stale postmaster.pid whose number belongs to another process of the account does not keep it from starting", async (t) => {
  const dir = await usedFolder(t);
  const first = await startEmbeddedPostgres({ dir });
  const pidFile = join(dir, "data", "postmaster.pid");
  const written = await readFile(pidFile, "utf8");
  const { uid, gid } = await stat(pidFile);
  await first.stop();
  const stranger = spawn("sleep", ["600"], { uid, gid, cwd: "/", stdio: "ignore" });
  t.after(() => stranger.kill("SIGKILL"));
  await once(stranger, "spawn");
  await writeFile(pidFile, written.replace(/^\d+/, String(stranger.pid)), { mode: 0o600 });

  const second = await startEmbeddedPostgres({ dir });
  assert.equal(second.takenOver, false);
  assert.notEqual(identifyProcess(stranger.pid ?? 0), null, "the stranger was left alone");
  await second.stop();
});

test("a folder whose initdb was killed starts anew", async (t) => {
  const dir = join(await freshFolder(t), "store");
  const child = spawnStarter(t, dir, {}, "");
  const inTheMiddle = async (): Promise<boolean> => {
    const workshop = (await readdir(dir).catch(() => [])).find((name) => name.startsWith("initdb-"));
    return workshop !== undefined && existsSync(join(dir, workshop, "data", "global"));
  };
  await happens(inTheMiddle);
  await killHard(child, "together with initdb, which is in its process group");
  assert.ok(!existsSync(join(dir, "data")), "an incomplete cluster is never in its place");

  const server = await startEmbeddedPostgres({ dir });
  assert.deepEqual(await query(server.superuserUrl, "select 1 as one"), [{ one: 1 }]);
  assert.deepEqual(
    (await readdir(dir)).filter((name) => name.startsWith("initdb-")),
    [],
  );
  await server.stop();
});

test("a folder that holds something else is refused and left as it is", async (t) => {
  const dir = join(await freshFolder(t), "store");
  await mkdir(join(dir, "data"), { recursive: true });
  await writeFile(join(dir, "data", "thesis.txt"), "ten years of work");
  await chmod(dir, 0o711);
  await assert.rejects(startEmbeddedPostgres({ dir }), /not empty, but it is no PostgreSQL data folder/);
  assert.equal(await readFile(join(dir, "data", "thesis.txt"), "utf8"), "ten years of work");
});

test("the superuser password is in no process list and its file is 0600", { skip: !onLinux }, async (t) => {
  const dir = join(await freshFolder(t), "store");
  const seen = new Set<string>();
  const modes = new Set<string>();
  let done = false;
  const watching = (async () => {
    while (!done) {
      for (const text of await processTexts()) seen.add(text);
      for (const mode of await passwordFileModes(dir)) modes.add(mode);
      await nextTurn();
    }
  })();
  const lines: string[] = [];
  const server = await startEmbeddedPostgres({ dir, log: (line) => lines.push(line) });
  done = true;
  await watching;

  const secret = new URL(server.superuserUrl).password;
  assert.ok(secret.length >= 32);
  assert.ok(
    [...seen].some((text) => text.includes("initdb")),
    "initdb was seen while it ran",
  );
  assert.deepEqual(
    [...seen].filter((text) => text.includes(secret)),
    [],
  );
  assert.deepEqual([...modes], ["600"]);
  assert.ok(!lines.join("\n").includes(secret));
  assert.deepEqual(await filesWith(dir, secret), [join(dir, "superuser-password")]);
  await server.stop();
});

test("the remembered port is given up when it is taken, a port that was asked for is not", async (t) => {
  const dir = await usedFolder(t);
  const first = await startEmbeddedPostgres({ dir });
  await first.stop();
  const squatter = createServer().listen(first.port, "127.0.0.1");
  t.after(() => squatter.close());
  await once(squatter, "listening");
  await assert.rejects(
    startEmbeddedPostgres({ dir, port: first.port }),
    new RegExp(`Port ${first.port} on 127.0.0.1 is taken`),
  );
  const second = await startEmbeddedPostgres({ dir });
  assert.notEqual(second.port, first.port);
  await second.stop();
});

test("a server that does not come up is reported with the end of its log", async (t) => {
  const dir = await usedFolder(t);
  const settings = { shared_buffers: "a lot" };
  await assert.rejects(startEmbeddedPostgres({ dir, settings }), (error: Error) => {
    assert.match(error.message, /ended while starting/);
    assert.match(error.message, /invalid value for parameter "shared_buffers"/);
    return true;
  });
  await (await startEmbeddedPostgres({ dir })).stop();
});

test("a server that hangs is given up at the deadline and ended", async (t) => {
  const dir = await usedFolder(t);
  const native = join(dir, "..", "hanging");
  const real = nativeFolder(18) ?? assert.fail();
  await mkdir(join(native, "bin"), { recursive: true });
  await chmod(native, 0o755);
  await symlink(join(real, "bin", "initdb"), join(native, "bin", "initdb"));
  await symlink(join(real, "share"), join(native, "share"));
  const mark = `600.${process.pid}`;
  const script = `#!/bin/sh\n[ "$1" = --version ] && exec echo "postgres (PostgreSQL) 18.4"\necho dreaming\nexec sleep ${mark}\n`;
  await writeFile(join(native, "bin", "postgres"), script, { mode: 0o755 });

  await assert.rejects(
    startEmbeddedPostgres({ dir, native, startTimeoutMs: 3_000 }),
    /not ready after 3000 ms.*dreaming/s,
  );
  const processes = spawnSync("ps", ["-eo", "args"], { encoding: "utf8" }).stdout;
  assert.ok(!processes.includes(`sleep ${mark}`), "the hanging program was ended");
  await (await startEmbeddedPostgres({ dir })).stop();
});

test("data of another major version is refused and left as it is", { skip: nativeFolder(17) === null }, async (t) => {
  const dir = join(await freshFolder(t), "store");
  const native = nativeFolder(17) ?? assert.fail();
  await (await startEmbeddedPostgres({ dir, native })).stop();
  await assert.rejects(startEmbeddedPostgres({ dir }), /was made by PostgreSQL 17, but the programs are PostgreSQL 18/);
  await (await startEmbeddedPostgres({ dir, native })).stop();
});

test("two racing starters of a stale lock: one wins", async (t) => {
  const dir = await freshFolder(t);
  const script = `
    import { lockFolder } from ${JSON.stringify(source("folder-lock.ts"))};
    import { createInterface } from "node:readline";
    let lock;
    for await (const line of createInterface({ input: process.stdin })) {
      if (line === "release") { lock?.release(); lock = undefined; console.log("released"); continue; }
      try { lock = await lockFolder(${JSON.stringify(dir)}); console.log("won"); } catch (error) { console.log(error.message); }
    }`;
  const racers = Array.from({ length: 5 }, () => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    t.after(() => child.kill("SIGKILL"));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const ask = async (word: string): Promise<string> => {
      child.stdin.write(`${word}\n`);
      return (await lines.next()).value ?? "";
    };
    return { pid: child.pid, ask };
  });
  await Promise.all(racers.map(({ ask }) => ask("release")));

  for (let round = 0; round < 40; round += 1) {
    await writeFile(join(dir, "tidegate.pid"), `${deadPid()}\nlong ago\n${randomUUID()}\n`);
    const answers = await Promise.all(racers.map(({ ask }) => ask("lock")));
    assert.equal(answers.filter((answer) => answer === "won").length, 1, answers.join("\n"));
    const winner = racers[answers.indexOf("won")]?.pid;
    assert.match(await readFile(join(dir, "tidegate.pid"), "utf8"), new RegExp(`^${winner}\n`));
    assert.equal(answers.filter((answer) => /in use by process \d+/.test(answer)).length, racers.length - 1);
    await Promise.all(racers.map(({ ask }) => ask("release")));
  }
  assert.deepEqual(await readdir(dir), [], "nothing is left of all the locks");
});

test("a lock whose number now belongs to another process is stale, and an emptied one too", async (t) => {
  const dir = await freshFolder(t);
  for (const content of [`${process.pid}\nan earlier start\nx\n`, ""]) {
    await writeFile(join(dir, "tidegate.pid"), content);
    const lock = await lockFolder(dir);
    await assert.rejects(lockFolder(dir), new RegExp(`in use by process ${process.pid}\\b`));
    lock.release();
    lock.release();
    assert.deepEqual(await readdir(dir), []);
  }
});

test("a kill in the middle of replacing a stale lock does not lock the folder for ever", async (t) => {
  const dir = await freshFolder(t);
  const stale = (): string => `${deadPid()}\nlong ago\n${randomUUID()}\n`;
  await writeFile(join(dir, "tidegate.pid"), stale());
  // One who replaced it was killed before the rename: its right to do so, named after the stale lock, is still there.
  const digest = createHash("sha256")
    .update(await readFile(join(dir, "tidegate.pid")))
    .digest("hex");
  await writeFile(join(dir, `tidegate.pid.${digest.slice(0, 16)}`), stale());
  const lock = await lockFolder(dir);
  lock.release();
  assert.deepEqual(await readdir(dir), []);
});

test("binaries in a closed folder are copied to where the account can run them", { skip: !asRoot }, async (t) => {
  const one = await usedFolder(t);
  const folder = dirname(one);
  const { native, runtime } = await closedBinaries(folder);
  const two = join(folder, "two");
  const servers = await Promise.all([one, two].map((dir) => startEmbeddedPostgres({ dir, native, runtime })));
  const program = spawnSync("ps", ["-ww", "-o", "args=", "-p", String(servers[0]?.pid)], { encoding: "utf8" }).stdout;
  assert.ok(program.startsWith(join(runtime, "embedded-postgres-test-18.0.0")), program);
  assert.ok((await lstat(join(runtime, "embedded-postgres-test-18.0.0", "lib", "libpq.so.5"))).isSymbolicLink());
  assert.equal((await stat(join(folder, "closed"))).mode & 0o777, 0o700, "the closed folder stays closed");
  await Promise.all(servers.map((server) => server.stop()));
  assert.deepEqual(await readdir(runtime), ["embedded-postgres-test-18.0.0"], "one copy, nothing half-made");

  // A copy that a power cut damaged is made anew.
  await writeFile(join(runtime, "embedded-postgres-test-18.0.0", "bin", "postgres"), "");
  await (await startEmbeddedPostgres({ dir: one, native, runtime })).stop();
});

test("a data folder that the account cannot reach is refused, and nothing is made or opened up", {
  skip: !asRoot,
}, async (t) => {
  const home = join(await freshFolder(t), "home");
  await mkdir(home, { mode: 0o700 });
  await assert.rejects(startEmbeddedPostgres({ dir: join(home, "data", "store") }), (error: Error) => {
    assert.ok(error.message.includes(`cannot enter ${home} (mode 0700)`), error.message);
    assert.match(error.message, /--data DIR/);
    return true;
  });
  assert.equal((await stat(home)).mode & 0o777, 0o700);
  assert.deepEqual(await readdir(home), []);
});

test("a strict umask does not close the folders that are made", { skip: !asRoot }, async (t) => {
  const dir = join(await freshFolder(t), "some", "where", "store");
  const before = process.umask(0o077);
  t.after(() => process.umask(before));
  const server = await startEmbeddedPostgres({ dir });
  const account = await serverAccount(join(dir, "data"));
  assert.equal((await stat(join(dir, "data"))).uid, account?.uid);
  assert.equal((await stat(join(dir, "data"))).mode & 0o777, 0o700);
  assert.equal((await stat(dir)).uid, 0, "what is not PostgreSQL's stays ours");
  await server.stop();
});

test("a cluster restored by root is given to the account", { skip: !asRoot }, async (t) => {
  const dir = await usedFolder(t);
  spawnSync("chown", ["-R", "root:root", join(dir, "data")]);
  await (await startEmbeddedPostgres({ dir })).stop();
});

test("a cluster that belongs to a person is refused to root with the advice to run as them", {
  skip: !asRoot,
}, async (t) => {
  const dir = join(await freshFolder(t), "store");
  await mkdir(join(dir, "data"), { recursive: true });
  spawnSync("chown", ["54321", join(dir, "data")]);
  await assert.rejects(startEmbeddedPostgres({ dir }), /belongs to uid 54321/);
});

test("a database and its plain owner are made once, also by several at a time", async (t) => {
  const server = await startTestPostgres(18);
  t.after(() => server.stop());
  const wanted = { database: 'the "orders"', owner: "Own'er ü", password: "s'e c/ret@?#ü" };
  const urls = await Promise.all([1, 2, 3].map(() => createDatabase(server.superuserUrl, wanted)));
  assert.equal(new Set(urls).size, 1);
  const url = urls[0] ?? assert.fail();
  assert.deepEqual(await query(url, "select current_user::text as who, current_database()::text as where"), [
    { who: wanted.owner, where: wanted.database },
  ]);
  await query(url, "create table mine (n int)");
  const [role] = await query(server.superuserUrl, "select * from pg_authid where rolname = $1", [wanted.owner]);
  assert.deepEqual([role?.["rolsuper"], role?.["rolcreatedb"], role?.["rolcreaterole"]], [false, false, false]);
  assert.match(String(role?.["rolpassword"]), /^SCRAM-SHA-256\$/);

  const changed = await createDatabase(server.superuserUrl, { ...wanted, password: "another" });
  assert.deepEqual(await query(changed, "select count(*)::int as n from mine"), [{ n: 0 }]);
  await assert.rejects(query(url, "select 1"), { code: "28P01" });
});

for (const version of availablePostgresVersions()) {
  test(`PostgreSQL ${version} starts, and its folder is gone after stop()`, async () => {
    const server = await startTestPostgres(version, { fsync: "off" });
    const shown = await query(
      server.superuserUrl,
      "select current_setting('server_version_num')::int / 10000 as major",
    );
    assert.deepEqual(shown, [{ major: version }]);
    const [row] = await query(server.superuserUrl, "select current_setting('data_directory') as folder");
    await createDatabase(server.superuserUrl, { database: "d", owner: "o", password: "p" });
    await server.stop();
    assert.ok(!existsSync(join(String(row?.["folder"]), "..", "..")));
  });
}

/** A folder that the server's account can pass through; at the end its servers are stopped and it is removed. */
async function freshFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-embedded-"));
  await chmod(folder, 0o711);
  t.after(async () => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const owner = await pidFileOwner(join(folder, entry.name, "data"));
      if (owner.kind === "postmaster") await stopPostmaster(owner.identity);
    }
    await rm(folder, { recursive: true, force: true });
  });
  return folder;
}

/** One server's folder that was used before and stopped. */
let used: string | null = null;
after(async () => used !== null && (await rm(used, { recursive: true, force: true })));

/** A copy of a used server's folder, for the rules that are not about the first start: initdb takes a second. */
async function usedFolder(t: TestContext): Promise<string> {
  if (used === null) {
    used = await mkdtemp(join(tmpdir(), "tidegate-embedded-"));
    await chmod(used, 0o711);
    await (await startEmbeddedPostgres({ dir: join(used, "store") })).stop();
  }
  const folder = await freshFolder(t);
  const copied = spawnSync("cp", ["-a", join(used, "store"), folder], { encoding: "utf8" });
  assert.equal(copied.status, 0, copied.stderr);
  return join(folder, "store");
}

type ChildOptions = { readonly settings?: Record<string, string> };

/** A process that starts the server and prints it; `then` is what it does afterwards. It leads a process group. */
function spawnStarter(t: TestContext, dir: string, options: ChildOptions, then: string) {
  const script = `
    import { startEmbeddedPostgres } from ${JSON.stringify(source("embedded-postgres.ts"))};
    const server = await startEmbeddedPostgres(${JSON.stringify({ dir, ...options })});
    console.log(JSON.stringify({ url: server.superuserUrl, postmaster: server.pid }));
    ${then}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  t.after(() => child.kill("SIGKILL"));
  return child;
}

async function startInChild(
  t: TestContext,
  dir: string,
  options: ChildOptions = {},
  then = "setInterval(() => {}, 1e6);",
) {
  const child = spawnStarter(t, dir, options, then);
  const patience = { signal: AbortSignal.timeout(PATIENCE_MS) };
  const [line] = (await once(createInterface({ input: child.stdout }), "line", patience)) as [string];
  const { url, postmaster } = JSON.parse(line) as { url: string; postmaster: number };
  return { child, url, postmaster };
}

/** kill -9 of a process, or of its whole group; returns when it is gone. */
async function killHard(child: ChildProcess, group?: string): Promise<void> {
  const pid = child.pid ?? assert.fail();
  const gone = once(child, "exit");
  process.kill(group === undefined ? pid : -pid, "SIGKILL");
  await gone;
}

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

async function query(url: string, sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = await connect(url);
  try {
    return (await client.query<Record<string, unknown>>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/** Inserts 1, 2, 3, … into `kept`, and tells each that the server acknowledged, until the connection is cut. */
async function writeUntilCut(url: string, acknowledged: (n: number) => void): Promise<void> {
  const client = await connect(url);
  for (let n = 1; ; n += 1) {
    const inserted = await client.query("insert into kept values ($1)", [n]).catch(() => null);
    if (inserted === null) return;
    acknowledged(n);
  }
}

async function happens(condition: () => boolean | Promise<boolean>): Promise<void> {
  const seen = await waitUntil(async () => ((await condition()) ? true : null), PATIENCE_MS);
  assert.ok(seen, `did not happen within ${PATIENCE_MS} ms: ${condition.toString()}`);
}

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : assert.fail();
}

function deadPid(): number {
  return spawnSync("true").pid;
}

/** Command line and environment of every process. */
async function processTexts(): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const files = pids.flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`]);
  return await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
}

async function passwordFileModes(dir: string): Promise<string[]> {
  const names = await readdir(dir).catch(() => []);
  const files = names.filter((name) => name.startsWith("superuser-password"));
  files.push(...names.filter((name) => name.startsWith("initdb-")).map((name) => join(name, "password")));
  const found = await Promise.all(files.map((file) => stat(join(dir, file)).catch(() => null)));
  return found.flatMap((file) => (file === null ? [] : [(file.mode & 0o777).toString(8)]));
}

async function filesWith(dir: string, text: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const holds = await Promise.all(files.map(async (file) => (await readFile(file)).includes(text)));
  return files.filter((_, i) => holds[i]);
}

/** A package as npm leaves it when install scripts are blocked, below a folder that only we may enter. */
async function closedBinaries(folder: string): Promise<{ native: string; runtime: string }> {
  const native = join(folder, "closed", "package", "native");
  await mkdir(join(folder, "closed"), { mode: 0o700 });
  await cp(nativeFolder(18) ?? assert.fail(), native, { recursive: true, verbatimSymlinks: true });
  for (const entry of await readdir(join(native, "lib"), { withFileTypes: true })) {
    if (entry.isSymbolicLink()) await rm(join(native, "lib", entry.name));
  }
  const manifest = { name: "@embedded-postgres/test", version: "18.0.0" };
  await writeFile(join(native, "..", "package.json"), JSON.stringify(manifest));
  return { native, runtime: join(folder, "runtime") };
}
