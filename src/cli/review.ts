import type { Command } from "commander";
import { Option } from "commander";
import { act } from "./act.ts";
import { spanned, timeGiven } from "./list-options.ts";
import { createFile } from "./new-file.ts";
import { withExamples, withServer } from "./options.ts";
import { reviewCsv } from "./words/review-csv.ts";
import { reviewMarkdown } from "./words/review-markdown.ts";

const FORMATS = ["markdown", "csv", "json"] as const;
type Options = {
  readonly since?: string;
  readonly until?: string;
  readonly format: (typeof FORMATS)[number];
  readonly out?: string;
  readonly json?: true;
};

export function review(program: Command): void {
  const command = program
    .command("review")
    .description(
      "an access review: what nobody used, what asks for nothing, who needs nobody (for auditors and admins)",
    )
    .option(
      "--since <time>",
      "of what was made at this time or later: 2026-01-31, or 90d (ago); without it 90 days",
      timeGiven,
    )
    .option("--until <time>", "of what was made before this time; without it now", timeGiven)
    .addOption(new Option("--format <format>", "how it is written").choices(FORMATS).default("markdown"))
    .option("--out <file>", "write to this file, which must not exist; default: stdout");
  withExamples(
    withServer(command),
    "tidegate review --since 2026-01-01 --until 2026-04-01 --out review-q1.md",
    "tidegate review --since 90d --format csv --out review.csv",
  ).action(
    act(async ({ client, output }, { since, until, format, out, json }: Options) => {
      const span = spanned({
        ...(since === undefined ? {} : { from: since }),
        ...(until === undefined ? {} : { until }),
      });
      const made = await client.accessReview(span);
      const text =
        json === true || format === "json"
          ? `${JSON.stringify(made, null, 2)}\n`
          : format === "csv"
            ? reviewCsv(made)
            : reviewMarkdown(made);
      if (out === undefined) return output.lines([text.trimEnd()]);
      const file = await createFile(out);
      try {
        await file.write(text);
        await file.sync();
      } finally {
        await file.close();
      }
      const rows = made.findings.reduce((sum, finding) => sum + finding.rows.length, 0);
      output.note(`${rows} findings in ${out}.`);
    }),
  );
}
