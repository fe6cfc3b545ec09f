/** The demo as a real process, with its own store and its own production; for tests that see the whole. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import pg from "pg";
import { type Client, createClient } from "../../src/contract/client.ts";
import { WatchedPrograms } from "./issued-secrets.ts";
import { until } from "./until.ts";

const PROGRAM = resolve(import.meta.dirname, "../../bin/tidegate");

type DemoFile = {
  url: string;
  signInUrl: string | null;
  productionAdminUrl: string;
  storeUrl: string;
  configFile: string;
  pid: number;
};

export type Ran = { code: number; stdout: string; stderr: string };

export class RunningDemo {
  readonly dir: string;
  #process: ChildProcess | null = null;
  #output = "";
  state!: DemoFile;
  tokens!: Record<string, string>;

  /** What serves; the command line that people run is always the one here. */
  readonly #program: string;
  readonly #programs: WatchedPrograms;

  private constructor(dir: string, program: string) {
    this.dir = dir;
    this.#program = program;
    this.#programs = new WatchedPrograms(join(dir, "issued-secrets"));
  }

  static async start(program = PROGRAM): Promise<RunningDemo> {
    const dir = await mkdtemp(join(tmpdir(), "tidegate-e2e-"));
    await chmod(dir, 0o711);
    const demo = new RunningDemo(dir, program);
    await demo.boot();
    return demo;
  }

  /** Starts the process on the same folder and waits until it says where it is. */
  async boot(): Promise<void> {
    this.#programs.printed(this.#output, ["demo"]);
    this.#output = "";
    const child = spawn(this.#program, ["demo", "--dir", this.dir, "--port", "0", "--no-story"], {
      env: { ...process.env, ...this.#programs.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    const hear = (chunk: Buffer): void => {
      this.#output += chunk.toString();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    await until(
      () => {
        if (child.exitCode !== null) throw new Error(`the demo ended with ${child.exitCode}: ${this.#output}`);
        return this.#output.includes("The demo is up at");
      },
      { what: "the demo to be up", timeoutMs: 120_000 },
    );
    this.state = JSON.parse(await readFile(join(this.dir, "demo.json"), "utf8")) as DemoFile;
    this.tokens = JSON.parse(await readFile(join(this.dir, "tokens.json"), "utf8")) as Record<string, string>;
  }

  get output(): string {
    return this.#output;
  }

  client(person: string): Client {
    return createClient({ url: this.state.url, token: this.tokens[person] ?? "" });
  }

  /** Runs the command line as a person. */
  run(person: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
    const { done } = this.spawn(person, args, env);
    return done;
  }

  spawn(
    person: string,
    args: readonly string[],
    env: Record<string, string> = {},
  ): { child: ChildProcess; done: Promise<Ran>; seen: () => string } {
    const who = { TIDEGATE_URL: this.state.url, TIDEGATE_TOKEN: this.tokens[person] ?? "", NO_COLOR: "1" };
    const child = spawn(PROGRAM, args, {
      env: { ...process.env, ...this.#programs.env, ...who, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const { promise, resolve: finished } = Promise.withResolvers<Ran>();
    child.on("close", (code) => {
      this.#programs.printed(stdout + stderr, args);
      finished({ code: code ?? -1, stdout, stderr });
    });
    return { child, done: promise, seen: () => stdout + stderr };
  }

  /** Asks production itself, as its superuser. */
  production<T extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<T[]> {
    return ask<T>(this.state.productionAdminUrl, text, values);
  }

  /** Asks the store itself, as its superuser. */
  store<T extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<T[]> {
    const url = new URL(this.state.storeUrl);
    url.pathname = "/tidegate";
    return ask<T>(url.href, text, values);
  }

  /** Dies at once, as by power loss of the process: nothing is tidied up. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const { promise, resolve: gone } = Promise.withResolvers<void>();
    child.on("close", () => gone());
    child.kill("SIGKILL");
    await promise;
  }

  /** Ends it in order; it can be booted again. */
  async end(): Promise<void> {
    const alive = this.#process;
    if (alive === null || alive.exitCode !== null) return;
    const { promise, resolve: gone } = Promise.withResolvers<void>();
    alive.on("close", () => gone());
    alive.kill("SIGTERM");
    await promise;
  }

  /** Ends it in order and removes all it had; what a killed one left is taken over first, so that it can be stopped. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (child !== null && child.exitCode === null && child.signalCode !== null) await this.boot();
    await this.end();
    try {
      this.#programs.printed(this.#output, ["demo"]);
      this.#programs.printed(await readFile(join(this.dir, "tidegate.log"), "utf8"), ["demo", "(its log)"]);
      this.#programs.assertUntold();
    } finally {
      await rm(this.dir, { recursive: true, force: true });
    }
  }
}

async function ask<T extends pg.QueryResultRow>(url: string, text: string, values: unknown[]): Promise<T[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 30_000 });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query<T>(text, values)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}
