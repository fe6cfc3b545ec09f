/** The table of what must survive is complete and true, and so is the table of failpoints. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { FAILPOINTS } from "../../src/base/failpoint.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const ROWS_MAX = 45;

type Row = { number: number; fault: string; must: string; files: string[]; waitsFor: string };

function rows(): Row[] {
  const text = readFileSync(join(import.meta.dirname, "README.md"), "utf8");
  return Array.from(text.matchAll(/^\| (\d+) \|(.*)\|$/gm), ([, number = "", rest = ""]) => {
    const [fault = "", must = "", tested = "", waitsFor = ""] = rest.split("|").map((cell) => cell.trim());
    const files = Array.from(tested.matchAll(/`([^`]+)`/g), ([, file = ""]) => file);
    return { number: Number(number), fault, must, files, waitsFor };
  });
}

/** The rows that the titles in a file name: `row 12: …`, `S29, row 12: …`, `rows 1–3, 7: …`. */
function rowsNamedIn(file: string): Set<number> {
  const titles = readFileSync(join(ROOT, file), "utf8").matchAll(/["`](?:[^"`\n]*, )?rows? ([\d–, ]+): /g);
  return new Set(
    Array.from(titles, ([, list = ""]) => list.split(",")).flatMap((parts) =>
      parts.flatMap((part) => {
        const [first = Number.NaN, last = first] = part.split("–").map(Number);
        return Array.from({ length: last - first + 1 }, (_, i) => first + i);
      }),
    ),
  );
}

test("every row of the catalogue is there once, in order, and says what must happen", () => {
  assert.deepEqual(
    rows().map(({ number }) => number),
    Array.from({ length: ROWS_MAX }, (_, i) => i + 1),
  );
  for (const { number, fault, must } of rows()) assert.ok(fault.length > 10 && must.length > 10, `row ${number}`);
});

test("every file that a row names holds a test of that row", () => {
  for (const { number, files } of rows())
    for (const file of files) {
      assert.ok(existsSync(join(ROOT, file)), `row ${number}: there is no ${file}`);
      assert.ok(rowsNamedIn(file).has(number), `row ${number}: no test in ${file} has it in its title`);
    }
});

test("a row has a test, or says what it waits for", () => {
  for (const { number, files, waitsFor } of rows())
    assert.ok(files.length > 0 || /[a-z]{4}/.test(waitsFor), `row ${number} has no test and waits for nothing`);
});

test("every test that has a row in its title stands in the table", () => {
  const named = new Map(rows().map(({ number, files }) => [number, new Set(files)]));
  const files = ["src", "test", "examples"].flatMap((dir) =>
    readdirSync(join(ROOT, dir), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts") && !path.includes("node_modules"))
      .map((path) => join(dir, path)),
  );
  const missing = files
    .filter((file) => file !== "test/chaos/catalogue.test.ts")
    .flatMap((file) =>
      [...rowsNamedIn(file)].filter((number) => !named.get(number)?.has(file)).map((n) => `row ${n}: ${file}`),
    );
  assert.deepEqual(missing, []);
});

test("every failpoint stands at exactly one place in the code", () => {
  const source = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts") && path !== "base/failpoint.ts")
    .map((path) => readFileSync(join(ROOT, "src", path), "utf8"))
    .join("\n");
  for (const name of Object.keys(FAILPOINTS)) assert.equal(source.split(`failpoint("${name}")`).length, 2, name);
});

/** Where tests go to failpoints, each by its name. */
const GOES_TO_POINTS = "test/chaos";

test("a test goes to every failpoint", () => {
  const tests = readdirSync(join(ROOT, GOES_TO_POINTS), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts") && path !== "catalogue.test.ts")
    .map((path) => readFileSync(join(ROOT, GOES_TO_POINTS, path), "utf8"))
    .join("\n");
  for (const name of Object.keys(FAILPOINTS)) assert.ok(tests.includes(`"${name}"`), `nothing goes to ${name}`);
});
