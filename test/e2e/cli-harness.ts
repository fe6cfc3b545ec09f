/** The real command line as a process, against a server of which the test says every answer. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { until } from "../support/until.ts";

const PROGRAM = resolve(import.meta.dirname, "../../bin/tidegate");

export type Reply = {
  readonly status?: number;
  readonly body: unknown;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
};
/** A call as it came; `query` and `body` parsed. */
export type Call = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Record<string, unknown>;
  readonly token: string | null;
};
/** Answers one call; a promise that never resolves holds it, as a waiting server does. */
export type Route = (call: Call) => Reply | Promise<Reply>;

export type StubServer = {
  readonly url: string;
  readonly calls: Call[];
  /** `POST /v1/requests` → its answer. Changed at any time. */
  readonly routes: Map<string, Route>;
  count(route: string): number;
  close(): Promise<void>;
};

/** A server that answers what it was told to, and 404 to all else. */
export async function startStub(routes: Record<string, Route | Reply>): Promise<StubServer> {
  const calls: Call[] = [];
  const known = new Map(
    Object.entries(routes).map(([key, route]) => [key, typeof route === "function" ? route : () => route]),
  );
  const answer = async (incoming: IncomingMessage): Promise<Reply> => {
    const { pathname, searchParams } = new URL(incoming.url ?? "/", "http://stub");
    const written = await text(incoming);
    const call: Call = {
      method: incoming.method ?? "",
      path: pathname,
      query: searchParams,
      body: written === "" ? {} : (JSON.parse(written) as Record<string, unknown>),
      token: incoming.headers.authorization?.replace(/^Bearer /, "") ?? null,
    };
    calls.push(call);
    const route = known.get(`${call.method} ${call.path}`);
    return route === undefined ? problem("not-found", 404, `no route ${call.method} ${call.path}`) : route(call);
  };
  const server = createServer((incoming, response) => {
    void answer(incoming).then(({ status = 200, body, type = "application/json", headers = {} }) => {
      response.writeHead(status, { "content-type": type, ...headers });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    routes: known,
    count: (route) => calls.filter(({ method, path }) => `${method} ${path}` === route).length,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export const problem = (code: string, status: number, detail: string, extra: Record<string, unknown> = {}): Reply => ({
  status,
  type: "application/problem+json",
  body: { type: `urn:tidegate:problem:${code}`, title: code, status, detail, code, ...extra },
});

export type Ended = {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
};

export class RunningCli {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = "";
  stderr = "";

  constructor(args: readonly string[], env: Record<string, string | undefined>) {
    const clean = { ...process.env, NO_COLOR: undefined, FORCE_COLOR: undefined, TIDEGATE_URL: undefined };
    this.process = spawn(PROGRAM, args, {
      env: { ...clean, TIDEGATE_TOKEN: "tgt_test", ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.process.stdout?.on("data", (chunk: Buffer) => {
      this.stdout += chunk.toString();
    });
    this.process.stderr?.on("data", (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.ended = once(this.process, "close").then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as string | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }

  /** Waits until it has said this, on either stream. */
  async says(words: RegExp): Promise<void> {
    await until(() => words.test(this.stdout + this.stderr), { what: `${words} in: ${this.stdout}${this.stderr}` });
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }
}

/** Runs a command to its end. */
export const cli = (args: readonly string[], env: Record<string, string | undefined> = {}): Promise<Ended> =>
  new RunningCli(args, env).ended;

/** The JSON value that stdout holds, and nothing else beside it. */
export const onlyJson = (ended: Ended): Record<string, unknown> => JSON.parse(ended.stdout) as Record<string, unknown>;
