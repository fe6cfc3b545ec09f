import type { Command } from "commander";
import type { ConfigDiff, ConfigVersionView, WaitingConfig } from "../contract/config.ts";
import { act } from "./act.ts";
import { EXIT } from "./exit-code.ts";
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
  waiting(group);
  confirm(group);
  reject(group);
}

function waiting(group: Command): void {
  const command = group
    .command("waiting")
    .description("the configuration that waits for admins to confirm it (for admins and auditors)");
  withExamples(withServer(command), "tidegate config waiting").action(
    act(async ({ client, output }) => {
      const found = await client.waitingConfig();
      output.answer({ waiting: found }, (_, page) => waitingLines(found, page));
      return found === null ? EXIT.done : EXIT.pending;
    }),
  );
}

function confirm(group: Command): void {
  const command = group
    .command("confirm")
    .description("confirm a configuration that waits; with the last confirmation it is active (for admins)")
    .argument("<version>", "version", version);
  withExamples(withServer(command), "tidegate config confirm 7").action(
    act(async ({ client, output }, number: number) => {
      const found = await client.confirmConfig(number);
      output.answer(found, waitingLines);
      return found.state === "waiting" ? EXIT.pending : EXIT.done;
    }),
  );
}

function reject(group: Command): void {
  const command = group
    .command("reject")
    .description("say no to a configuration that waits; the active one goes on (for admins)")
    .argument("<version>", "version", version)
    .requiredOption("--reason <text>", "why; in the log for ever");
  withExamples(withServer(command), 'tidegate config reject 7 --reason "payments must not get this"').action(
    act(async ({ client, output }, number: number, { reason }: { readonly reason: string }) => {
      output.answer(await client.rejectConfig(number, { reason }), waitingLines);
    }),
  );
}

function waitingLines(found: WaitingConfig | null, page: Page): string[] {
  if (found === null) return ["No configuration waits to be confirmed."];
  const { version: number, state, widens, confirmedBy, needed } = found;
  const by = confirmedBy.length === 0 ? "nobody yet" : confirmedBy.map(({ handle }) => handle).join(", ");
  const waits = state === "waiting";
  return [
    waits
      ? `Version ${number} waits since ${moment(found.proposedAt, page.nowMs)}: confirmed by ${by}, ${needed} needed.`
      : `Version ${number} is ${state === "confirmed" ? page.paint("green", "active") : state}.`,
    "It may widen access:",
    ...widens.map((one) => `  - ${one}`),
    ...(waits
      ? [
          `What differs: tidegate config diff ${found.active} ${number}. To let it in: tidegate config confirm ${number}`,
        ]
      : []),
  ];
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
