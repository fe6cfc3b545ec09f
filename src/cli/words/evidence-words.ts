/** An answer to an auditor as CSV, and as a table. */
import type { EvidenceAnswer, EvidenceRow } from "../../contract/evidence.ts";
import type { Person } from "../../contract/values.ts";
import type { Page } from "../output.ts";
import { csvCell } from "./csv.ts";
import { type Column, table } from "./table.ts";
import { roughly } from "./time.ts";

type Named = { readonly title: string; readonly cell: (row: EvidenceRow) => string | number };

const handles = (people: readonly Person[]): string => people.map(({ handle }) => handle).join(" ");
const ids = (people: readonly Person[]): string => people.map(({ id }) => id).join(" ");

/** Always all of them, so that answers can be put together. */
const CSV_COLUMNS: readonly Named[] = [
  { title: "what", cell: ({ what }) => what },
  { title: "state", cell: ({ state }) => state },
  { title: "at", cell: ({ at }) => at ?? "" },
  { title: "until", cell: ({ until }) => until ?? "" },
  { title: "person", cell: ({ person }) => person?.handle ?? "" },
  { title: "person_id", cell: ({ person }) => person?.id ?? "" },
  { title: "by", cell: ({ by }) => handles(by) },
  { title: "by_ids", cell: ({ by }) => ids(by) },
  { title: "in_place_of", cell: ({ inPlaceOf }) => handles(inPlaceOf) },
  { title: "in_place_of_ids", cell: ({ inPlaceOf }) => ids(inPlaceOf) },
  { title: "entitlement", cell: ({ entitlement }) => entitlement ?? "" },
  { title: "request", cell: ({ request }) => request ?? "" },
  { title: "grant", cell: ({ grant }) => grant ?? "" },
  { title: "ms", cell: ({ ms }) => ms ?? "" },
  { title: "count", cell: ({ count }) => count ?? "" },
  { title: "note", cell: ({ note }) => note },
  {
    title: "entries",
    cell: ({ entries }) => entries.map(({ seq, id, kind }) => `${seq ?? "-"}:${kind}:${id}`).join(" "),
  },
];

const line = (cells: readonly (string | number)[]): string => `${cells.map(csvCell).join(",")}\r\n`;
export const evidenceCsvHead = (): string => line(CSV_COLUMNS.map(({ title }) => title));
export const evidenceCsv = (rows: readonly EvidenceRow[]): string =>
  rows.map((row) => line(CSV_COLUMNS.map(({ cell }) => cell(row)))).join("");

/** What people read; ids are in the other forms. */
const COLUMNS: readonly Column<EvidenceRow>[] = [
  { title: "what", cell: ({ what }) => what },
  { title: "state", cell: ({ state }) => (/^[0-9a-f]{64}$/.test(state) ? `${state.slice(0, 12)}…` : state) },
  { title: "at", cell: ({ at }) => at ?? "" },
  { title: "until", cell: ({ until }) => until ?? "" },
  { title: "took", cell: ({ ms }) => (ms === null ? "" : roughly(ms)) },
  { title: "who", cell: ({ person }) => person?.handle ?? "" },
  { title: "by", cell: ({ by }) => handles(by) },
  { title: "in place of", cell: ({ inPlaceOf }) => handles(inPlaceOf) },
  { title: "entitlement", cell: ({ entitlement }) => entitlement ?? "" },
  { title: "about", cell: ({ grant, request }) => grant ?? request ?? "" },
  { title: "count", cell: ({ count }) => (count === null ? "" : String(count)) },
  { title: "entries", cell: ({ entries }) => entries.map(({ seq }) => seq ?? "-").join(" ") },
  { title: "note", cell: ({ note }) => note, shrinks: true },
];

/** Columns that some row has something in. */
export const evidenceColumns = (rows: readonly EvidenceRow[]): readonly Column<EvidenceRow>[] =>
  COLUMNS.filter(({ cell }) => rows.some((row) => cell(row) !== ""));

export const evidenceTable = (answer: EvidenceAnswer, page: Page): string[] => [
  ...(answer.rows.length === 0 ? ["None."] : table(evidenceColumns(answer.rows), answer.rows, page)),
  ...timesLine(answer),
];

export const timesLine = ({ times }: Pick<EvidenceAnswer, "times">): string[] => {
  if (times === null || times.count === 0) return [];
  const told = (ms: number | null): string => (ms === null ? "–" : ms < 1_000 ? `${ms}ms` : roughly(ms));
  const open = times.open === 0 ? "none is open" : `${times.open} NOT PROVEN GONE`;
  return [
    `${times.count} ended, ${open}; to the proof: median ${told(times.p50Ms)}, 95% within ${told(times.p95Ms)}, longest ${told(times.maxMs)}`,
  ];
};
