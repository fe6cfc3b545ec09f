import type { Command } from "commander";
import type { RequestView } from "../contract/access.ts";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { requestIdText, wholeNumber, withExamples, withoutWords, withServer, wordsOf } from "./options.ts";
import type { Page } from "./output.ts";
import { requestLines, stateOf, waitingFor } from "./words/request-words.ts";
import { table } from "./words/table.ts";
import { moment } from "./words/time.ts";

/** As the contract has them; the contract itself is loaded only to talk. */
const STATES = ["pending", "approved", "denied", "cancelled", "expired"];
const PAGE_MAX = 200;

type ListOptions = {
  readonly toReview?: true;
  readonly mine?: true;
  readonly state?: string;
  readonly limit?: number;
  readonly cursor?: string;
};

export function requests(program: Command): void {
  const group = program
    .command("requests")
    .description("requests that you may see: list them, show one")
    .enablePositionalOptions();
  const list = group.command("list", { isDefault: true }).description("requests that you may see, newest first");
  withExamples(
    withServer(listOptions(withoutWords(list, ["list", "show"]))),
    "tidegate requests --to-review",
    "tidegate requests list --mine --state pending,approved",
  ).action(act(async (context, _word: undefined, options: ListOptions) => listRequests(context, options)));
  const show = group.command("show").description("one request: who, what exactly, why, what policy says");
  withExamples(
    withServer(show.argument("<id>", "request", requestIdText)),
    "tidegate requests show rq_0123456789abcdef",
  ).action(act(async ({ client, output }, id: string) => output.answer(await client.getRequest(id), requestLines)));
}

const listOptions = (command: Command): Command =>
  command
    .option("--to-review", "those that wait for your review")
    .option("--mine", "your own")
    .option("--state <states>", `only these: ${STATES.join(", ")}`, wordsOf(STATES))
    .option("--limit <count>", "how many", wholeNumber(1, PAGE_MAX))
    .option("--cursor <cursor>", "go on where a page ended");

async function listRequests({ client, output }: Context, options: ListOptions): Promise<void> {
  const state = options.state ?? (options.toReview ? "pending" : undefined);
  const role = options.toReview ? "approver" : options.mine ? "requester" : undefined;
  const { limit, cursor } = options;
  const page = await client.listRequests({
    ...(role === undefined ? {} : { role }),
    ...(state === undefined ? {} : { state }),
    ...(limit === undefined ? {} : { limit }),
    ...(cursor === undefined ? {} : { cursor }),
  });
  // "approver" holds those that were reviewed already, too.
  const shown = options.toReview ? { ...page, requests: page.requests.filter((request) => request.canReview) } : page;
  const none = options.toReview ? "Nothing waits for your review." : "No requests.";
  output.answer(shown, (answer, sheet) => (answer.requests.length === 0 ? [none] : listed(answer.requests, sheet)));
  if (!output.json && page.next !== null) output.note(`More: --cursor ${page.next}`);
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
