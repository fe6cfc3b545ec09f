import type { Command } from "commander";
import type { GrantView } from "../contract/access.ts";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { grantIdText, wholeNumber, withExamples, withoutWords, withServer, wordsOf } from "./options.ts";
import type { Page } from "./output.ts";
import { clean } from "./words/clean.ts";
import { grantLines, grantState, grantTime } from "./words/grant-words.ts";
import { table } from "./words/table.ts";

const STATES = ["scheduled", "provisioning", "active", "revoking", "revoked", "cancelled", "failed"];
/** What is, or may still become, access: that is what people ask about. */
const LIVE = "scheduled,provisioning,active,revoking";
const PAGE_MAX = 200;

type ListOptions = {
  readonly all?: true;
  readonly mine?: true;
  readonly state?: string;
  readonly resource?: string;
  readonly person?: string;
  readonly limit?: number;
  readonly cursor?: string;
};

export function grants(program: Command): void {
  const group = program
    .command("grants")
    .description("grants that you may see: list them, show one")
    .enablePositionalOptions();
  const list = group.command("list", { isDefault: true }).description("live grants that you may see, newest first");
  withExamples(
    withServer(listOptions(withoutWords(list, ["list", "show"]))),
    "tidegate grants --mine",
    "tidegate grants list --all --resource orders-db",
  ).action(act(async (context, _word: undefined, options: ListOptions) => listGrants(context, options)));
  const show = group
    .command("show")
    .description("one grant: who has what and why, who agreed, is it live, is it proven gone, the receipt");
  withExamples(
    withServer(show.argument("<id>", "grant", grantIdText)),
    "tidegate grants show gr_0123456789abcdef",
  ).action(act(showGrant));
}

/** For people with the reason and who agreed, which belong to the request; where that cannot be seen, without them. */
async function showGrant({ client, output }: Context, id: string): Promise<void> {
  const grant = await client.getGrant(id);
  const request = output.json ? null : clean(await client.getRequest(grant.requestId).catch(() => null));
  output.answer(grant, (shown, page) => grantLines(shown, page, request));
}

const listOptions = (command: Command): Command =>
  command
    .option("--all", "those that have ended, too")
    .option("--mine", "your own")
    .option("--state <states>", `only these: ${STATES.join(", ")}`, wordsOf(STATES))
    .option("--resource <name>", "only on this resource")
    .option("--person <handle>", "only of this person")
    .option("--limit <count>", "how many", wholeNumber(1, PAGE_MAX))
    .option("--cursor <cursor>", "go on where a page ended");

async function listGrants({ client, output }: Context, options: ListOptions): Promise<void> {
  const { resource, limit, cursor } = options;
  const state = options.state ?? (options.all ? undefined : LIVE);
  const person = options.mine ? "me" : options.person;
  const page = await client.listGrants({
    ...(state === undefined ? {} : { state }),
    ...(resource === undefined ? {} : { resource }),
    ...(person === undefined ? {} : { person }),
    ...(limit === undefined ? {} : { limit }),
    ...(cursor === undefined ? {} : { cursor }),
  });
  const none = state === LIVE ? "No live grants. Those that have ended: tidegate grants --all" : "No grants.";
  output.answer(page, (answer, sheet) => (answer.grants.length === 0 ? [none] : listed(answer.grants, sheet)));
  if (!output.json && page.next !== null) output.note(`More: --cursor ${page.next}`);
}

const listed = (all: readonly GrantView[], page: Page): string[] =>
  table<GrantView>(
    [
      { title: "grant", cell: (grant) => grant.id },
      { title: "state", cell: (grant) => grantState(grant, page) },
      { title: "who", cell: (grant) => grant.principal.handle },
      { title: "what", cell: (grant) => grant.entitlement },
      { title: "when", cell: (grant) => grantTime(grant, page.nowMs) },
      { title: "trouble", cell: (grant) => grant.trouble?.lastError.message ?? "", shrinks: true },
    ],
    all,
    page,
  );
