/** An access review as one table, in the form of RFC 4180: what it is and counts first, then each finding with its definition. */
import type { AccessReview, ReviewRow } from "../../contract/review.ts";
import { clean } from "./clean.ts";

const COLUMNS = ["section", "person", "entitlement", "rule", "count", "at", "reference", "what"] as const;
type Row = Partial<ReviewRow> & { readonly section: string };

export function reviewCsv(made: AccessReview): string {
  return [COLUMNS.join(","), ...rowsOf(made).map((row) => COLUMNS.map((column) => cell(row[column] ?? "")).join(","))]
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

/** What a spreadsheet would take for a formula is text: a name that somebody chose must not run on the auditor's machine. */
const FORMULA = /^[=+\-@\t\r]/;

function cell(value: string | number): string {
  if (typeof value === "number") return String(value);
  const text = clean(value);
  const defused = FORMULA.test(text.trimStart()) ? `'${text}` : text;
  return /[",\r\n]/.test(defused) || defused !== defused.trim() ? `"${defused.replaceAll('"', '""')}"` : defused;
}
