import type { Command } from "commander";
import type { GrantView } from "../contract/access.ts";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { given, type Narrowing, narrowed, noteMore, timeGiven, withNarrowing, withPages } from "./list-options.ts";
import { grantIdText, withExamples, withoutWords, withServer, wordsOf } from "./options.ts";
import type { Page } from "./output.ts";
import { clean } from "./words/clean.ts";
import { grantLines, grantState, grantTime } from "./words/grant-words.ts";
import { table } from "./words/table.ts";

const STATES = ["scheduled", "provisioning", "active", "revoking", "revoked", "cancelled", "failed"];
/** What is, or may still become, access: that is what people ask about. */
const LIVE = "scheduled,provisioning,active,revoking";

type ListOptions = Narrowing & {
  readonly all?: true;
  readonly state?: string;
  readonly endsFrom?: string;
  readonly endsUntil?: string;
  readonly liveAt?: string;
};

export function grants(program: Command): void {
  const group = program
    .command("grants")
    .description("grants that you may see: list them, show one")
    .enablePositionalOptions()
    .addHelpText("after", '\nWithout a command it lists; "tidegate grants list --help" says how to narrow that down.');
  const list = group.command("list", { isDefault: true }).description("live grants that you may see, newest first");
  withExamples(
    withServer(listOptions(withoutWords(list, ["list", "show"]))),
    "tidegate grants --mine",
    "tidegate grants list --all --resource orders-db --from 2026-01-31",
    "tidegate grants list --live-at 2026-01-31T03:00:00Z",
  ).action(act(async (context, _word: undefined, options: ListOptions) => listGrants(context, options)));
  const show = group
    .command("show")
    .description("one grant: who has what and why, who agreed, is it live, is it proven gone, the receipt");
  withExamples(
    withServer(show.argument("<id>", "the grant: gr_…", grantIdText)),
    "tidegate grants show gr_0123456789abcdef",
  ).action(act(showGrant));
}

/** For people with the reason and who agreed, which belong to the request; where that cannot be seen, without them. */
async function showGrant({ client, output }: Context, id: string): Promise<void> {
  const grant = await client.getGrant(id);
  const request = output.json ? null : clean(await client.getRequest(grant.requestId).catch(() => null));
  output.answer(grant, (shown, page) => grantLines(shown, page, request));
}

const listOptions = (command: Command): Command => {
  const states = `only these: ${STATES.join(", ")}; several with commas`;
  const those = command
    .option("--all", "those that have ended, too")
    .option("--state <states>", states, wordsOf(STATES));
  const whose = withNarrowing(those, { whose: "only of this person", did: "made" })
    .option("--ends-from <time>", "only with an end at this time or later", timeGiven)
    .option("--ends-until <time>", "only with an end before this time, such as +1h", timeGiven)
    .option("--live-at <time>", "who could have had access then; those that have ended since, too", timeGiven);
  return withPages(whose);
};

async function listGrants({ client, output }: Context, options: ListOptions): Promise<void> {
  const { endsFrom, endsUntil, liveAt } = options;
  // Who had access then may have none now.
  const state = options.state ?? (options.all || liveAt !== undefined ? undefined : LIVE);
  const page = await client.listGrants({ ...narrowed(options), ...given({ state, endsFrom, endsUntil, liveAt }) });
  const none =
    state === LIVE ? "No live grants here. Those that have ended, too: the same with --all" : "No grants here.";
  output.answer(page, (answer, sheet) => (answer.grants.length === 0 ? [none] : listed(answer.grants, sheet)));
  noteMore({ output }, page.next);
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
