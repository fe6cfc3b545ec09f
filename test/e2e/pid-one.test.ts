/** `tidegate serve` as the first process of a PID namespace, as in a container: real signals, real orphans, real PostgreSQL. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { skipWithout } from "../support/tools.ts";
import { until } from "../support/until.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const skip = process.getuid?.() === 0 ? skipWithout("unshare") : "only root may make a PID namespace";

/** Seen from outside: numbers are ours, not the namespace's. */
type Process = { readonly pid: number; readonly parent: number; readonly state: string; readonly command: string };

class Container {
  readonly dir = mkdtempSync(join(tmpdir(), "tidegate-pid-one-"));
  readonly #unshare: ChildProcess;
  readonly ended: Promise<number | null>;
  log = "";

  constructor() {
    // The account that runs PostgreSQL must be able to pass through.
    chmodSync(this.dir, 0o711);
    const serve = ["serve", "--config", "examples/tidegate.yaml", "--data", join(this.dir, "data"), "--port", "0"];
    const args = ["--pid", "--fork", "--mount-proc", "--kill-child", join(ROOT, "bin/tidegate"), ...serve];
    const env = { ...process.env, ORDERS_ADMIN_URL: "postgres://nobody@127.0.0.1:1/orders" };
    this.#unshare = spawn("unshare", args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
    const hear = (chunk: Buffer): void => {
      this.log += chunk.toString();
    };
    this.#unshare.stdout?.on("data", hear);
    this.#unshare.stderr?.on("data", hear);
    const { promise, resolve: done } = Promise.withResolvers<number | null>();
    this.#unshare.on("close", (code) => done(code));
    this.ended = promise;
  }

  /** All that live in the namespace, zombies too; the first is its process 1, from which all others descend. */
  processes(): Process[] {
    const pids = readdirSync("/proc").map(Number);
    const everybody = pids.map((pid) => (pid > 0 ? read(pid) : null)).filter((it) => it !== null);
    const first = everybody.find(({ pid }) => pid === this.#first());
    const below = (parent: Process): Process[] => [
      parent,
      ...everybody.filter((it) => it.parent === parent.pid).flatMap(below),
    ];
    return first === undefined ? [] : below(first);
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.#first() ?? assert.fail("the container has ended"), signal);
  }

  async stop(): Promise<void> {
    this.#unshare.kill("SIGKILL");
    await this.ended;
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 10 });
  }

  #first(): number | null {
    const { pid } = this.#unshare;
    try {
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
      return children === "" ? null : Number(children.split(" ")[0]);
    } catch {
      return null;
    }
  }
}

function read(pid: number): Process | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state = "", parent = ""] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    return { pid, parent: Number(parent), state, command };
  } catch {
    return null;
  }
}

const postmasterOf = (container: Container): Process | undefined =>
  container.processes().find(({ command }) => command.includes("postgres") && command.includes(container.dir));

async function serving(t: TestContext): Promise<Container> {
  const container = new Container();
  t.after(() => container.stop());
  await until(() => container.log.includes("tidegate serves"), { what: "the server to serve", timeoutMs: 60_000 });
  return container;
}

test("as process 1, SIGTERM stops the server in order: exit code 0, and its PostgreSQL has ended", {
  skip,
}, async (t) => {
  const container = await serving(t);
  const [first, ...others] = container.processes();
  assert.match(first?.command ?? "", /tidegate/);
  assert.ok(postmasterOf(container), `PostgreSQL runs in the namespace: ${JSON.stringify(others)}`);
  assert.ok(existsSync(join(container.dir, "data/store/data/postmaster.pid")));
  container.signal("SIGTERM");
  assert.equal(await container.ended, 0, container.log);
  assert.match(container.log, /"stopping"/);
  assert.match(container.log, /"stopped"/);
  assert.equal(existsSync(join(container.dir, "data/store/data/postmaster.pid")), false, "PostgreSQL ended in order");
});

test("as process 1, a signal during the start is not lost: nothing is left running", { skip }, async (t) => {
  const container = new Container();
  t.after(() => container.stop());
  await until(() => existsSync(join(container.dir, "data/store")), { what: "the store to be made", timeoutMs: 60_000 });
  container.signal("SIGTERM");
  container.signal("SIGINT");
  assert.equal(await container.ended, 0, container.log);
  assert.match(container.log, /"stopped"/);
});

test("as process 1, orphans are waited for: a postmaster that is killed leaves no zombie", { skip }, async (t) => {
  const container = await serving(t);
  const postmaster = postmasterOf(container) ?? assert.fail("PostgreSQL runs in the namespace");
  const sessions = container.processes().filter(({ parent }) => parent === postmaster.pid);
  assert.ok(sessions.length >= 5, "it has processes of its own");
  process.kill(postmaster.pid, "SIGKILL");
  // A zombie can still be read.
  const left = (): Process[] => sessions.map(({ pid }) => read(pid)).filter((it) => it !== null);
  await until(() => left().length === 0, { what: "its orphans to be gone, zombies too" });
  assert.ok(container.processes().length > 0, `the server itself goes on: ${container.log}`);
  await until(() => container.processes().every(({ state }) => state !== "Z"), { what: "no zombie to be left" });
});
