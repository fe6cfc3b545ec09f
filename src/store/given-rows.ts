/** Rows that a statement is given, as `values` of parameters: what planning and reading arrays would cost is spared where they are few. */
import { type RawBuilder, sql } from "kysely";

/** More would make texts without end, each of which the store plans by itself. */
const FEW = 4;

const texts = new Map<string, TemplateStringsArray>();

/** `(…, …), (…, …)` with a parameter for each value, made once for each shape. */
function placesFor(rows: number, columns: number): TemplateStringsArray {
  const shape = `${rows}×${columns}`;
  const known = texts.get(shape);
  if (known !== undefined) return known;
  const row = `(${Array.from({ length: columns }, () => "?").join(", ")})`;
  const pieces = `(values ${Array.from({ length: rows }, () => row).join(", ")})`.split("?");
  const text = Object.assign(pieces, { raw: pieces });
  texts.set(shape, text);
  return text;
}

/** Something to select from, in the order given: a column of text for each of the lists, which are of one length and not empty. */
export function givenTexts(...columns: readonly (readonly string[])[]): RawBuilder<unknown> {
  const rows = columns[0]?.length ?? 0;
  if (rows > FEW) return sql`unnest(${sql.join(columns.map((column) => sql`${[...column]}::text[]`))})`;
  const values = Array.from({ length: rows }, (_, row) => columns.map((column) => column[row]));
  return sql(placesFor(rows, columns.length), ...values.flat());
}
