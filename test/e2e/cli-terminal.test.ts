/** What the command line asks people on a terminal: a real one, by the program `script`. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, describe, test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { findTool, skipWithout } from "../support/tools.ts";
import { until } from "../support/until.ts";
import { type StubServer, startStub } from "./cli-harness.ts";
import { BOB, GRANT_ID, grantedView, grantView, NOW, REQUEST_ID, requestView, revokedView } from "./cli-views.ts";

const PROGRAM = resolve(import.meta.dirname, "../../bin/tidegate");

class Terminal {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;
  #shown = "";

  constructor(args: readonly string[], url: string, env: Record<string, string> = {}) {
    // A terminal that nobody sits at has no width, and questions are broken after each letter.
    const command = `stty cols 120 rows 40; exec ${[PROGRAM, ...args].map((word) => `'${word}'`).join(" ")}`;
    this.#child = spawn(findTool("script") ?? "", ["-qec", command, "/dev/null"], {
      stdio: ["pipe", "pipe", "ignore"],
      env: { PATH: process.env["PATH"], TERM: "xterm-256color", TIDEGATE_URL: url, TIDEGATE_TOKEN: "t", ...env },
    });
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.#shown += chunk.toString();
    });
    this.#ended = once(this.#child, "close").then(([code]) => Number(code));
  }

  get shown(): string {
    return stripVTControlCharacters(this.#shown);
  }

  /** Waits until this is on the screen, then types. */
  async answer(question: RegExp, keys: string): Promise<void> {
    await until(() => question.test(this.shown), { what: `${question} on the terminal` });
    this.#child.stdin?.write(keys);
  }

  /** The exit code. */
  ends(): Promise<number> {
    return this.#ended;
  }
}

let stub: StubServer;
afterEach(() => stub.close());

describe("on a terminal", { skip: skipWithout("script") }, () => {
  test("psql asks whether less will do; who says no gets no password, and the access is given back", async (t) => {
    const dir = await mkdtemp(join(tmpdir(), "tidegate-terminal-"));
    t.after(() => rm(dir, { recursive: true }));
    await writeFile(join(dir, "psql"), "#!/bin/sh\necho psql is up\n");
    await chmod(join(dir, "psql"), 0o755);
    const [credential, revoke] = [`POST /v1/grants/${GRANT_ID}/credential`, `POST /v1/grants/${GRANT_ID}/revoke`];
    const ends = new Date(Date.now() + 3_600_000).toISOString();
    const less = {
      asked: { entitlement: "orders-db:read", duration: "1h" },
      given: { entitlement: "orders-db:read", duration: "30m" },
    };
    stub = await startStub({
      "GET /v1/grants": { body: { grants: [], next: null } },
      "POST /v1/requests": { status: 201, body: grantedView() },
      [`GET /v1/grants/${GRANT_ID}`]: () =>
        stub.count(revoke) > 0 ? { body: revokedView() } : { body: grantView({ less, expiresAt: ends }) },
      [revoke]: { body: revokedView() },
    });
    const psql = ["psql", "orders-db:read", "--for", "1h", "--reason", "slow checkouts"];
    const terminal = new Terminal(psql, stub.url, { PATH: `${dir}:${process.env["PATH"]}` });
    await terminal.answer(/Go on with that\?/, "n");
    assert.equal(await terminal.ends(), 1, terminal.shown);
    assert.match(terminal.shown, /orders-db:read for 30m, not orders-db:read for 1h/);
    assert.match(terminal.shown, /You did not want less than you asked for/);
    assert.equal(stub.count(credential), 0);
    assert.equal(stub.count(revoke), 1);
  });

  test("approve without an id shows what waits, and lets one ask back instead of deciding", async () => {
    const waits = requestView({ canReview: true, canCancel: false });
    const comments = `POST /v1/requests/${REQUEST_ID}/comments`;
    stub = await startStub({
      "GET /v1/requests": { body: { requests: [waits], next: null } },
      [`GET /v1/requests/${REQUEST_ID}`]: { body: { ...waits, timeline: [] } },
      [comments]: { body: { ...waits, questions: [{ id: "cm_1", by: BOB, at: NOW, text: "Which one?" }] } },
    });
    const terminal = new Terminal(["approve"], stub.url);
    await terminal.answer(/alice: orders-db:read for 1h/, "\r");
    await terminal.answer(/Ask alice for more information first/, "\u001b[B");
    await terminal.answer(/● Ask alice/, "\r");
    await terminal.answer(/What do you want to know\?/, "Which one?\r");
    assert.equal(await terminal.ends(), 0, terminal.shown);
    assert.match(terminal.shown, /SELECT on public\.orders[\s\S]*Asked: request rq_\w+ waits for an answer by alice/);
    assert.deepEqual(stub.calls.find(({ path }) => path.endsWith("/comments"))?.body, {
      text: "Which one?",
      asks: true,
    });
  });
});
