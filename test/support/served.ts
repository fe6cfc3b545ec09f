/** `tidegate serve` as a real process with a data folder of its own, in front of a real PostgreSQL as the target. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import pg from "pg";
import { hashToken, newToken } from "../../src/base/token.ts";
import { type Client, createClient } from "../../src/contract/client.ts";
import { demoConfiguration } from "../../src/demo/configuration.ts";
import { PEOPLE } from "../../src/demo/people.ts";
import type { Ran } from "./demo.ts";
import { WatchedPrograms } from "./issued-secrets.ts";
import { startTestPostgres, type TestPostgres } from "./postgres-server.ts";
import { until } from "./until.ts";

const PROGRAM = resolve(import.meta.dirname, "../../bin/tidegate");

export const TABLES = `
  create table customers (id int primary key, name text not null, email text not null);
  create table orders (id int primary key, customer_id int not null);
  insert into customers values (1, 'Ada', 'ada@example.test');
  insert into orders values (1, 1);`;

export class Served {
  readonly dir: string;
  readonly target: TestPostgres;
  /** More environment for the server and for local commands. */
  env: Record<string, string> = {};
  url = "";
  #process: ChildProcess | null = null;
  /** The process that has ended last, once all that it said was heard. */
  #closed: ChildProcess | null = null;
  #output = "";
  readonly #tokens: Readonly<Record<string, string>>;
  readonly #data: string;
  readonly #besides: Served[] = [];
  readonly #programs: WatchedPrograms;

  private constructor(dir: string, target: TestPostgres, tokens: Readonly<Record<string, string>>, data: string) {
    this.dir = dir;
    this.target = target;
    this.#tokens = tokens;
    this.#data = data;
    this.#programs = new WatchedPrograms(join(dir, `issued-by-${data}`));
  }

  /** The folder, the configuration and the target (with `settings`, as for `postgres -c`); the server is started with `boot`. */
  static async prepare(settings: Readonly<Record<string, string>> = {}): Promise<Served> {
    const target = await startTestPostgres(18, { fsync: "off", ...settings });
    const dir = mkdtempSync(join(tmpdir(), "tidegate-served-"));
    await chmod(dir, 0o711);
    const tokens = Object.fromEntries(PEOPLE.map(({ handle }) => [handle, newToken()]));
    const served = new Served(dir, target, tokens, "data");
    await ask(target.superuserUrl, "create database orders");
    await served.onTarget(TABLES);
    const hashes = Object.fromEntries(Object.entries(served.#tokens).map(([who, token]) => [who, hashToken(token)]));
    const url = new URL(target.superuserUrl);
    url.pathname = "/orders";
    writeFileSync(join(dir, "tidegate.yaml"), demoConfiguration(hashes));
    writeFileSync(join(dir, "production-admin.url"), url.href);
    return served;
  }

  /** Another server with the same configuration, people and target, and a data folder of its own; ends with this one. */
  beside(data: string): Served {
    const other = new Served(this.dir, this.target, this.#tokens, data);
    other.env = { ...this.env };
    this.#besides.push(other);
    return other;
  }

  get dataDir(): string {
    return join(this.dir, this.#data);
  }

  get output(): string {
    return this.#output;
  }

  /** Of the server as it runs now. */
  get pid(): number {
    return this.#process?.pid ?? Number.NaN;
  }

  /** Starts the server and waits until it serves. */
  async boot(...more: string[]): Promise<void> {
    this.#start(more);
    await this.serves();
  }

  /** Waits until the server that was started serves. */
  async serves(): Promise<void> {
    const child = this.#process;
    if (child === null) throw new Error("no server was started");
    await until(
      () => {
        if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${this.#output}`);
        return this.#output.includes("tidegate serves");
      },
      { what: "the server to serve", timeoutMs: 120_000 },
    );
    this.#hearUrl("tidegate serves");
  }

  /** Starts the server while its store is away, and waits until it says so. */
  async bootWaiting(...more: string[]): Promise<void> {
    const child = this.#start(more);
    await until(
      () => {
        if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}: ${this.#output}`);
        return this.#output.includes("tidegate waits for its store");
      },
      { what: "the server to wait for its store", timeoutMs: 120_000 },
    );
    this.#hearUrl("tidegate waits for its store");
  }

  #hearUrl(beside: string): void {
    const line = this.#output.split("\n").findLast((one) => one.includes(beside)) ?? "";
    const said = /"url":"([^"]+)"/.exec(line)?.[1];
    if (said === undefined) throw new Error(`the server did not say where it is: ${this.#output}`);
    this.url = said;
  }

  /** Starts the server, which refuses to serve; answers what it says. */
  async refused(...more: string[]): Promise<string> {
    const child = this.#start(more);
    await until(() => this.#closed === child, { what: "the server to refuse", timeoutMs: 120_000 });
    if (child.exitCode === null) throw new Error(`the server was ended by ${child.signalCode}: ${this.#output}`);
    return this.#output;
  }

  #start(more: readonly string[]): ChildProcess {
    this.#programs.printed(this.#output, ["serve"]);
    this.#output = "";
    const place = ["--config", join(this.dir, "tidegate.yaml"), "--data", this.dataDir, "--port", "0"];
    const child = spawn(PROGRAM, ["serve", ...place, ...more], {
      env: { ...process.env, ...this.#programs.env, ...this.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    const hear = (chunk: Buffer): void => {
      this.#output += chunk.toString();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("close", () => {
      this.#closed = child;
    });
    return child;
  }

  /** Runs a local command on the data folder. */
  local(...args: string[]): Promise<Ran> {
    return this.#run([...args, "--data", this.dataDir], {});
  }

  /** Runs the program as a person. */
  as(person: string, ...args: string[]): Promise<Ran> {
    return this.#run(args, { TIDEGATE_URL: this.url, TIDEGATE_TOKEN: this.#tokens[person] ?? "" });
  }

  /** Runs a command of a person that goes on until it is interrupted; that answers its exit code. */
  watch(person: string, ...args: string[]): { output(): string; interrupt(): Promise<number> } {
    const token = this.#tokens[person] ?? "";
    const env = { ...process.env, ...this.env, TIDEGATE_URL: this.url, TIDEGATE_TOKEN: token, NO_COLOR: "1" };
    const child = spawn(PROGRAM, args, { env });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    const { promise, resolve: done } = Promise.withResolvers<number>();
    child.on("close", (code) => done(code ?? -1));
    return {
      output: () => output,
      interrupt: () => {
        child.kill("SIGINT");
        return promise;
      },
    };
  }

  async #run(args: readonly string[], env: Record<string, string>): Promise<Ran> {
    const child = spawn(PROGRAM, args, {
      env: { ...process.env, ...this.#programs.env, ...this.env, ...env, NO_COLOR: "1" },
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const { promise, resolve: done } = Promise.withResolvers<Ran>();
    child.on("close", (code) => {
      this.#programs.printed(stdout + stderr, args);
      done({ code: code ?? -1, stdout, stderr });
    });
    return promise;
  }

  /** The figures of this server, as Prometheus reads them. */
  async figures(): Promise<string> {
    const authorization = `Bearer ${this.#tokens["carol"] ?? ""}`;
    return (await fetch(`${this.url}/metrics`, { headers: { authorization } })).text();
  }

  /** Changes the configuration's file, and waits until the server goes by it. */
  async reconfigured(change: () => Promise<void>): Promise<void> {
    const active = async (): Promise<number | undefined> =>
      (await this.client("carol").listConfigVersions()).versions.find((one) => one.active)?.version;
    const before = await active();
    await change();
    await until(async () => (await active()) !== before, { what: "the configuration to be taken" });
  }

  client(person: string, more: { readonly fetch?: typeof fetch } = {}): Client {
    return createClient({ url: this.url, token: this.#tokens[person] ?? "", ...more });
  }

  /** Erin is on call: policy grants at once. */
  async granted(duration: string): Promise<string> {
    const erin = this.client("erin");
    const incident = { entitlement: "orders-db:read", reason: "checkouts fail", ticket: "INC-42", duration };
    const { grantId } = await erin.submitRequest(incident);
    await this.grantIs(grantId ?? "", "active");
    return grantId ?? "";
  }

  grantIs(id: string, state: string, seenBy = "erin") {
    return until(
      async () => {
        const grant = await this.client(seenBy).getGrant(id);
        return grant.state === state ? grant : null;
      },
      { what: `grant ${id} to be ${state}` },
    );
  }

  async credential(id: string) {
    return until(
      async () => {
        const taken = await this.client("erin")
          .credential(id, {})
          .catch((error: unknown) => {
            if (error instanceof Error && "code" in error && error.code === "grant-not-active") return null;
            throw error;
          });
        return taken?.delivered && taken.credential.kind === "password" ? taken.credential : null;
      },
      { what: "the credential" },
    );
  }

  onTarget<T extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<T[]> {
    const url = new URL(this.target.superuserUrl);
    url.pathname = "/orders";
    return ask<T>(url.href, text, values);
  }

  /** The logins that any Tidegate has made on the target. */
  async logins(): Promise<string[]> {
    const rows = await this.onTarget<{ rolname: string }>(
      "select rolname from pg_roles where rolname like 'tg\\_%' and rolcanlogin order by 1",
    );
    return rows.map(({ rolname }) => rolname);
  }

  /** Waits until the server has ended by itself; answers the signal that ended it, if one did. */
  async ended(): Promise<NodeJS.Signals | null> {
    const child = this.#process;
    if (child === null) throw new Error("no server was started");
    await until(() => this.#closed === child, { what: "the server to end", timeoutMs: 120_000 });
    return child.signalCode;
  }

  /** Ends the server: in order, or at once as by a power cut. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const { promise, resolve: gone } = Promise.withResolvers<void>();
    child.on("close", () => gone());
    child.kill(signal);
    await promise;
  }

  /** Ends everything and removes it; a store that a killed server left running is taken over first, so that it can be stopped. */
  async stop(): Promise<void> {
    await Promise.all(this.#besides.map((other) => other.end("SIGTERM")));
    if (this.#process?.signalCode === "SIGKILL") await this.local("keys", "list");
    await this.end("SIGTERM");
    await this.target.stop();
    try {
      for (const { output, programs } of [this, ...this.#besides].map((it) => ({
        output: it.#output,
        programs: it.#programs,
      }))) {
        programs.printed(output, ["serve"]);
        programs.assertUntold();
      }
    } finally {
      rmSync(this.dir, { recursive: true, force: true });
    }
  }
}

export async function ask<T extends pg.QueryResultRow>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<T[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 30_000 });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query<T>(text, values)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}
