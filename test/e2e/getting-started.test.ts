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
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { freePort } from "../../src/store/embedded/server-port.ts";
import { startTestPostgres } from "../support/postgres-server.ts";
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

type Typed = {
  /** What came since. */
  said(): string;
  /** The exit code, once there is one. */
  ended(): Promise<number>;
};

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
    this.#shell.stdout?.on("data", (chunk: Buffer) => {
      this.said += chunk.toString();
    });
    // In one stream, so that nothing comes after the end of its block.
    this.#shell.stdin?.write("exec 2>&1\n");
  }

  /** Types a block, with what is then typed into it. */
  type(block: string, input: string): Typed {
    const [name, from] = [join(this.#folder, `${this.#shell.pid}-${this.#blocks++}`), this.said.length];
    writeFileSync(`${name}.sh`, block);
    writeFileSync(`${name}.in`, input);
    const mark = `end of block ${this.#blocks}:`;
    this.#shell.stdin?.write(`. ${name}.sh < ${name}.in; echo "${mark}$?"\n`);
    const end = new RegExp(`${mark}(\\d+)\\n`);
    return {
      said: () => this.said.slice(from),
      ended: async () => {
        const [, code] = await until(() => end.exec(this.said), { what: `the end of ${block}in ${this.said}` });
        return Number(code);
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
    .replaceAll(/expires: "\d[^"]+"/g, 'expires: "…"')
    .replaceAll(/(\d{1,2} \w{3,4}( \d{4})? )?\d\d:\d\d(:\d\d)?, (now|in [\ddhms ]+[dhms]|[\ddhms ]+ ago)/g, "TIME")
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

/** Who reads the guide: does what each fence says, and compares. */
class Newcomer {
  readonly #home: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #address: URL;
  readonly #terminals = new Map<string, Terminal>();
  /** All that was seen so far: ids and hashes are copied out of it. */
  #seen = "";
  #hashes: string[] = [];
  /** The last command, and a look at it later: repeated where that is allowed. */
  #last: { readonly typed: Typed; readonly later: () => Promise<Typed> } | null = null;

  constructor(home: string, port: number, superuserUrl: string) {
    const { DATABASE_URL: _, TIDEGATE_TOKEN: __, TIDEGATE_CONFIG: ___, ...env } = process.env;
    // Only where things are differs from what a reader has: the home, and the port, which may be taken here.
    this.#env = { ...env, HOME: home, TIDEGATE_PORT: String(port), TIDEGATE_URL: `http://127.0.0.1:${port}` };
    this.#home = home;
    this.#address = new URL(superuserUrl);
  }

  /** The text with the address of their server, and the ids that they saw last. */
  #filled(text: string): string {
    const { password, host } = this.#address;
    return text
      .replaceAll("postgres@db.internal:5432", `postgres:${password}@${host}`)
      .replaceAll("db.internal:5432", host)
      .replaceAll(/\b(rq|gr)_…/g, (_, kind: string) => {
        return this.#seen.match(new RegExp(`${kind}_[a-z0-9]{16}`, "g"))?.at(-1) ?? assert.fail(`no ${kind}_ was seen`);
      });
  }

  async run({ marks, text }: Fence, input: string): Promise<void> {
    const [name = ""] = marks;
    const terminal = this.#terminals.get(name) ?? new Terminal(this.#home, this.#env);
    this.#terminals.set(name, terminal);
    const type = (): Typed => terminal.type(this.#filled(text), input);
    const typed = type();
    const again = marks.includes("again");
    this.#last = { typed, later: async () => (again ? this.#end(type()) : typed) };
    if (marks.includes("serves")) return;
    await this.#end(typed);
    const wanted = Number(marks.find((mark) => mark.startsWith("exit="))?.slice("exit=".length) ?? 0);
    if (!again) assert.equal(await typed.ended(), wanted, `${text}\n${typed.said()}`);
  }

  async #end(typed: Typed): Promise<Typed> {
    await typed.ended();
    this.#seen += typed.said();
    this.#hashes.push(...(typed.said().match(/sha256:[0-9a-f]{64}(?:", expires: "[^"]+)?/g) ?? []));
    return typed;
  }

  /** What the guide shows must be what the last command said; one that does not end, or may be repeated, gets time. */
  async compare({ text }: Fence): Promise<void> {
    const { typed, later } = this.#last ?? assert.fail("nothing was run before this output");
    let latest = typed;
    const fits = async (): Promise<boolean> => {
      if (missing(text, latest.said()) === null) return true;
      latest = await later();
      return false;
    };
    await until(fits, { what: "what the guide shows" }).catch(() =>
      assert.fail(`the guide shows, and the command did not say: ${missing(text, latest.said())}\n${latest.said()}`),
    );
  }

  edit({ text }: Fence): void {
    const file = join(this.#home, "tidegate-config/tidegate.yaml");
    const lines = text.trimEnd().split("\n");
    const hash = (): string => this.#hashes.shift() ?? assert.fail("no hash is left");
    const mine = lines.map((line) => line.replace('sha256:…", expires: "…', hash));
    writeFileSync(file, insert(mine, readFileSync(file, "utf8")));
  }

  async leave(): Promise<void> {
    await Promise.all(Array.from(this.#terminals.values(), (terminal) => terminal.close()));
  }
}

test("the guide marks what is to be run", () => {
  for (const language of ["sh", "sql", "yaml", "text"]) assert.ok(fences.some((fence) => fence.language === language));
  const people = fences.flatMap(({ language, marks }) => (language === "sh" ? marks.slice(0, 1) : []));
  assert.deepEqual([...new Set(people)], ["operator", "alice", "bob", "carol"]);
});

test("a newcomer who follows the guide word for word ends with their own PostgreSQL behind Tidegate", {
  skip,
}, async () => {
  const home = mkdtempSync(join(tmpdir(), "tidegate-guide-"));
  // Started by root, the store's account must be able to pass through.
  chmodSync(home, 0o711);
  const target = await startTestPostgres(16, { fsync: "off" });
  const newcomer = new Newcomer(home, await freePort(null), target.superuserUrl);
  try {
    for (const [i, fence] of fences.entries()) {
      const next = fences[i + 1];
      if (fence.language === "sh") await newcomer.run(fence, next?.language === "sql" ? next.text : "");
      if (fence.language === "yaml") newcomer.edit(fence);
      if (fence.language === "text") await newcomer.compare(fence);
    }
  } finally {
    await newcomer.leave();
    await target.stop();
    rmSync(home, { recursive: true, force: true });
  }
});
