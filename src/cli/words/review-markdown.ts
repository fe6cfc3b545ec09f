/** An access review to be read and signed. */
import type { AccessReview, ReviewRow } from "../../contract/review.ts";
import { clean } from "./clean.ts";
import { escaped, markdownTable as table } from "./markdown.ts";

export function reviewMarkdown(review: AccessReview): string {
  const made = clean(review);
  return [
    "# Access review",
    "",
    ...table(
      ["", ""],
      [
        ["period", `from ${made.from} until ${made.until} (not included)`],
        ["made", `${made.madeAt} by ${made.madeBy.handle} (${made.madeBy.name})`],
        ["installation", `${made.installation}, Tidegate ${made.tidegate}`],
        [
          "configuration in force",
          made.configurations.map(({ version, since }) => `version ${version} since ${since}`).join("; "),
        ],
        ["rules and people", `as of version ${made.rulesOf}, the active one when this was made`],
        ...(made.dropped === null ? [] : [["retention", made.dropped.says] as const]),
      ],
    ),
    "",
    ...counts("Requests", made.requests),
    ...counts("Grants", made.grants),
    ...made.findings.flatMap(findingLines),
  ].join("\n");
}

const counts = (title: string, { total, of }: AccessReview["requests"]): string[] => [
  `## ${title} made within the period: ${total}`,
  "",
  ...table(
    ["count", "what became of them", ""],
    of.map(({ of: what, count, meaning }) => [String(count), what, meaning]),
  ),
  "",
];

function findingLines({ title, definition, complete, rows }: AccessReview["findings"][number]): string[] {
  const used = COLUMNS.filter(([, column]) => rows.some((row) => row[column] !== null));
  const shown = rows.map((row) => used.map(([, column]) => String(row[column] ?? "")));
  const titles = used.map(([name]) => name);
  return [
    `## ${title}: ${rows.length}${complete ? "" : " and more"}`,
    "",
    escaped(definition),
    "",
    ...(rows.length === 0 ? ["None."] : table(titles, shown)),
    "",
  ];
}

const COLUMNS: readonly (readonly [title: string, column: keyof ReviewRow])[] = [
  ["person", "person"],
  ["entitlement", "entitlement"],
  ["rule", "rule"],
  ["count", "count"],
  ["at", "at"],
  ["reference", "reference"],
  ["what", "what"],
];
