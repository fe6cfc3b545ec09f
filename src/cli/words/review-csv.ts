/** An access review as one table, in the form of RFC 4180: what it is and counts first, then each finding with its definition. */
import type { AccessReview, ReviewRow } from "../../contract/review.ts";
import { csvCell } from "./csv.ts";

const COLUMNS = ["section", "person", "entitlement", "rule", "count", "at", "reference", "what"] as const;
type Row = Partial<ReviewRow> & { readonly section: string };

export function reviewCsv(made: AccessReview): string {
  return [
    COLUMNS.join(","),
    ...rowsOf(made).map((row) => COLUMNS.map((column) => csvCell(row[column] ?? "")).join(",")),
  ]
    .map((line) => `${line}\r\n`)
    .join("");
}

function rowsOf({ madeBy, findings, ...made }: AccessReview): Row[] {
  const about = (what: string, more: Partial<ReviewRow> = {}): Row => ({ section: "review", what, ...more });
  const counts = (section: string, { total, of }: AccessReview["requests"]): Row[] => [
    { section, what: "in all", count: total },
    ...of.map(({ of: what, count, meaning }) => ({ section, count, what: `${what}: ${meaning}` })),
  ];
  return [
    about(`made by Tidegate ${made.tidegate}, installation ${made.installation}`, {
      person: madeBy.handle,
      at: made.madeAt,
    }),
    about("period from", { at: made.from }),
    about("period until, not included", { at: made.until }),
    ...(made.dropped === null ? [] : [about(made.dropped.says, {})]),
    about("rules and people of this version of the configuration", { count: made.rulesOf }),
    ...made.configurations.map(({ version, since }) =>
      about("configuration version in force since", { count: version, at: since }),
    ),
    ...counts("requests", made.requests),
    ...counts("grants", made.grants),
    ...findings.flatMap(({ kind, title, definition, complete, rows }): Row[] => [
      {
        section: kind,
        what: `${title}. ${definition}${complete ? "" : " There are more than are listed."}`,
        count: rows.length,
      },
      ...rows.map((row) => ({ section: kind, ...row })),
    ]),
  ];
}
