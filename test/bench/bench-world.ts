/**
 * Where the benchmarks happen: a store and a target, both real PostgreSQL with fsync, and `tidegate serve` as a real
 * process between them. Everything lies in folders of its own and is gone afterwards.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import pg from "pg";
import type { GrantId } from "../../src/base/ids.ts";
import { hashToken, newToken } from "../../src/base/token.ts";
import { demoConfiguration } from "../../src/demo/configuration.ts";
import { PEOPLE } from "../../src/demo/people.ts";
import { createDatabase } from "../../src/store/embedded/create-database.ts";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { ask } from "../support/served.ts";
import { until } from "../support/until.ts";
import { buildPackage, type Programs } from "./build-package.ts";
import { HttpConnection } from "./http-client.ts";
import type { Model } from "./replay.ts";
import { startCapture } from "./wire-capture.ts";

const ADMIN_PASSWORD = "bench-admin";
/** Limits that count and never refuse: the load comes with one token from one address. */
/** What the provider of the benchmarks sends with its people. */
export const SCIM_TOKEN = "what-the-provider-of-the-benchmarks-sends";
const PROVIDER = `
identity:
  url: http://127.0.0.1:1
  providers:
    bench:
      issuer: http://127.0.0.1:1
      client_id: bench
      scim: { tokens: ["\${env:BENCH_SCIM_TOKEN}"] }
`;
const UNHURRIED = { TIDEGATE_RATE_PER_PRINCIPAL: "100000/100000", TIDEGATE_RATE_PER_ADDRESS: "100000/100000" };
/** A package runs on the Node that it finds; both are to run on this one. */
export const OUR_NODE = { PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}` };

/** The admin login of the README: no superuser, just what it must pass on. */
const TARGET_ADMIN = [
  `create role tidegate_admin login createrole password '${ADMIN_PASSWORD}'`,
  "grant pg_signal_backend to tidegate_admin",
  "create table customers (id int primary key, name text not null, email text not null)",
  "create table orders (id int primary key, customer_id int not null, status text not null)",
  "grant connect on database orders to tidegate_admin with grant option",
  "grant usage on schema public to tidegate_admin with grant option",
  "grant select, update on orders to tidegate_admin with grant option",
  "grant select (id, name) on customers to tidegate_admin with grant option",
];

export type GrantSeen = { id: string; state: string; expiresAt: string };

/** A running `tidegate serve`. */
export type Server = { readonly url: string; readonly pid: number; readonly readyMs: number; stop(): Promise<void> };

export class BenchWorld {
  readonly dir: string;
  readonly programs: Programs;
  readonly store: TestPostgres;
  readonly target: TestPostgres;
  /** As the owner of the store. */
  readonly storeUrl: string;
  /** As Tidegate's admin login on the target. */
  readonly adminUrl: URL;
  readonly #tokens = Object.fromEntries(PEOPLE.map(({ handle }) => [handle, newToken()]));
  server: Server | null = null;

  private constructor(dir: string, programs: Programs, store: TestPostgres, target: TestPostgres, storeUrl: string) {
    this.dir = dir;
    this.programs = programs;
    this.store = store;
    this.target = target;
    this.storeUrl = storeUrl;
    this.adminUrl = new URL(`postgres://tidegate_admin:${ADMIN_PASSWORD}@127.0.0.1:${target.port}/orders`);
    const hashes = Object.fromEntries(Object.entries(this.#tokens).map(([who, token]) => [who, hashToken(token)]));
    writeFileSync(this.configFile, `${demoConfiguration(hashes)}${PROVIDER}`);
    this.reachTargetAt(target.port);
  }

  static async start(): Promise<BenchWorld> {
    const dir = mkdtempSync(join(tmpdir(), "tidegate-bench-"));
    await chmod(dir, 0o711);
    const programs = buildOrLeaveNothing(dir);
    // When a receipt was committed is read from the store itself: whoever polled for it would be part of the load.
    const store = await startTestPostgres(18, { track_commit_timestamp: "on" });
    const target = await startTestPostgres(18, { max_connections: "400" });
    const storeUrl = await createDatabase(store.superuserUrl, {
      database: "tidegate",
      owner: "tidegate",
      password: "bench-store",
    });
    await ask(store.superuserUrl, "create database floor");
    await ask(target.superuserUrl, "create database orders");
    const orders = new URL(target.superuserUrl);
    orders.pathname = "/orders";
    for (const statement of TARGET_ADMIN) await ask(orders.href, statement);
    return new BenchWorld(dir, programs, store, target, storeUrl);
  }

  get configFile(): string {
    return join(this.dir, "tidegate.yaml");
  }

  token(person: string): string {
    return this.#tokens[person] ?? "";
  }

  /** The server reads the file anew whenever it opens the target. */
  reachTargetAt(port: number): void {
    const url = new URL(this.adminUrl);
    url.port = String(port);
    writeFileSync(join(this.dir, "production-admin.url"), url.href);
  }

  /** Starts the server on the store of this world: as the package, which is what users run, or from the checkout. */
  async serve(program = this.programs.package): Promise<Server> {
    this.server = await startServer(this, program, join(this.dir, "data"), { DATABASE_URL: this.storeUrl });
    return this.server;
  }

  connection(): HttpConnection {
    if (this.server === null) throw new Error("the server is not up");
    return new HttpConnection(this.server.url);
  }

  /** Erin is on call: policy grants at once. Answers the grant. */
  async request(connection: HttpConnection, duration: string): Promise<string> {
    const incident = { entitlement: "orders-db:read", reason: "checkouts fail", ticket: "INC-42", duration };
    const answer = await connection.call("POST", "/v1/requests", this.token("erin"), incident);
    if (answer.status !== 201) throw new Error(`the request was not granted: ${answer.body}`);
    return (JSON.parse(answer.body) as { grantId: string }).grantId;
  }

  /** Holds on until the grant is as wanted. */
  async grantIs(connection: HttpConnection, id: string, state: string): Promise<GrantSeen> {
    for (let known = "scheduled"; ; ) {
      const path = `/v1/grants/${id}?wait=20&while=${known}`;
      const { status, body } = await connection.call("GET", path, this.token("erin"));
      const grant = JSON.parse(body) as GrantSeen;
      if (status !== 200) throw new Error(`the grant cannot be seen: ${body}`);
      if (grant.state === state) return grant;
      known = grant.state;
    }
  }

  /** The credential of an active grant, as a URL to sign in with. */
  async credential(connection: HttpConnection, id: string): Promise<string> {
    const answer = await connection.call("POST", `/v1/grants/${id}/credential`, this.token("erin"), {});
    if (answer.status !== 200) throw new Error(`no credential: ${answer.body}`);
    return (JSON.parse(answer.body) as { uri: string }).uri;
  }

  inStore<T extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<T[]> {
    return ask<T>(this.storeUrl, text, values);
  }

  /** A database beside the store's own. */
  async dropDatabase(url: string): Promise<void> {
    await ask(this.store.superuserUrl, `drop database if exists ${new URL(url).pathname.slice(1)} with (force)`);
  }

  /**
   * Runs the work while `bench_written` notes each audit entry in the transaction that writes it: an entry gets into the log in a
   * later one. What that costs is ours alone.
   */
  async notingEntries<T>(work: () => Promise<T>): Promise<T> {
    await this.inStore(`
      create table bench_written (entry_id text primary key);
      create function bench_note() returns trigger language plpgsql as $$ begin
        insert into bench_written values (new.entry_id); return null; end $$;
      create trigger bench_noted after insert on audit_unsequenced for each row execute function bench_note()`);
    try {
      return await work();
    } finally {
      await this.inStore("drop function bench_note cascade; drop table bench_written");
    }
  }

  /** What one benchmark leaves to be done later, autovacuum and the checkpointer do now and not during the next. */
  async settle(): Promise<void> {
    await this.inStore("vacuum (analyze)");
    for (const { superuserUrl } of [this.store, this.target]) await ask(superuserUrl, "checkpoint");
  }

  async stop(): Promise<void> {
    await this.server?.stop();
    await this.target.stop();
    await this.store.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function buildOrLeaveNothing(dir: string): Programs {
  try {
    return buildPackage(dir);
  } catch (error) {
    rmSync(dir, { recursive: true });
    throw error;
  }
}

/** Starts `tidegate serve` and measures how long it takes until it says that it is ready. */
export async function startServer(
  world: BenchWorld,
  program: string,
  dataDir: string,
  env: Readonly<Record<string, string>>,
): Promise<Server> {
  const startedMs = performance.now();
  const child = spawn(
    program,
    ["serve", "--config", world.configFile, "--data", dataDir, "--port", "0", "--log-level", "info"],
    {
      env: { ...process.env, ...OUR_NODE, ...UNHURRIED, BENCH_SCIM_TOKEN: SCIM_TOKEN, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const url = await saysWhere(child);
  const probe = new HttpConnection(url);
  await until(async () => (await probe.call("GET", "/readyz", "")).status === 200, { what: "the server to be ready" });
  const readyMs = performance.now() - startedMs;
  probe.close();
  return { url, pid: child.pid ?? 0, readyMs, stop: () => end(child) };
}

async function saysWhere(child: ChildProcess): Promise<string> {
  let output = "";
  const { promise, resolve: found, reject } = Promise.withResolvers<string>();
  child.stderr?.on("data", (chunk: Buffer) => {
    // Read to the end, so that the server never waits for its reader; kept only until it has said where it is.
    if (output.length < 100_000) output += chunk.toString();
    const url = /"url":"([^"]+)"/.exec(output)?.[1];
    if (url !== undefined) found(url);
  });
  child.on("close", (code) => reject(new Error(`the server ended with ${code}: ${output.slice(-2_000)}`)));
  return promise;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const { promise, resolve: gone } = Promise.withResolvers<void>();
  child.on("close", () => gone());
  child.kill("SIGTERM");
  await promise;
}

export type Models = {
  readonly role: string;
  readonly access: Model;
  readonly revocation: Model;
  /** A grant that stays active for the whole run: with it the group role is there, and others are made like it. */
  readonly keeper: GrantId;
};

/**
 * Watches one grant's life on the target and answers it as two models. A second grant of the entitlement lives on, so that
 * the group role is there, as it is on a target in use; it stays for the whole run.
 */
export async function captureLife(world: BenchWorld): Promise<Models> {
  const connection = world.connection();
  const keeper = await world.request(connection, "2h");
  await world.grantIs(connection, keeper, "active");
  const capture = await startCapture(world.target.port);
  world.reachTargetAt(capture.port);
  const id = await world.request(connection, "2h");
  await world.grantIs(connection, id, "active");
  const settled = (): Promise<unknown> =>
    until(
      async () =>
        (await world.inStore("select 1 from grants where id = $1 and claim_until is null", [id])).length === 1,
      { what: "the claim to be released" },
    );
  await settled();
  const access = capture.take();
  const bareId = id.replace(/^gr_/, "");
  const [role] = await ask<{ oid: number; rolname: string }>(
    world.target.superuserUrl,
    "select oid, rolname from pg_roles where rolname like $1",
    [`tg\\_%${bareId}`],
  );
  if (role === undefined) throw new Error("the captured grant has no role");
  await connection.call("POST", `/v1/grants/${id}/revoke`, world.token("erin"), { reason: "seen enough" });
  await world.grantIs(connection, id, "revoked");
  await settled();
  const revocation = capture.take();
  world.reachTargetAt(world.target.port);
  // The second probe comes a claim's lifetime later; with it nothing of this grant is due any more.
  await until(
    async () => (await world.inStore("select 1 from grants where id = $1 and due_at is null", [id])).length === 1,
    { what: "the second probe" },
  );
  await capture.close();
  connection.close();
  const model = (steps: Model["steps"]): Model => ({ bareId, oid: role.oid, steps });
  return { role: role.rolname, access: model(access), revocation: model(revocation), keeper: keeper as GrantId };
}

/** Connections to the store that do nothing but commit, durably: what any ledger costs at the least. */
export async function openCommits(world: BenchWorld, count: number): Promise<Commits> {
  const url = new URL(world.store.superuserUrl);
  url.pathname = "/floor";
  await ask(
    url.href,
    "create table if not exists commits (id bigint generated always as identity, note text not null)",
  );
  const clients = await Promise.all(
    Array.from({ length: count }, async () => {
      const client = new pg.Client({ connectionString: url.href });
      await client.connect();
      return client;
    }),
  );
  return {
    async commit(on, times) {
      for (let i = 0; i < times; i += 1) await clients[on]?.query("insert into commits (note) values ($1)", ["floor"]);
    },
    async close() {
      await Promise.all(clients.map((client) => client.end()));
    },
  };
}

export type Commits = { commit(on: number, times: number): Promise<void>; close(): Promise<void> };
