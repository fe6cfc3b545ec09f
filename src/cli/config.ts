import type { Command } from "commander";
import type { ConfigDiff, ConfigVersionView } from "../contract/config.ts";
import { act } from "./act.ts";
import { noteMore } from "./list-options.ts";
import { wholeNumber, withExamples, withServer } from "./options.ts";
import type { Page } from "./output.ts";
import { table } from "./words/table.ts";
import { moment } from "./words/time.ts";

const PAGE_MAX = 200;

type ListOptions = { readonly limit?: number; readonly cursor?: string };

export function config(program: Command): void {
  const group = program.command("config").description("versions of the configuration, and what changed between them");
  const versions = group
    .command("versions")
    .description("versions of the configuration, newest first (for admins and auditors)")
    .option("--limit <count>", "how many at most: up to 200; without it 50", wholeNumber(1, PAGE_MAX))
    .option("--cursor <cursor>", "go on where a page ended");
  withExamples(withServer(versions), "tidegate config versions").action(
    act(async ({ client, output }, { limit, cursor }: ListOptions) => {
      const page = await client.listConfigVersions({
        ...(limit === undefined ? {} : { limit }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      output.answer(page, (answer, sheet) => listed(answer.versions, sheet));
      noteMore({ output }, page.next);
    }),
  );
  const diff = group
    .command("diff")
    .description("what changed from one version to another, in words (for admins and auditors)")
    .argument("[from]", "version; without it the newest other one", version)
    .argument("[to]", "version; without it the active one", version);
  withExamples(withServer(diff), "tidegate config diff", "tidegate config diff 3", "tidegate config diff 3 5").action(
    act(async ({ client, output }, from: number | undefined, to: number | undefined) => {
      const found = await client.configDiff({
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
      });
      output.answer(found, diffLines);
    }),
  );
}

const version = wholeNumber(1, Number.MAX_SAFE_INTEGER);

const listed = (all: readonly ConfigVersionView[], page: Page): string[] =>
  table<ConfigVersionView>(
    [
      { title: "version", cell: (one) => String(one.version) },
      { title: "created", cell: (one) => moment(one.createdAt, page.nowMs) },
      {
        title: "active",
        cell: ({ activatedAt }) =>
          activatedAt === null ? "" : page.paint("green", `since ${moment(activatedAt, page.nowMs)}`),
      },
      { title: "hash", cell: (one) => one.hash.slice(0, HASH_CHARS) },
      { title: "from", cell: (one) => one.source, shrinks: true },
    ],
    all,
    page,
  );
const HASH_CHARS = 12;

function diffLines({ from, to, changes }: ConfigDiff, { paint }: Page): string[] {
  if (changes.length === 0) return [`Nothing differs between version ${from} and version ${to}.`];
  return [
    paint("bold", `From version ${from} to version ${to}:`),
    ...changes.flatMap(({ what, kind, details }) => [
      "",
      kind === "gained" || kind === "lost" ? paint("yellow", what) : what,
      ...details.map((line) => {
        const style = line.startsWith("+ ") ? "green" : line.startsWith("- ") ? "red" : null;
        return `  ${style === null ? line : paint(style, line)}`;
      }),
    ]),
  ];
}
