/** `tidegate policy diff`: what two sets of rules say to the requests that were really made. */
import type { Command } from "commander";
import { systemClock, toTimestamp } from "../base/clock.ts";
import type { Client } from "../contract/client.ts";
import type { PolicyDiff, Ruleset } from "../contract/policy.ts";
import { connect, type ServerOptions } from "./connect.ts";
import { EXIT } from "./exit-code.ts";
import { CommandFailure, reportFailure, usage } from "./failure.ts";
import { spanned, type TimeSpan, timeGiven } from "./list-options.ts";
import { wholeNumber, withExamples, withServer } from "./options.ts";
import { Output } from "./output.ts";
import { type Recorded, requestsOfFile, requestsOfServer } from "./recorded-requests.ts";
import { policyDiffLines } from "./words/policy-diff-words.ts";

/** What reads configurations and asks rules; the composition root brings it, for nothing here sees them. */
export type DiffTools = {
  /** The rules of a configuration on disk, or every mistake in it, as it is shown. */
  load(path: string): Promise<{ readonly ruleset: Ruleset } | { readonly mistakes: readonly string[] }>;
  diff(before: Ruleset, after: Ruleset, requests: Recorded["requests"]): Promise<PolicyDiff>;
};

type Options = ServerOptions & {
  readonly requests?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit: number;
};

const LIMIT_DEFAULT = 10_000;
const LIMIT_MAX = 1_000_000;
const SINCE_DEFAULT_MS = 30 * 86_400_000;

/** The answer of the command, as `--json` prints it. */
export type ShownDiff = PolicyDiff & {
  readonly old: string;
  readonly new: string;
  readonly span: TimeSpan;
  /** False: there are more requests in the span than `--limit` let in. */
  readonly complete: boolean;
};

export const withSpan = (command: Command, did: string): Command =>
  command
    .option("--since <time>", `only ${did} at this time or later: 2026-01-31, 14:30, or 30d (ago)`, timeGiven)
    .option("--until <time>", `only ${did} before this time`, timeGiven)
    .option("--limit <count>", "how many at most, the newest", wholeNumber(1, LIMIT_MAX), LIMIT_DEFAULT);

/** The last thirty days, unless another beginning is named. */
export const spanOf = (
  { since, until }: { since?: string; until?: string },
  otherwise: string | undefined,
): TimeSpan => {
  const from = since ?? otherwise;
  return spanned({ ...(from === undefined ? {} : { from }), ...(until === undefined ? {} : { until }) });
};

export const thirtyDaysAgo = (): string => toTimestamp(systemClock.nowMs() - SINCE_DEFAULT_MS);

export function policyDiff(group: Command, tools: DiffTools): void {
  const command = group
    .command("diff")
    .description("replay real requests against two sets of rules, and show what would be decided otherwise")
    .argument("<old>", "a configuration (file or folder), or @active or @N: a version that a server has")
    .argument("<new>", "the same, for what it is compared with")
    .option("--requests <file>", 'replay what "tidegate policy requests" exported, without a server');
  withSpan(command, "made").addHelpText(
    "after",
    "\nExit codes, as of diff: 0 nothing would be decided otherwise, 1 something would, 2 it could not be told.",
  );
  withExamples(
    withServer(command),
    "tidegate policy diff @active tidegate.yaml",
    "tidegate policy diff @3 @5 --since 90d",
    "tidegate policy diff main.yaml branch.yaml --requests requests.jsonl --json",
  ).action(async (before: string, after: string, options: Options) => {
    process.exitCode = await run(tools, before, after, options).catch(asTrouble);
  });
}

/** 1 is an answer here: what went wrong must not be taken for it. */
function asTrouble(error: unknown): never {
  const { exitCode, problem } = reportFailure(error);
  if (exitCode !== EXIT.failed) throw error;
  const { code, detail, type: _, title: _title, ...extra } = problem;
  throw new CommandFailure(code, detail, EXIT.usage, extra);
}

async function run(tools: DiffTools, before: string, after: string, options: Options): Promise<number> {
  let connected: Promise<Client> | null = null;
  const client = (): Promise<Client> => {
    connected ??= connect(options).then((context) => context.client);
    return connected;
  };
  const span = spanOf(options, options.requests === undefined ? thirtyDaysAgo() : undefined);
  const output = new Output(options.json === true);
  const oldRules = await rulesOf(before, tools, client, output);
  const newRules = await rulesOf(after, tools, client, output);
  const wanted = { ...span, limit: options.limit };
  const { requests, more } =
    options.requests === undefined
      ? await requestsOfServer(await client(), wanted)
      : await requestsOfFile(options.requests, wanted);
  const diff = await tools.diff(oldRules, newRules, requests);
  const shown: ShownDiff = { old: before, new: after, span, complete: !more, ...diff };
  output.answer(shown, policyDiffLines);
  return diff.changes.length === 0 ? EXIT.done : EXIT.failed;
}

async function rulesOf(
  named: string,
  tools: DiffTools,
  client: () => Promise<Client>,
  output: Output,
): Promise<Ruleset> {
  if (!named.startsWith("@")) {
    const loaded = await tools.load(named);
    if ("ruleset" in loaded) return loaded.ruleset;
    output.note(...loaded.mistakes);
    throw new CommandFailure(
      "invalid-configuration",
      `${named} is not a valid configuration: nothing was replayed.`,
      EXIT.usage,
      { mistakes: [...loaded.mistakes] },
    );
  }
  const number = /^@(\d{1,15})$/.exec(named)?.[1];
  if (named !== "@active" && number === undefined)
    throw usage(
      `${named} is no version: write @active, or a number such as @3; "tidegate config versions" lists them.`,
    );
  const { resources, policies } = await (await client()).readPolicy(
    number === undefined ? {} : { version: Number(number) },
  );
  return { resources, policies } as unknown as Ruleset;
}
