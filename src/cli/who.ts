import type { Command } from "commander";
import type { EligiblePeople } from "../contract/eligibility.ts";
import { act } from "./act.ts";
import { given, type NamedPage, noteMore, withNamedPages } from "./list-options.ts";
import { entitlementName, withExamples, withServer } from "./options.ts";
import type { Page } from "./output.ts";
import { fullName } from "./words/people.ts";
import { wayLine } from "./words/way-words.ts";

export function who(program: Command): void {
  const group = program.command("who").description("who could get something");
  const can = group
    .command("can")
    .description("everybody who could get an entitlement, and how; for its owners, operators, auditors and admins")
    .argument("<entitlement>", "resource and entitlement, such as orders-db:fix", entitlementName);
  withExamples(
    withServer(withNamedPages(can)),
    "tidegate who can orders-db:fix",
    "tidegate who can orders-db:fix --limit 200 --json",
  ).action(
    act(async ({ client, output }, entitlement: string, options: NamedPage) => {
      const { cursor, limit } = options;
      const page = await client.listEligible(entitlement, given({ cursor, limit }));
      output.answer(page, peopleLines);
      noteMore({ output }, page.next);
    }),
  );
}

function peopleLines({ entitlement, title, people, assumes, next }: EligiblePeople, page: Page): string[] {
  const nobody = people.length === 0 && next === null ? ["  nobody"] : [];
  return [
    `${page.paint("bold", entitlement)} (${title}) could be had by:`,
    ...nobody,
    ...people.flatMap(({ person, type, ways }) => [
      `  ${page.paint("bold", fullName(person))}${type === "" ? "" : `, ${type}`}`,
      ...ways.map((way) => `    ${wayLine(way, page)}`),
    ]),
    ...assumes.map((sentence) => page.paint("dim", sentence)),
  ];
}
