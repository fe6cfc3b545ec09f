import assert from "node:assert/strict";
import { test } from "node:test";
import { plain } from "../output.ts";
import { cut, displayWidth, table } from "./table.ts";

type Row = { id: string; why: string };
const COLUMNS = [
  { title: "id", cell: (row: Row) => row.id },
  { title: "why", cell: (row: Row) => row.why, shrinks: true },
];
const page = (width: number) => ({ paint: plain, width });

test("a table is as wide as it needs where there is room, without trailing blanks", () => {
  const rows = [
    { id: "rq_1", why: "slow checkouts" },
    { id: "rq_22", why: "" },
  ];
  assert.deepEqual(table(COLUMNS, rows, page(Number.POSITIVE_INFINITY)), [
    "ID     WHY",
    "rq_1   slow checkouts",
    "rq_22",
  ]);
});

test("a table never gets wider than the terminal as long as something may shrink", () => {
  const rows = [{ id: "rq_0123456789abcdef", why: "the checkouts of the whole shop have become slow" }];
  for (const width of [30, 40, 60])
    for (const line of table(COLUMNS, rows, page(width))) assert.ok(displayWidth(line) <= width, line);
  assert.deepEqual(table(COLUMNS, rows, page(40))[1], "rq_0123456789abcdef  the checkouts of t…");
});

test("an id is never cut: it is there to be copied", () => {
  const rows = [{ id: "rq_0123456789abcdef", why: "slow" }];
  assert.ok(table(COLUMNS, rows, page(10)).includes("rq_0123456789abcdef"));
});

test("what has no room beside the rest stands in a line below, and no such line is empty", () => {
  const rows = [
    { id: "rq_0123456789abcdef", why: "the checkouts are slow" },
    { id: "rq_22", why: "" },
  ];
  assert.deepEqual(table(COLUMNS, rows, page(24)), [
    "ID",
    "    WHY",
    "rq_0123456789abcdef",
    "    the checkouts are s…",
    "rq_22",
  ]);
});

test("width counts what is seen: no colours, wide characters twice", () => {
  assert.equal(displayWidth("\u001b[31mred\u001b[39m"), 3);
  assert.equal(displayWidth("日本"), 4);
  assert.equal(displayWidth("e\u0301"), 1);
  assert.equal(cut("日本語", 4), "日…");
});
