/** The documentation is held to the code: links and paths lead somewhere, tables are complete, examples work. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { PROBLEMS } from "../src/base/problem.ts";
import { TARGET_ERRORS } from "../src/connector/connector.ts";
import { contract } from "../src/contract/contract.ts";
import { ENTRY_KINDS } from "../src/domain/audit.ts";
import { END_CAUSES } from "../src/domain/end-cause.ts";
import { MESSAGES } from "../src/domain/message.ts";

const ROOT = resolve(import.meta.dirname, "..");
const SKIPPED = new Set(["node_modules", ".git", ".tidegate-dev", "dist"]);

type Page = {
  readonly path: string;
  readonly text: string /** Without what stands in fences: that is code. */;
  readonly prose: string;
};

function markdownFiles(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name)) return [];
    const path = join(dir, entry.name);
    return entry.isDirectory() ? markdownFiles(path) : entry.name.endsWith(".md") ? [path] : [];
  });
}

const withoutFences = (text: string): string => text.replaceAll(/^(```+)[^\n]*\n[\s\S]*?^\1[^\S\n]*$/gm, "");

function readPage(path: string): Page {
  const text = readFileSync(path, "utf8");
  return { path: relative(ROOT, path), text, prose: withoutFences(text) };
}

const pages: readonly Page[] = markdownFiles(ROOT).map(readPage);

const page = (path: string): Page => pages.find((one) => one.path === path) ?? assert.fail(`there is no ${path}`);

/** The anchors of a page, made from its headings as GitHub makes them. */
function anchorsOf({ prose }: Page): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of prose.matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1");
    const slug = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
      .replaceAll(" ", "-");
    let [anchor, again] = [slug, 0];
    while (anchors.has(anchor)) anchor = `${slug}-${++again}`;
    anchors.add(anchor);
  }
  return anchors;
}

const links = ({ prose }: Page): string[] =>
  Array.from(
    prose.replaceAll(/`[^`\n]*`/g, "").matchAll(/\[[^\]]*\]\(([^()\s]+)(?:\s+"[^"]*")?\)/g),
    (match) => match[1] ?? "",
  );

/** The cells of every row of every table, code marks taken off. */
const rows = ({ prose }: Page): string[][] =>
  Array.from(prose.matchAll(/^ *\|(.+)\|[^\S\n]*$/gm), ([, row = ""]) =>
    row.split("|").map((cell) => cell.trim().replaceAll("`", "")),
  );

const backticked = ({ prose }: Page): string[] => Array.from(prose.matchAll(/`([^`\n]+)`/g), (match) => match[1] ?? "");

test("there are pages to look at", () => {
  assert.ok(pages.length >= 15, pages.map(({ path }) => path).join(", "));
  assert.ok(pages.flatMap(links).length > 30);
});

test("every relative link leads to a file, and every anchor to a heading", () => {
  const broken = pages.flatMap((from) =>
    links(from).flatMap((link) => {
      if (/^[a-z]+:/i.test(link)) return [];
      const [target = "", anchor] = link.split("#");
      const file =
        target === "" ? resolve(ROOT, from.path) : resolve(ROOT, dirname(from.path), decodeURIComponent(target));
      if (!existsSync(file)) return [`${from.path}: ${link} (no such file)`];
      if (anchor === undefined || !file.endsWith(".md")) return [];
      return anchorsOf(readPage(file)).has(anchor) ? [] : [`${from.path}: ${link} (no such heading)`];
    }),
  );
  assert.deepEqual(broken, []);
});

test("no row falls out of its table: after an empty line a table begins with its heads", () => {
  const lost = pages.flatMap(({ path, prose }) =>
    Array.from(prose.matchAll(/^\|.*\n\n(\|.*)\n(?!\|[ :|-]+\|\n)/gm), ([, row]) => `${path}: ${row}`),
  );
  assert.deepEqual(lost, []);
});

test("every path of this repository that is named exists", () => {
  const PATH = /^(?:src|test|docs|examples|bin)\/[\w.@/-]*$/;
  const missing = pages.flatMap((from) =>
    backticked(from)
      .filter((text) => PATH.test(text) && !existsSync(join(ROOT, text)))
      .map((text) => `${from.path}: ${text}`),
  );
  assert.deepEqual(missing, []);
});

test("no page tells of the machine it was written on, or of papers that are not here", () => {
  const FORBIDDEN = [
    /\/work\//,
    /\/root\//,
    /\/home\/\w+\//,
    /shared\/\w+\.md/,
    /\bdesign\.md/,
    /\bregistry\.[a-z0-9-]+\.[a-z]/i,
    /localhost:4873/,
  ];
  const found = pages.flatMap(({ path, text }) =>
    FORBIDDEN.filter((word) => word.test(text)).map((word) => `${path}: ${word.source}`),
  );
  assert.deepEqual(found, []);
});

/** The table of test/architecture.test.ts, read from its text: importing it would run it. */
function roomsOfTheHouse(): Record<string, string[]> {
  const source = readFileSync(join(ROOT, "test/architecture.test.ts"), "utf8");
  const [, table = ""] = /const ROOMS[^=]*= \{\n([\s\S]*?)\n\};/.exec(source) ?? [];
  const entries = Array.from(table.matchAll(/^ {2}(\w+): \[([^\]]*)\],$/gm), ([, room = "", list = ""]) => {
    const below = Array.from(list.matchAll(/"(\w+)"/g), (match) => match[1] ?? "");
    return [room, below] as const;
  });
  assert.ok(entries.length > 10);
  return Object.fromEntries(entries);
}

test("docs/architecture.md shows every room with exactly the arrows that are allowed, and says what lives there", () => {
  const rooms = roomsOfTheHouse();
  const shown = new Map(
    rows(page("docs/architecture.md")).map(([room = "", below = "", what = ""]) => [room, { below, what }]),
  );
  for (const [room, below] of Object.entries(rooms)) {
    const row = shown.get(room) ?? assert.fail(`the room ${room} is missing`);
    assert.equal(row.below, below.length === 0 ? "nothing" : below.join(", "), room);
    assert.ok(row.what.length > 10, `what lives in ${room}?`);
  }
});

test("docs/api.md has one row for every problem, with its status, and no other", () => {
  const problems = rows(page("docs/api.md")).filter(([, status = ""]) => /^\d{3}$/.test(status));
  const written = problems.map(([code, status]) => `${code} ${status}`).sort();
  const real = Object.entries(PROBLEMS)
    .map(([code, [status]]) => `${code} ${status}`)
    .sort();
  assert.deepEqual(written, real);
});

test("docs/api.md has every route of the contract, and no other", () => {
  const real = Object.values(contract)
    .flatMap((group) => Object.values(group))
    .map((procedure) => `${procedure["~orpc"].route.method} ${procedure["~orpc"].route.path}`);
  const written = rows(page("docs/api.md")).flatMap(([route = ""]) =>
    /^(GET|POST|PUT|PATCH|DELETE) \//.test(route) ? route : [],
  );
  assert.deepEqual(written.sort(), real.sort());
});

test("docs/how-to/read-the-audit-log.md has one row for every kind of entry, and no other", () => {
  const written = rows(page("docs/how-to/read-the-audit-log.md")).flatMap(([kind = ""]) =>
    /^[a-z]+\.[a-z-]+$/.test(kind) ? kind : [],
  );
  assert.deepEqual(written.sort(), [...ENTRY_KINDS].sort());
});

test("docs/messages.md has one row for every kind of message, with whom it is told to, and no other", () => {
  const written = rows(page("docs/messages.md")).filter(([kind = ""]) => /^[a-z]+\.[a-z-]+$/.test(kind));
  const told = Object.entries(MESSAGES).map(([kind, { to }]) => [kind, to]);
  assert.deepEqual(written.sort(), told.sort());
});

test("docs/operations.md tells what each trouble and alarm means, and names every variable of the environment", () => {
  const operations = page("docs/operations.md");
  const first = new Set(rows(operations).map(([cell]) => cell));
  for (const code of TARGET_ERRORS) assert.ok(first.has(code), `the trouble ${code} is missing`);
  const source = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
    .map((path) => readFileSync(join(ROOT, "src", path), "utf8"))
    .join("\n");
  const variables = new Set(source.match(/\b(?:TIDEGATE_[A-Z_]+[A-Z]|DATABASE_URL)\b/g));
  assert.ok(variables.size > 5);
  for (const name of variables) assert.ok(operations.text.includes(name), `${name} is missing`);
  const reconciler = readFileSync(join(ROOT, "src/reconciler/execute.ts"), "utf8");
  const alarms = /readonly what: ([^;]+);/.exec(reconciler)?.[1]?.match(/[a-z-]{3,}/g) ?? assert.fail("no alarms");
  for (const alarm of alarms) assert.ok(first.has(alarm), `the alarm ${alarm} is missing`);
});

test("docs/vocabulary.md has every cause for which a grant ends", () => {
  for (const cause of END_CAUSES) assert.ok(page("docs/vocabulary.md").text.includes(`\`${cause}\``), cause);
});

const run = promisify(execFile);
const scratch = mkdtempSync(join(tmpdir(), "tidegate-docs-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** The code of the fence after a comment that names this test; the first of them, if nothing else is said. */
function marked(path: string, language: string, nth = 0): string {
  const pattern = new RegExp(`<!-- docs\\.test\\.ts [^\\n]*-->\\n\`\`\`${language}\\n([\\s\\S]*?)\\n\`\`\``, "g");
  return (
    Array.from(page(path).text.matchAll(pattern), (match) => match[1])[nth] ??
    assert.fail(`${path} has no marked example`)
  );
}

test("the example of docs/how-to/add-a-connector.md has sound types and passes the conformance that stands below it", async () => {
  const home = join(scratch, "connector");
  const folder = join(home, "src/connectors");
  mkdirSync(folder, { recursive: true });
  for (const room of ["base", "domain", "connector"]) symlinkSync(join(ROOT, "src", room), join(home, "src", room));
  symlinkSync(join(ROOT, "node_modules"), join(home, "node_modules"));
  writeFileSync(join(home, "package.json"), '{ "type": "module" }');
  writeFileSync(
    join(home, "tsconfig.json"),
    JSON.stringify({ extends: join(ROOT, "tsconfig.json"), include: ["src/connectors"] }),
  );
  for (const [nth, name] of ["allowlist.ts", "allowlist.test.ts"].entries())
    writeFileSync(join(folder, name), marked("docs/how-to/add-a-connector.md", "ts", nth));
  await run(join(ROOT, "node_modules/.bin/tsc"), ["-p", home]).catch(({ stdout }: { stdout: string }) =>
    assert.fail(stdout),
  );
  // A test run inside a test run would report to it, and not to us.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = ["--test", "--test-reporter=tap", join(folder, "allowlist.test.ts")];
  const { stdout } = await run(process.execPath, args, { env: { ...env, TMPDIR: scratch } }).catch(
    (error: { stdout: string }) => assert.fail(error.stdout),
  );
  assert.match(stdout, /ok \d+ - takes: who is revoked is refused/);
  assert.match(stdout, /# fail 0/);
});
