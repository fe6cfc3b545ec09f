import { stripVTControlCharacters } from "node:util";
import type { Page } from "../output.ts";

export type Column<Row> = {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** May be cut to make the table fit; columns without it never are. */
  readonly shrinks?: boolean;
};

const GAP = "  ";
const INDENT = "    ";
const SHRUNK_MIN = 8;

/**
 * Rows under their titles, fitted to the page: what may shrink is cut, the widest first. Where even that is too wide, each
 * row goes on in further lines, indented: a terminal would break it in the middle of an id, which nobody can copy then.
 */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  page: Pick<Page, "paint" | "width">,
): string[] {
  const all = columns.map((column) => ({ ...column, cells: rows.map((row) => column.cell(row)) }));
  const measured = all.map((column) => ({
    ...column,
    width: Math.max(displayWidth(column.title), ...column.cells.map(displayWidth)),
  }));
  const parts = inLines(measured, page.width).map((part, line) => {
    const indent = line === 0 ? "" : INDENT;
    const widths = part.map(({ width }) => width);
    fit(widths, part, page.width - indent.length);
    const joined = (cells: readonly string[]): string =>
      indent + cells.map((cell, i) => pad(cut(cell, widths[i] ?? 0), widths[i] ?? 0)).join(GAP);
    return {
      title: joined(part.map(({ title }) => title.toUpperCase())).trimEnd(),
      lines: rows.map((_, row) => joined(part.map(({ cells }) => cells[row] ?? "")).trimEnd()),
    };
  });
  return [
    ...parts.map(({ title }) => page.paint("dim", title)),
    ...rows.flatMap((_, row) =>
      parts.flatMap(({ lines }, part) => (part > 0 && lines[row] === "" ? [] : (lines[row] ?? ""))),
    ),
  ];
}

/** Which columns stand in which line: as many as have room, counting for those that may shrink the least that is of use. */
function inLines<One extends { readonly width: number; readonly shrinks?: boolean }>(
  all: readonly One[],
  width: number,
): One[][] {
  const lines: One[][] = [[]];
  let used = 0;
  for (const column of all) {
    const least = column.shrinks === true ? Math.min(column.width, SHRUNK_MIN) : column.width;
    const line = lines.at(-1);
    if (line !== undefined && (line.length === 0 || used + least <= width)) line.push(column);
    else {
      lines.push([column]);
      used = INDENT.length;
    }
    used += least + GAP.length;
  }
  return lines;
}

/** Takes columns away from the widest that may shrink, until the table fits or nothing more can be taken. */
function fit(widths: number[], columns: readonly { readonly shrinks?: boolean }[], width: number): void {
  const total = (): number => widths.reduce((sum, each) => sum + each, 0) + GAP.length * (widths.length - 1);
  while (total() > width) {
    let widest = -1;
    for (const [i, column] of columns.entries()) {
      const [here, best] = [widths[i] ?? 0, widths[widest] ?? SHRUNK_MIN];
      if (column.shrinks === true && here > best) widest = i;
    }
    if (widest < 0) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

const pad = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - displayWidth(text)));

/** The text in at most so many columns; a longer one ends in `…`. A coloured text that must be cut loses its colour. */
export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const { segment } of GRAPHEMES.segment(stripVTControlCharacters(text))) {
    const next = used + graphemeWidth(segment);
    if (next > width - 1) break;
    kept += segment;
    used = next;
  }
  return `${kept}…`;
}

const GRAPHEMES = new Intl.Segmenter();
const ASCII = /^[\x20-\x7e]*$/;
const WIDE =
  /\p{Emoji_Presentation}|\p{Script=Han}|\p{Script=Hangul}|\p{Script=Hiragana}|\p{Script=Katakana}|[\u3000-\u303f\uff01-\uff60\uffe0-\uffe6]/u;

const graphemeWidth = (grapheme: string): number => (WIDE.test(grapheme) ? 2 : /^\p{M}+$/u.test(grapheme) ? 0 : 1);

/** How many columns of a terminal a text takes: without its colours, with wide characters counted twice. */
export function displayWidth(text: string): number {
  const bare = stripVTControlCharacters(text);
  if (ASCII.test(bare)) return bare.length;
  let width = 0;
  for (const { segment } of GRAPHEMES.segment(bare)) width += graphemeWidth(segment);
  return width;
}
