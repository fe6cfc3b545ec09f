/**
 * Plays docs/getting-started.md: every fence that is marked `test` is run as it is printed, in one shell for each terminal
 * of the guide, against a real PostgreSQL; and what the guide shows must be what came out.
 *
 * Marks after ```sh: the terminal; `exit=N` unless 0; `again` for what may need a moment; `serves` for what does not end.
 * ```sql is typed into the command before it, ```text is what the commands before it print, ```yaml is put into the file.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { startTestPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { skipWithout } from "../support/tools.ts";
import { until } from "../support/until.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const GUIDE = readFileSync(join(ROOT, "docs/getting-started.md"), "utf8");
const skip = skipWithout("psql");

type Fence = { readonly language: string; readonly marks: readonly string[]; readonly text: string };
const fences: readonly Fence[] = Array.from(
  GUIDE.matchAll(/^```(\w+) test *([^\n]*)\n([\s\S]*?)^```$/gm),
  ([, language = "", marks = "", text = ""]) => ({ language, marks: marks.split(" ").filter(Boolean), text }),
);

/** A terminal of the guide: a shell that keeps its folder and variables from one block to the next. */
class Terminal {
  readonly #shell: ChildProcess;
  readonly #folder: string;
  readonly #ended: Promise<unknown>;
  said = "";
  #blocks = 0;

  constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.#folder = folder;
    this.#shell = spawn("bash", ["--noprofile", "--norc"], { cwd: ROOT, env, detached: true, stdio: "pipe" });
    this.#ended = once(this.#shell, "close");
    for (const stream of [this.#shell.stdout, this.#shell.stderr])
      stream?.on("data", (chunk: Buffer) => {
        this.said += chunk.toString();
      });
  }

  /** Types a block; its exit code is asked for by `code`. */
  type(block: string, input = ""): { readonly from: number; code(): number | null } {
    const [name, from] = [join(this.#folder, `${this.#shell.pid}-${this.#blocks++}`), this.said.length];
    writeFileSync(`${name}.sh`, block);
    writeFileSync(`${name}.in`, input);
    const mark = `end of block ${this.#blocks}:`;
    this.#shell.stdin?.write(`. ${name}.sh < ${name}.in; echo "${mark}$?"\n`);
    const end = new RegExp(`${mark}(\\d+)\\n`);
    return {
      from,
      code: () => {
        const [, code] = end.exec(this.said) ?? [];
        return code === undefined ? null : Number(code);
      },
    };
  }

  /** Ctrl-C, and the end of the terminal. */
  async close(): Promise<void> {
    this.#shell.stdin?.end();
    try {
      if (this.#shell.pid !== undefined) process.kill(-this.#shell.pid, "SIGINT");
    } catch {
      // It has ended already.
    }
    await this.#ended;
  }
}

/** Without what differs from run to run. */
const timeless = (text: string): string =>
  text
    .replaceAll(/\b(rq|gr|pr|rv)_[a-z0-9]{16}/g, "$1_…")
    .replaceAll(/\btg_[a-z0-9]+_[a-z0-9]+/g, "tg_…")
    .replaceAll(/sha256:[0-9a-f]{64}/g, "sha256:…")
    .replaceAll(/(\d{1,2} \w{3} )?\d\d:\d\d(:\d\d)?, (now|in [\ddhms ]+[dhms]|[\ddhms ]+ ago)/g, "TIME")
    .replaceAll(/127\.0\.0\.1:\d+|postgres:\d{10,}/g, "TARGET")
    .replaceAll(/audit entry \d+/g, "audit entry N")
    .replaceAll(/^\d+ +TIME +/gm, "N TIME ")
    .replaceAll(/[^\S\n]+$/gm, "");

/** The first line of the guide's output that did not come, or null. The lines must come in their order. */
function missing(shown: string, said: string): string | null {
  const real = timeless(said).split("\n");
  let at = 0;
  for (const line of timeless(shown).split("\n")) {
    if (line === "" || line === "…") continue;
    const [start, end] = [
      line.startsWith("… ") ? line.slice(2) : null,
      line.endsWith(" […]") ? line.slice(0, -4) : null,
    ];
    const fits = (one: string): boolean =>
      one === line || (start !== null && one.includes(start)) || (end !== null && one.startsWith(end));
    const found = real.slice(at).findIndex(fits);
    if (found < 0) return line;
    at += found + 1;
  }
  return null;
}

/** Puts lines into a text: the least indented are there already and say where, the others go below them. */
function insert(lines: readonly string[], text: string): string {
  const indent = (line: string): number => line.search(/\S/);
  const least = Math.min(...lines.map(indent));
  const all = text.split("\n");
  let at = -1;
  for (const line of lines) {
    if (indent(line) > least) all.splice(++at, 0, line);
    else at = all.indexOf(line);
    assert.ok(at >= 0, `the file has no line ${line}`);
  }
  return all.join("\n");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

let target: TestPostgres;
let home: string;
const terminals = new Map<string, Terminal>();

before(async () => {
  if (skip !== false) return;
  home = mkdtempSync(join(tmpdir(), "tidegate-guide-"));
  // Started by root, the store's account must be able to pass through.
  chmodSync(home, 0o711);
  target = await startTestPostgres(16, { fsync: "off" });
});
after(async () => {
  await Promise.all(Array.from(terminals.values(), (terminal) => terminal.close()));
  if (skip !== false) return;
  await target.stop();
  rmSync(home, { recursive: true, force: true });
});

test("the guide marks what is to be run", () => {
  for (const language of ["sh", "sql", "yaml", "text"]) assert.ok(fences.some((fence) => fence.language === language));
  assert.deepEqual(
    [...new Set(fences.flatMap(({ language, marks }) => (language === "sh" ? marks.slice(0, 1) : [])))],
    ["operator", "alice", "bob", "carol"],
  );
});

test("a newcomer who follows the guide word for word ends with their own PostgreSQL behind Tidegate", {
  skip,
  timeout: 120_000,
}, async () => {
  const port = await freePort();
  const blocks = join(home, "blocks");
  mkdirSync(blocks);
  const { DATABASE_URL: _store, TIDEGATE_TOKEN: _token, TIDEGATE_CONFIG: _config, ...env } = process.env;
  // Only where things are differs from what a reader has: the home, and the port, which may be taken here.
  const own = { ...env, HOME: home, TIDEGATE_PORT: String(port), TIDEGATE_URL: `http://127.0.0.1:${port}`, TZ: "UTC" };
  const address = new URL(target.superuserUrl);
  let [said, last] = ["", { terminal: null as Terminal | null, from: 0, retype: null as (() => Promise<void>) | null }];
  const hashes: string[] = [];

  /** As the reader would type it: with the address of their server, and the ids that they see. */
  const filled = (text: string): string =>
    text
      .replaceAll("postgres@db.internal:5432", `postgres:${address.password}@${address.host}`)
      .replaceAll("db.internal:5432", address.host)
      .replaceAll(
        /\b(rq|gr)_…/g,
        (_, kind: string) => said.match(new RegExp(`${kind}_[a-z0-9]{16}`, "g"))?.at(-1) ?? "",
      );

  for (const [i, { language, marks, text }] of fences.entries()) {
    if (language === "sql") continue;
    if (language === "yaml") {
      const file = join(home, "tidegate-config/tidegate.yaml");
      const lines = text.trimEnd().split("\n");
      const edited = lines.map((line) =>
        line.replace("sha256:…", () => hashes.shift() ?? assert.fail("no hash is left")),
      );
      writeFileSync(file, insert(edited, readFileSync(file, "utf8")));
    } else if (language === "text") {
      const { terminal, from, retype } = last;
      if (terminal === null) assert.fail("nothing was run before this output");
      const wrong = (): string | null => missing(text, terminal.said.slice(from));
      if (retype !== null)
        await until(async () => wrong() === null || (await retype().then(() => false)), {
          what: `${wrong()}\nin ${terminal.said}`,
        });
      assert.equal(wrong(), null, terminal.said.slice(from));
    } else {
      const name = marks[0] ?? "";
      const terminal = terminals.get(name) ?? new Terminal(blocks, own);
      terminals.set(name, terminal);
      const next = fences[i + 1];
      const input = next?.language === "sql" ? next.text : "";
      const begin = (): ReturnType<Terminal["type"]> => terminal.type(filled(text), input);
      const ended = async (typed: ReturnType<Terminal["type"]>): Promise<number | null> => {
        await until(() => typed.code() !== null, { what: `the end of ${text}` });
        const said_ = terminal.said.slice(typed.from);
        said += said_;
        hashes.push(...(said_.match(/sha256:[0-9a-f]{64}/g) ?? []));
        return typed.code();
      };
      const typed = begin();
      const retype = async (): Promise<void> => void (await ended(begin()));
      const repeats = marks.includes("again") || marks.includes("serves");
      last = {
        terminal,
        from: typed.from,
        retype: marks.includes("again") ? retype : marks.includes("serves") ? async () => {} : null,
      };
      if (marks.includes("serves")) continue;
      const wanted = Number(marks.find((mark) => mark.startsWith("exit="))?.slice(5) ?? 0);
      const code = await ended(typed);
      if (!repeats) assert.equal(code, wanted, `${text}\n${terminal.said.slice(typed.from)}`);
    }
  }
});
