import { type Command, Option } from "commander";
import type { EvidenceAnswer, EvidenceQuery, EvidenceQuestion, EvidenceRow } from "../contract/evidence.ts";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { given, named, spanned, type TimeSpan, timeGiven } from "./list-options.ts";
import { createFile } from "./new-file.ts";
import { withExamples, withServer } from "./options.ts";
import { clean } from "./words/clean.ts";
import { evidenceCsv, evidenceCsvHead, evidenceTable } from "./words/evidence-words.ts";

const FORMATS = ["table", "csv", "json", "jsonl"] as const;
type Format = (typeof FORMATS)[number];
const PAGE_MAX = 1_000;

type Options = TimeSpan & {
  readonly at?: string;
  readonly format: Format;
  readonly out?: string;
  readonly json?: true;
};
type Asks = {
  readonly question: EvidenceQuestion;
  readonly about: string;
  readonly argument?: readonly [name: string, what: string];
  readonly example: string;
};

const OF_WHAT = ["[what]", "a resource or an entitlement, such as orders-db:read"] as const;
const ASKS: readonly Asks[] = [
  {
    question: "access",
    about: "who may have had access, from before it was made until it was proven gone",
    argument: ["<what>", OF_WHAT[1]],
    example: "access orders-db:read --from 2026-01-01 --until 2026-04-01",
  },
  {
    question: "person",
    about: "everything of somebody: requests, decisions, reviews, grants",
    argument: ["<who>", "a handle or an id; who left, too"],
    example: "person alice --from 90d --format csv --out alice.csv",
  },
  {
    question: "emergencies",
    about: "emergency access and its reviews, late and missing ones marked",
    argument: OF_WHAT,
    example: "emergencies --from 2026-01-01",
  },
  {
    question: "approvals",
    about: "who approved or denied what, and in whose place",
    argument: ["[who]", "a handle or an id"],
    example: "approvals bob --format jsonl",
  },
  { question: "unused", about: "grants that nobody used, where that is known", argument: OF_WHAT, example: "unused" },
  {
    question: "endings",
    about: "how long access lived after its end, and what is still open",
    argument: OF_WHAT,
    example: "endings orders-db --from 30d",
  },
  {
    question: "policy",
    about: "the configuration in force, its hash, who confirmed it",
    example: "policy --at 2026-03-01",
  },
  { question: "totals", about: "requests and grants of the period, counted", example: "totals --from 2026-01-01" },
];

export function evidence(program: Command): void {
  const group = program
    .command("evidence")
    .description("answers to what auditors ask of a period (for auditors, operators and admins)")
    .enablePositionalOptions();
  for (const asks of ASKS) question(group, asks);
  const report = withPeriod(
    group
      .command("report")
      .description(
        "a report of the period to print and sign, mapped to controls; exit code 1 where its counts do not add up",
      ),
  )
    .addOption(new Option("--format <format>", "Markdown, or one page to print").choices(["md", "html"]).default("md"))
    .option("--out <file>", "write to this file, which must not exist; default: stdout");
  withExamples(
    withServer(report),
    "tidegate evidence report --from 2026-01-01 --until 2026-04-01 --format html --out q1.html",
  ).action(
    act(async (context, options: TimeSpan & { format: "md" | "html"; out?: string }) => {
      const { evidenceReport } = await import("./evidence-report.ts");
      return evidenceReport(context, (query) => pagesOf(context.client, query), spanned(options), options);
    }),
  );
}

/** The period that is asked about. */
const withPeriod = (command: Command): Command =>
  command
    .option("--from <time>", "from this time on: 2026-01-31, or 90d (ago); without it 90 days", timeGiven)
    .option("--until <time>", "before this time; without it now", timeGiven);

function question(group: Command, { question: name, about, argument, example }: Asks): void {
  const command = withPeriod(group.command(name).description(about))
    .addOption(new Option("--format <format>", "how it is written").choices(FORMATS).default("table"))
    .option("--out <file>", "write to this file, which must not exist; default: stdout");
  if (argument !== undefined) command.argument(argument[0], argument[1], named(argument[1]));
  if (name === "policy")
    command.addOption(
      new Option("--at <time>", "only what was in force at this time")
        .argParser(timeGiven)
        .conflicts(["from", "until"]),
    );
  const run = (context: Context, of: string | undefined, options: Options): Promise<void> =>
    answer(context, { question: name, ...given({ of }), ...periodOf(options) }, options);
  withExamples(withServer(command), `tidegate evidence ${example}`).action(
    argument === undefined
      ? act((context, options: Options) => run(context, undefined, options))
      : act((context, of: string | undefined, options: Options) => run(context, of, options)),
  );
}

function periodOf({ at, from, until }: Options) {
  if (at === undefined) return spanned(given({ from, until }));
  return { from: at, until: new Date(Date.parse(at) + 1).toISOString() };
}

/** Page after page. What is added meanwhile is of a later time than the first page, and so of none. */
export async function* pagesOf(client: Context["client"], query: EvidenceQuery): AsyncGenerator<EvidenceAnswer> {
  let page = await client.evidence({ limit: PAGE_MAX, ...query });
  yield page;
  for (; page.next !== null; yield page)
    page = await client.evidence({ limit: PAGE_MAX, ...query, from: page.from, until: page.until, cursor: page.next });
}

async function answer({ client, output }: Context, query: EvidenceQuery, options: Options): Promise<void> {
  const { out } = options;
  const format = options.json === true ? "json" : options.format;
  const file = out === undefined ? null : await createFile(out);
  const write = async (text: string): Promise<void> => {
    if (text === "") return;
    if (file === null) output.lines([text.replace(/\r?\n$/, format === "csv" ? "\r" : "")]);
    else await file.write(text);
  };
  let [first, count]: [EvidenceAnswer | null, number] = [null, 0];
  const kept: EvidenceRow[] = [];
  try {
    if (format === "csv") await write(evidenceCsvHead());
    for await (const page of pagesOf(client, query)) {
      first ??= page;
      count += page.rows.length;
      if (format === "csv") await write(evidenceCsv(page.rows));
      else if (format === "jsonl") await write(page.rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
      else kept.push(...page.rows);
    }
    if (first === null) return;
    const all = { ...first, rows: kept, next: null };
    if (format === "json") await write(`${JSON.stringify(all, null, 2)}\n`);
    if (format === "table") await write(`${evidenceTable(clean(all), output.page).join("\n")}\n`);
    await file?.sync();
  } finally {
    await file?.close();
  }
  if (first.dropped !== null) output.note(first.dropped.says);
  if (options.json === true) return;
  output.note(
    `${first.meaning}`,
    `${count} rows from ${first.from} until ${first.until}${out === undefined ? "" : ` in ${out}`}; log up to ${first.head}.`,
  );
}
