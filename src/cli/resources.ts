import type { Command } from "commander";
import { suggest } from "../base/nearest.ts";
import type { ForMe, KitView, ResourceView } from "../contract/catalog.ts";
import { act } from "./act.ts";
import { CommandFailure } from "./failure.ts";
import { given, type NamedPage, named, noteMore, PAGE_MAX } from "./list-options.ts";
import { wholeNumber, withExamples, withServer } from "./options.ts";
import type { Page } from "./output.ts";
import { table } from "./words/table.ts";

type Options = NamedPage & { readonly search?: string };

export function resources(program: Command): void {
  const command = program
    .command("resources")
    .description("what there is to ask for, and what policy would say to you");
  withExamples(
    withServer(
      command
        .argument("[resource]", "only this one, with what each entitlement allows")
        .option("--search <text>", "only entitlements with this in name or title")
        .option("--limit <count>", "how many resources at most: up to 200; without it all", wholeNumber(1, PAGE_MAX))
        .option(
          "--cursor <name>",
          "go on where a page ended",
          named('the name that the page before gave after "More:"'),
        ),
    ),
    "tidegate resources",
    "tidegate resources orders-db",
    "tidegate resources --search orders --limit 50",
  ).action(
    act(async ({ client, output }, name: string | undefined, options: Options) => {
      const { search, limit, cursor } = options;
      const found = await client.listResources(given({ resource: name, search, limit, cursor }));
      if (name !== undefined && found.resources.length === 0 && search === undefined)
        throw unknown(name, (await client.listResources()).resources);
      output.answer(found, (shown, page) =>
        name === undefined
          ? [...listed(shown.resources, page), ...bundleLines(shown.bundles)]
          : shown.resources.flatMap((resource) => inFull(resource, page)),
      );
      noteMore({ output }, found.next);
    }),
  );
}

function unknown(name: string, all: readonly ResourceView[]): Error {
  const names = all.map((resource) => resource.name);
  return new CommandFailure(
    "not-found",
    `There is no resource ${JSON.stringify(name)}: ${suggest(name, names, "resources")}`,
  );
}

type Row = {
  readonly ref: string;
  readonly title: string;
  readonly risk: string;
  readonly maxDuration: string;
  readonly forMe: ForMe;
};

function listed(all: readonly ResourceView[], page: Page): string[] {
  const rows = all.flatMap((resource) => resource.entitlements.map((entitlement): Row => entitlement));
  if (rows.length === 0) return ["There is nothing to ask for: no resource is configured."];
  return table<Row>(
    [
      { title: "entitlement", cell: (row) => row.ref },
      { title: "what", cell: (row) => row.title, shrinks: true },
      { title: "risk", cell: (row) => (row.risk === "high" ? page.paint("red", row.risk) : row.risk) },
      { title: "longest", cell: (row) => row.forMe.maxDuration ?? row.maxDuration },
      { title: "for you", cell: (row) => forYou(row.forMe, page), shrinks: true },
    ],
    rows,
    page,
  );
}

/** What can be asked for as one. */
const bundleLines = (bundles: readonly KitView[] = []): string[] =>
  bundles.length === 0
    ? []
    : ["", ...bundles.map(({ name, title, entitlements }) => `${name}  ${title}: ${entitlements.join(", ")}`)];

/** `at once`, `at once with a ticket`, `needs 1 of group:security`, `no: …`. */
function forYou(forMe: ForMe, { paint }: Page): string {
  const needs = forMe.needs.join(", ");
  if (forMe.outcome === "automatic") return paint("green", needs === "" ? "at once" : `at once, with ${needs}`);
  if (forMe.outcome === "needs-approval") return paint("yellow", needs === "" ? "needs approval" : `needs ${needs}`);
  return paint("red", `no${forMe.why === null ? "" : `: ${forMe.why}`}`);
}

function inFull(resource: ResourceView, page: Page): string[] {
  const labels = Object.entries(resource.labels).map(([key, value]) => `${key}=${value}`);
  return [
    `${page.paint("bold", resource.name)}  ${resource.title} (${resource.connector})`,
    ...(labels.length === 0 ? [] : [`  labels: ${labels.join(", ")}`]),
    `  owners: ${resource.owners.join(", ") || "none"}`,
    ...resource.entitlements.flatMap((entitlement) => [
      "",
      `  ${page.paint("bold", entitlement.ref)}  ${entitlement.title} (${entitlement.risk} risk, at most ${entitlement.maxDuration})`,
      ...entitlement.describe.map((line) => `    - ${line}`),
      `    for you: ${forYou(entitlement.forMe, page)}${entitlement.forMe.rule === null ? "" : ` (rule ${entitlement.forMe.rule})`}`,
    ]),
  ];
}
