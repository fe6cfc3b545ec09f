/** `tidegate policy …`: policies are tried before they are active. */
import type { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import { act } from "./act.ts";
import { createFile } from "./new-file.ts";
import { wholeNumber, withExamples, withServer } from "./options.ts";
import { type DiffTools, policyDiff, spanOf, thirtyDaysAgo, withSpan } from "./policy-diff.ts";
import { linesOf, requestsOfServer } from "./recorded-requests.ts";

export type TestOptions = {
  readonly path: string;
  readonly tests: readonly string[];
  readonly junit?: string;
  readonly coverage: boolean;
  readonly minCoverage?: number;
  readonly json: boolean;
};

export type PolicyTools = DiffTools & {
  readonly configDefault: () => string;
  /** Runs, prints, and sets the exit code. */
  test(options: TestOptions): Promise<void>;
};

type TestFlags = {
  readonly tests?: readonly string[];
  readonly junit?: string;
  readonly coverage?: true;
  readonly minCoverage?: number;
  readonly json?: true;
};

export function policy(program: Command, tools: PolicyTools): void {
  const group = program.command("policy").description("try policies before they are active");
  const test = group
    .command("test")
    .description('run the tests that a configuration holds, under "tests:"')
    .argument("[path]", "configuration: a file, or a folder of files (TIDEGATE_CONFIG)", tools.configDefault())
    .option(
      "--tests <path>",
      "further tests: a file that holds nothing else, or a folder of them; may be repeated",
      another,
    )
    .option("--junit <file>", "write the results to this file as JUnit XML, for CI")
    .option("--coverage", "show which rules decided in some test, and which never")
    .option("--min-coverage <percent>", "fail where fewer of the rules decided in some test", wholeNumber(0, 100))
    .option("--json", "for machines");
  withExamples(
    test,
    "tidegate policy test tidegate.yaml",
    "tidegate policy test tidegate.yaml --junit policy.xml --coverage --min-coverage 80",
  ).action(async (path: string, { tests = [], coverage, json, ...rest }: TestFlags) =>
    tools.test({ path, tests, coverage: coverage === true, json: json === true, ...rest }),
  );
  policyDiff(group, tools);
  exportRequests(group);
}

/** What `policy diff --requests` reads, so that rules can be tried where no server is, as in CI. */
function exportRequests(group: Command): void {
  const command = group
    .command("requests")
    .description("export what was asked of policy, for replaying it (for admins, auditors and operators)")
    .option("--out <file>", "write to this file, which must not exist; default: stdout");
  withExamples(
    withServer(withSpan(command, "made")),
    "tidegate policy requests --since 90d --out requests.jsonl",
  ).action(
    act(async ({ client, output }, { out, limit, ...options }: ExportFlags) => {
      const span = spanOf(options, thirtyDaysAgo());
      const { requests, more } = await requestsOfServer(client, { ...span, limit });
      const lines = linesOf(requests, span, systemClock.nowMs());
      if (out === undefined) for (const line of lines) output.jsonEntry(line);
      else await writeLines(out, lines);
      const where = out === undefined ? "" : ` in ${out}`;
      output.note(`${requests.length} requests${where}.${more ? " There are more: --limit lets them in." : ""}`);
    }),
  );
}

type ExportFlags = {
  readonly out?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit: number;
};

async function writeLines(path: string, lines: Iterable<object>): Promise<void> {
  const file = await createFile(path);
  try {
    for (const line of lines) await file.write(`${JSON.stringify(line)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

const another = (path: string, before: readonly string[] = []): string[] => [...before, path];
