import type { Command } from "commander";
import type { DriftFindingView, DriftReport, OtherAccessView, ResourceDrift } from "../contract/drift.ts";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { EXIT } from "./exit-code.ts";
import { withExamples, withServer } from "./options.ts";
import type { Page } from "./output.ts";
import { table } from "./words/table.ts";
import { moment } from "./words/time.ts";

type Options = { readonly sweep?: true; readonly others?: true; readonly all?: true };
type Others = { readonly resource: string; readonly tells: boolean; readonly others: readonly OtherAccessView[] };
type Shown = DriftReport & { readonly others?: readonly Others[] };

export function drift(program: Command): void {
  const command = program
    .command("drift")
    .description("what targets and the ledger do not agree on, and since when (for admins, auditors and operators)")
    .argument("[resource]", "only this one")
    .option("--sweep", "look at the targets now, and wait for it")
    .option("--others", "also ask the targets who has access without a mark of Tidegate's")
    .option("--all", "both");
  withExamples(
    withServer(command),
    "tidegate drift",
    "tidegate drift orders-db --sweep",
    "tidegate drift orders-db --others",
  ).action(
    act(async (context, resource: string | undefined, options: Options) => {
      const about = resource === undefined ? {} : { resource };
      const sweeps = options.sweep === true || options.all === true;
      const report = sweeps ? await context.client.sweepDrift(about) : await context.client.listDrift(about);
      const asks = options.others === true || options.all === true;
      const shown: Shown = asks ? { ...report, others: await othersOf(context, report) } : report;
      context.output.answer(shown, lines);
      // Whoever asked for a look and got none must not take silence for peace.
      const unseen = report.resources.some((one) => one.policy !== null && !isSwept(one, report.askedAt));
      return sweeps && unseen ? EXIT.failed : EXIT.done;
    }),
  );
}

async function othersOf({ client }: Context, { resources }: DriftReport): Promise<Others[]> {
  const found: Others[] = [];
  for (const { resource, policy } of resources) if (policy !== null) found.push(await client.listOthers(resource));
  return found;
}

/** Seen whole, and since the sweep that was asked for, if one was. Times in UTC compare as text. */
const isSwept = ({ sweptAt, failing }: ResourceDrift, askedAt: string | null): boolean =>
  sweptAt !== null && failing === null && (askedAt === null || sweptAt >= askedAt);

function lines({ resources, others, askedAt }: Shown, page: Page): string[] {
  if (resources.length === 0) return ["No resource is configured."];
  return resources.flatMap((one, number) => [
    ...(number === 0 ? [] : [""]),
    ...resourceLines(one, askedAt, page),
    ...(others ?? []).filter(({ resource }) => resource === one.resource).flatMap((asked) => otherLines(asked, page)),
  ]);
}

function resourceLines(one: ResourceDrift, askedAt: string | null, page: Page): string[] {
  const drift = one.findings.filter(({ kind }) => kind !== "standing");
  const standing = one.findings.filter(({ kind }) => kind === "standing");
  return [
    `${page.paint("bold", one.resource)}  ${sweptWords(one, askedAt, page)}`,
    ...(drift.length === 0
      ? isSwept(one, askedAt)
        ? [page.paint("green", "  No drift.")]
        : []
      : indented(findingTable(drift, page))),
    ...drift.flatMap(({ id, problem }) => (problem === null ? [] : [page.paint("yellow", `  ${id}: ${problem}`)])),
    ...(standing.length === 0
      ? []
      : [
          "  Standing access, from before Tidegate gave any:",
          ...standing.map(
            ({ subject, firstSeenAt }) => `    ${subject} (seen since ${moment(firstSeenAt, page.nowMs)})`,
          ),
        ]),
  ];
}

const indented = (all: readonly string[]): string[] => all.map((line) => `  ${line}`);

function sweptWords(one: ResourceDrift, askedAt: string | null, { paint, nowMs }: Page): string {
  const { sweptAt, failing, policy } = one;
  if (policy === null) return "not configured any more; not swept";
  if (failing !== null) {
    const since = sweptAt === null ? "never swept" : `not swept since ${moment(sweptAt, nowMs)}`;
    return paint("red", `${since}: ${failing.error.message}`);
  }
  if (sweptAt === null) return paint("yellow", "not swept yet");
  if (!isSwept(one, askedAt)) return paint("yellow", `not swept yet; the last time ${moment(sweptAt, nowMs)}`);
  return `swept ${moment(sweptAt, nowMs)}${policy === "repair" ? ", repairs" : ""}`;
}

const findingTable = (findings: readonly DriftFindingView[], page: Page): string[] =>
  table<DriftFindingView>(
    [
      { title: "finding", cell: ({ id }) => id },
      { title: "kind", cell: ({ kind }) => page.paint(kind === "less" || kind === "made" ? "yellow" : "red", kind) },
      { title: "seen since", cell: ({ firstSeenAt }) => moment(firstSeenAt, page.nowMs) },
      { title: "subject", cell: ({ subject }) => subject },
      { title: "what", cell: ({ what, by }) => `${what}${by === null ? "" : ` (by ${by})`}`, shrinks: true },
    ],
    findings,
    { ...page, width: page.width - 2 },
  );

function otherLines({ tells, others }: Others, page: Page): string[] {
  if (!tells) return ["  This kind of target cannot tell who else has access."];
  if (others.length === 0) return ["  Nobody else has access to what the entitlements give."];
  return [
    "  Others who have what the entitlements give:",
    ...indented(
      table<OtherAccessView>(
        [
          { title: "who", cell: ({ who }) => who },
          { title: "entitlement", cell: ({ entitlement }) => entitlement },
          { title: "how", cell: ({ how, by }) => `${how}${by === null ? "" : ` (by ${by})`}` },
          { title: "since", cell: ({ since }) => (since === null ? "not told" : moment(since, page.nowMs)) },
          { title: "now", cell: (one) => nowWords(one, page) },
          { title: "access", cell: ({ access }) => access, shrinks: true },
        ],
        others,
        { ...page, width: page.width - 2 },
      ),
    ),
  ];
}

function nowWords({ sessions, lastActivity }: OtherAccessView, { nowMs }: Page): string {
  if (sessions === null) return "";
  if (sessions === 0) return "not connected";
  return `${sessions} connected${lastActivity === null ? "" : `, last active ${moment(lastActivity, nowMs)}`}`;
}
