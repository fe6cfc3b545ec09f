import { type Command, Option } from "commander";
import type { RequestView } from "../contract/access.ts";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { given, type Narrowing, narrowed, noteMore, withNarrowing, withPages } from "./list-options.ts";
import { isBundleId, requestOrBundleIdText, withExamples, withoutWords, withServer, wordsOf } from "./options.ts";
import type { Page } from "./output.ts";
import { grantsOf } from "./request-bundle.ts";
import { bundleLines } from "./words/bundle-words.ts";
import { requestLines, stateOf, waitingFor } from "./words/request-words.ts";
import { table } from "./words/table.ts";
import { moment } from "./words/time.ts";

/** As the contract has them; the contract itself is loaded only to talk. */
const STATES = ["pending", "approved", "denied", "cancelled", "expired"];
const ROLES = ["requester", "approver"] as const;

type ListOptions = Narrowing & {
  readonly toReview?: true;
  readonly state?: string;
  readonly role?: (typeof ROLES)[number];
};

export function requests(program: Command): void {
  const group = program
    .command("requests")
    .description("requests that you may see: list them, show one")
    .enablePositionalOptions()
    .addHelpText(
      "after",
      '\nWithout a command it lists; "tidegate requests list --help" says how to narrow that down.',
    );
  const list = group.command("list", { isDefault: true }).description("requests that you may see, newest first");
  withExamples(
    withServer(listOptions(withoutWords(list, ["list", "show"]))),
    "tidegate requests --to-review",
    "tidegate requests list --mine --state pending,approved",
    "tidegate requests list --person alice --resource orders-db --from 2026-01-31 --order oldest",
  ).action(act(async (context, _word: undefined, options: ListOptions) => listRequests(context, options)));
  const show = group.command("show").description("one request: who, what exactly, why, what policy says");
  withExamples(
    withServer(show.argument("<id>", "the request: rq_…, or a bundle of them: bn_…", requestOrBundleIdText)),
    "tidegate requests show rq_0123456789abcdef",
  ).action(act(showOne));
}

async function showOne(context: Context, id: string): Promise<void> {
  const { client, output } = context;
  if (!isBundleId(id)) return output.answer(await client.getRequest(id), requestLines);
  const bundle = await client.getBundle(id);
  output.answer({ ...bundle, grants: await grantsOf(context, bundle) }, bundleLines);
}

const listOptions = (command: Command): Command => {
  const toReview = new Option("--to-review", "those that wait for your review").conflicts(["mine", "role", "state"]);
  const role = new Option("--role <role>", "requester: your own; approver: those you may review or have reviewed");
  const states = `only these: ${STATES.join(", ")}; several with commas`;
  const those = command
    .addOption(toReview)
    .addOption(role.choices(ROLES))
    .option("--state <states>", states, wordsOf(STATES));
  return withPages(withNarrowing(those, { whose: "only asked for by this person", did: "asked for" }));
};

async function listRequests({ client, output }: Context, options: ListOptions): Promise<void> {
  const state = options.toReview ? "pending" : options.state;
  const role = options.toReview ? "approver" : options.role;
  const page = await client.listRequests({ ...narrowed(options), ...given({ role, state }) });
  // "approver" holds those that were reviewed already, too.
  const shown = options.toReview ? { ...page, requests: page.requests.filter((request) => request.canReview) } : page;
  const none = options.toReview ? "Nothing waits for your review." : "No requests here.";
  output.answer(shown, (answer, sheet) => (answer.requests.length === 0 ? [none] : listed(answer.requests, sheet)));
  noteMore({ output }, page.next);
}

const listed = (all: readonly RequestView[], page: Page): string[] =>
  table<RequestView>(
    [
      { title: "request", cell: (request) => request.id },
      { title: "state", cell: (request) => stateOf(request, page) },
      { title: "who", cell: (request) => request.requester.handle },
      { title: "what", cell: (request) => `${request.entitlement} for ${request.duration}` },
      { title: "asked", cell: (request) => moment(request.createdAt, page.nowMs) },
      { title: "why", cell: whyOrWait, shrinks: true },
    ],
    all,
    page,
  );

const whyOrWait = (request: RequestView): string =>
  [request.ticket, request.reason, request.state === "pending" ? `(${waitingFor(request)})` : ""]
    .filter((part) => part !== "")
    .join(" ");
