/** `tidegate policy …`: policies are tried before they are active. */
import type { Command } from "commander";
import { wholeNumber, withExamples } from "./options.ts";

export type TestOptions = {
  readonly path: string;
  readonly tests: readonly string[];
  readonly junit?: string;
  readonly coverage: boolean;
  readonly minCoverage?: number;
  readonly json: boolean;
};

/** What reads configurations and asks policies; the composition root brings it, for nothing here sees them. */
export type PolicyTools = {
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
}

const another = (path: string, before: readonly string[] = []): string[] => [...before, path];
