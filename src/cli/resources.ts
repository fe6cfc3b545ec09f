import type { Command } from "commander";
import type { ForMe, KitView, ResourceView } from "../contract/catalog.ts";
import { act } from "./act.ts";
import { withExamples, withServer } from "./options.ts";
import type { Page } from "./output.ts";
import { table } from "./words/table.ts";

export function resources(program: Command): void {
  const command = program
    .command("resources")
    .description("what there is to ask for, and what policy would say to you");
  withExamples(
    withServer(command.argument("[resource]", "only this one, with what each entitlement allows")),
    "tidegate resources",
    "tidegate resources orders-db",
  ).action(
    act(async ({ client, output }, name: string | undefined) => {
      const all = await client.listResources();
      const found = name === undefined ? all.resources : all.resources.filter((resource) => resource.name === name);
      if (name !== undefined && found.length === 0) throw await unknown(name, all.resources);
      output.answer({ ...all, resources: found }, (shown, page) =>
        name === undefined
          ? [...listed(shown.resources, page), ...bundleLines(shown.bundles)]
          : shown.resources.flatMap((resource) => inFull(resource, page)),
      );
    }),
  );
}

async function unknown(name: string, all: readonly ResourceView[]): Promise<Error> {
  const [{ CommandFailure }, { suggest }] = await Promise.all([import("./failure.ts"), import("../base/nearest.ts")]);
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
