import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AccessReview, ReviewRow } from "../../contract/review.ts";
import { REVIEW_EXAMPLES } from "../../contract/review-examples.ts";
import { cleanText } from "./clean.ts";
import { reviewCsv } from "./review-csv.ts";
import { reviewMarkdown } from "./review-markdown.ts";

const EXAMPLE = REVIEW_EXAMPLES.read.answers[0]?.body as AccessReview;
const NOTHING = { person: null, entitlement: null, rule: null, count: null, at: null, reference: null };
const withRows = (rows: ReviewRow[], more: object = {}): AccessReview => {
  const [finding, ...rest] = EXAMPLE.findings;
  return { ...EXAMPLE, findings: [{ ...(finding as AccessReview["findings"][number]), rows, ...more }, ...rest] };
};

/** As RFC 4180 has it, and nothing else. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
  while (cell.lastIndex < text.length) {
    const [, quoted, plain = "", end] =
      cell.exec(text) ?? assert.fail(`no cell at ${text.slice(cell.lastIndex, cell.lastIndex + 40)}`);
    row.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === ",") continue;
    rows.push(row);
    row = [];
  }
  assert.deepEqual(row, [], "the last line ends");
  return rows;
}

test("CSV is one table: what it is, counts that are as told, and each finding after its definition", () => {
  const [titles, ...rows] = parseCsv(reviewCsv(EXAMPLE));
  assert.deepEqual(titles, ["section", "person", "entitlement", "rule", "count", "at", "reference", "what"]);
  assert.deepEqual(rows[0]?.slice(0, 2), ["review", "carol"]);
  assert.deepEqual(
    rows.filter(([section]) => section === "requests").map((row) => row[4]),
    ["1", "1"],
  );
  const finding = rows.filter(([section]) => section === "entitlement-never-asked-for");
  assert.match(finding[0]?.[7] ?? "", /^Entitlements that nobody asked for\. An entitlement of the active/);
  assert.equal(finding[0]?.[4], "1");
  assert.equal(finding[1]?.[2], "orders-db:fix");
});

test("no cell of the CSV is a formula, whatever people are called, and each text can be read back", () => {
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("=cmd|'/c calc'!A1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r\n=1", 'a"b,c', "\u200b=1", "‮=1"),
  );
  fc.assert(
    fc.property(fc.array(texts, { minLength: 1, maxLength: 5 }), (all) => {
      const rows = parseCsv(reviewCsv(withRows(all.map((what) => ({ ...NOTHING, person: what, what })))));
      for (const row of rows) {
        assert.equal(row.length, 8);
        for (const cell of row) assert.doesNotMatch(cell, /^\s*[=+\-@]/);
      }
      const read = rows.filter(([section]) => section === "entitlement-never-asked-for").slice(1);
      assert.deepEqual(
        read.map((row) => row[7]?.replace(/^'/, "")),
        all.map((text) => cleanText(text).replace(/^'/, "")),
      );
    }),
    { numRuns: 500 },
  );
});

test("Markdown has every count, every definition, and says where there is nothing and where there is more", () => {
  const text = reviewMarkdown(EXAMPLE);
  assert.match(text, /^# Access review\n/);
  assert.match(text, /\| period \| from 2025-11-03T09:00:00\.000Z until 2026-02-01T09:00:00\.000Z \(not included\) \|/);
  assert.match(text, /made \| 2026-02-01T09:00:00\.000Z by carol \(Carol Chen\)/);
  assert.match(text, /## Requests made within the period: 1\n/);
  assert.match(text, /## Entitlements that nobody asked for: 1\n\nAn entitlement of the active/);
  assert.match(text, /\| entitlement \| what \|\n\| --- \| --- \|\n\| orders-db:fix \| high risk; never asked for \|/);
  assert.match(reviewMarkdown(withRows([])), /nobody asked for: 0\n\n.*\n\nNone\.\n/);
  assert.match(reviewMarkdown(withRows([], { complete: false })), /nobody asked for: 0 and more\n/);
});

test("what somebody is called is no markup: it stays in its cell and is shown as it is", () => {
  const odd = "x | y\n# heading <script>alert(1)</script> [a](http://b) `c` **d**";
  const lines = reviewMarkdown(withRows([{ ...NOTHING, person: odd, what: "w" }])).split("\n");
  const row = lines.find((line) => line.startsWith("| x"));
  assert.equal(
    row,
    "| x \\| y \\# heading \\<script\\>alert(1)\\</script\\> \\[a\\](http://b) \\`c\\` \\*\\*d\\*\\* | w |",
  );
});
