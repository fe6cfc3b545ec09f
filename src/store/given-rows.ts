/** Rows of texts that a statement is given, as `values` of parameters: what planning and reading arrays would cost is spared where they are few. */
import { type RawBuilder, sql } from "kysely";
import { defined } from "../base/assert.ts";

/** More would make texts without end, each of which the store plans by itself. */
const FEW = 4;

const texts = new Map<string, TemplateStringsArray>();

/** `(…, …), (…, …)` with a parameter for each value, and what comes before it: made once for each shape. */
function placesFor(before: string, rows: number, columns: number): TemplateStringsArray {
  const shape = `${before} ${rows}×${columns}`;
  const known = texts.get(shape);
  if (known !== undefined) return known;
  const row = `(${Array.from({ length: columns }, () => "?").join(", ")})`;
  const pieces = `${before}values ${Array.from({ length: rows }, () => row).join(", ")}`.split("?");
  const text = Object.assign(pieces, { raw: pieces });
  texts.set(shape, text);
  return text;
}

/** Columns of texts, of one length and not empty. */
type Columns = readonly (readonly string[])[];

/** Writes them into `into`, a table and its columns; `when`: only where that holds. */
export function insertingTexts(
  into: string,
  columns: Columns,
  when: RawBuilder<boolean> | null = null,
): RawBuilder<unknown> {
  const rows = columns[0]?.length ?? 0;
  const places = (before: string) => sql(placesFor(before, rows, columns.length), ...inRows(columns));
  if (rows <= FEW && when === null) return places(`insert into ${into} `);
  const given =
    rows <= FEW ? sql`(${places("")})` : sql`unnest(${sql.join(columns.map((column) => sql`${[...column]}::text[]`))})`;
  return sql`insert into ${sql.raw(into)} select * from ${given} as given where ${when ?? sql`true`}`;
}

function inRows(columns: Columns): string[] {
  const values: string[] = [];
  for (let row = 0; row < (columns[0]?.length ?? 0); row += 1)
    for (const column of columns) values.push(defined(column[row], "a text of each column"));
  return values;
}
