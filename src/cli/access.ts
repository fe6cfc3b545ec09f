import type { Command } from "commander";
import type { AccessOf } from "../contract/eligibility.ts";
import { act } from "./act.ts";
import { given, type NamedPage, named, noteMore, withNamedPages } from "./list-options.ts";
import { withExamples, withServer } from "./options.ts";
import type { Page } from "./output.ts";
import { fullName } from "./words/people.ts";
import { moment } from "./words/time.ts";
import { wayLine } from "./words/way-words.ts";

export function access(program: Command): void {
  const command = program
    .command("access")
    .description(
      "what somebody could get and how, and what they have now; of others for operators, auditors and admins",
    )
    .argument("[person]", "a handle or an id; yourself without it", named("a handle or an id, such as alice"));
  withExamples(withServer(withNamedPages(command)), "tidegate access", "tidegate access alice --json").action(
    act(async ({ client, output }, person: string | undefined, options: NamedPage) => {
      const { cursor, limit } = options;
      const page = await client.readAccess(person ?? "me", given({ cursor, limit }));
      output.answer(page, (shown, sheet) => accessLines(shown, cursor === undefined, sheet));
      noteMore({ output }, page.next);
    }),
  );
}

function accessLines({ person, entitlements, grants, assumes, next }: AccessOf, first: boolean, page: Page): string[] {
  const has = grants.map(
    ({ entitlement, state, expiresAt, id }) =>
      `    ${page.paint("bold", entitlement)} ${state}, until ${moment(expiresAt, page.nowMs)} (${id})`,
  );
  return [
    fullName(person),
    ...(first ? ["  has now:", ...(has.length === 0 ? ["    nothing"] : has)] : []),
    "  could get:",
    ...(entitlements.length === 0 && next === null ? ["    nothing"] : []),
    ...entitlements.flatMap(({ ref, title, risk, ways }) => [
      `    ${page.paint("bold", ref)} ${title} (${risk} risk)`,
      ...ways.map((way) => `      ${wayLine(way, page)}`),
    ]),
    ...assumes.map((sentence) => page.paint("dim", sentence)),
  ];
}
