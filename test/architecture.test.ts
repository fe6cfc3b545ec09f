/** Holds the house together: which room may import which. A new arrow needs a reason in docs/architecture.md, and a line here. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";

const SRC = resolve(import.meta.dirname, "../src");

/** Room → rooms it may import. Arrows point down only. */
const ROOMS: Record<string, readonly string[]> = {
  base: [],
  domain: ["base"],
  contract: ["base", "domain"],
  connector: ["base", "domain"],
  connectors: ["base", "domain", "connector"],
  config: ["base", "domain", "connector", "facts"],
  store: ["base", "domain"],
  operations: ["base", "domain", "store"],
  reconciler: ["base", "domain", "store", "operations", "connector"],
  jobs: ["base", "domain", "store", "operations"],
  facts: ["base", "domain"],
  notify: ["base", "domain", "store", "operations"],
  sinks: ["base", "domain", "store", "operations", "notify"],
  metrics: ["base", "domain", "store"],
  identity: ["base", "domain", "store", "operations"],
  http: ["base", "domain", "contract", "store", "operations", "identity", "facts", "verifier"],
  cli: ["base", "contract", "verifier"],
  admin: ["base", "domain", "store", "operations", "connector", "config", "facts"],
  demo: ["base", "contract", "store"],
};
/** The composition root: these see everything, and nothing imports them but each other. */
const ROOT_FILES = ["app.ts", "starting.ts", "wait-for-store.ts", "main.ts"];

/** Rooms that stay free of Node and of libraries, but for the ones named. */
const PURE: Record<string, readonly string[]> = {
  domain: ["@marcbachmann/cel-js"],
  contract: ["@orpc/contract", "@orpc/openapi", "@orpc/zod/zod4", "zod"],
};

type Import = { file: string; room: string; target: string };

function files(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? files(join(dir, entry.name)) : entry.name.endsWith(".ts") ? [join(dir, entry.name)] : [],
  );
}

/** The verifier stands beside the house, in one file that an auditor takes away. */
const roomOf = (file: string): string =>
  relative(SRC, file)
    .replace(/^\.\.\/(?=verifier\/)/, "")
    .split("/")[0] ?? "";

const code = (file: string): string => readFileSync(file, "utf8");

function imports(): Import[] {
  return files(SRC).flatMap((file) => {
    const found = code(file).matchAll(
      /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s+["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)|(?:^|\n)import\s+["']([^"']+)["']/g,
    );
    return Array.from(found, (match) => ({
      file: relative(SRC, file),
      room: roomOf(file),
      target: match[1] ?? match[2] ?? match[3] ?? "",
    }));
  });
}

const production = (all: Import[]): Import[] => all.filter(({ file }) => !file.endsWith(".test.ts"));

test("there are imports to look at", () => {
  assert.ok(imports().length > 100);
});

test("every file lives in a room of the house, or is the composition root", () => {
  const strays = files(SRC)
    .map((file) => relative(SRC, file))
    .filter((file) => !((file.split("/")[0] as string) in ROOMS) && !ROOT_FILES.includes(file));
  assert.deepEqual(strays, []);
});

test("rooms import only what lies below them", () => {
  const wrong = production(imports())
    .filter(({ room, target, file }) => target.startsWith(".") && !ROOT_FILES.includes(file) && room in ROOMS)
    .filter(({ file, room, target }) => {
      const to = roomOf(resolve(SRC, dirname(file), target));
      return to !== room && !(ROOMS[room] ?? []).includes(to);
    });
  assert.deepEqual(wrong, []);
});

test("the composition root is imported by nothing but itself", () => {
  const wrong = imports().filter(
    ({ file, target }) => !ROOT_FILES.includes(file) && ROOT_FILES.some((root) => target.endsWith(`../${root}`)),
  );
  assert.deepEqual(wrong, []);
});

test("the domain and the contract are pure: no Node, no library but those named", () => {
  const wrong = production(imports()).filter(
    ({ room, target }) => room in PURE && !target.startsWith(".") && !(PURE[room] ?? []).includes(target),
  );
  assert.deepEqual(wrong, []);
});

test("an identity provider is started by the demo alone", () => {
  const rooms = new Set(imports().flatMap(({ target, room }) => (target.startsWith("oidc-provider") ? [room] : [])));
  assert.deepEqual([...rooms], ["demo"]);
});

test("the domain reaches no Node through base", () => {
  const withNode = new Set(
    production(imports())
      .filter(({ room, target }) => room === "base" && target.startsWith("node:"))
      .map(({ file }) => file),
  );
  const wrong = production(imports()).filter(
    ({ file, room, target }) => room === "domain" && withNode.has(relative(SRC, resolve(SRC, dirname(file), target))),
  );
  assert.deepEqual(wrong, []);
});

test("relative imports name their file with its extension, and nothing imports a folder", () => {
  const wrong = imports().filter(({ target }) => target.startsWith(".") && !/\.(ts|json|mjs)$/.test(target));
  assert.deepEqual(wrong, []);
});

test("the process's clock is read in base only", () => {
  const wrong = files(SRC).filter(
    (file) => roomOf(file) !== "base" && !file.endsWith(".test.ts") && /Date\.now\(|new Date\(\)/.test(code(file)),
  );
  assert.deepEqual(
    wrong.map((file) => relative(SRC, file)),
    [],
  );
});

test("domain, operations and reconciler are handed time and chance, so that a history can be replayed", () => {
  const own = /\bset(Timeout|Interval|Immediate)\(|AbortSignal\.timeout|Math\.random|randomBytes|from "node:timers/;
  const wrong = files(SRC)
    .filter((file) => ["domain", "operations", "reconciler"].includes(roomOf(file)) && !file.endsWith(".test.ts"))
    .filter((file) => own.test(code(file)));
  assert.deepEqual(
    wrong.map((file) => relative(SRC, file)),
    [],
  );
});

test("the reconciler never sees the tables", () => {
  const wrong = production(imports()).filter(
    ({ room, target }) => room === "reconciler" && /store\/(db|sql-ledger)\.ts$/.test(target),
  );
  assert.deepEqual(wrong, []);
});

test("no file is longer than 400 lines", () => {
  const long = files(SRC).filter((file) => code(file).split("\n").length > 401);
  assert.deepEqual(
    long.map((file) => relative(SRC, file)),
    [],
  );
});

test("nothing exports everything: no barrels, no default exports", () => {
  const wrong = files(SRC).filter((file) => /^export \* from|^export default /m.test(code(file)));
  assert.deepEqual(
    wrong.map((file) => relative(SRC, file)),
    [],
  );
});
