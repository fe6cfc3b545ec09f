import type { Command } from "commander";
import type { MessageView } from "../contract/messages.ts";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { given, noteMore, type Order, withPages } from "./list-options.ts";
import { withExamples, withServer } from "./options.ts";
import type { Page } from "./output.ts";
import { moment } from "./words/time.ts";

type Options = {
  readonly everybody?: true;
  readonly follow?: true;
  readonly order?: Order;
  readonly limit?: number;
  readonly cursor?: string;
};

export function inbox(program: Command): void {
  const command = program
    .command("inbox")
    .description("what you were told: requests that wait for you, what became of yours, access that ended early")
    .option("--everybody", "messages to anybody, with their deliveries (for operators, admins and auditors)")
    .option("--follow", "go on, and show what you are told from now on");
  withExamples(
    withServer(withPages(command)),
    "tidegate inbox",
    "tidegate inbox --follow --json",
    "tidegate inbox --everybody --limit 200",
  ).action(act(async (context, options: Options) => (options.follow ? follow(context) : list(context, options))));
}

async function list({ client, output }: Context, { everybody, order, limit, cursor }: Options): Promise<void> {
  const person = everybody ? undefined : "me";
  const page = await client.listMessages(given({ person, order, limit, cursor }));
  output.answer(page, ({ messages }, sheet) =>
    messages.length === 0
      ? [everybody ? "Nobody was told anything in the last 30 days." : "You were told nothing in the last 30 days."]
      : messages.flatMap((message) => messageLines(message, sheet, everybody === true)),
  );
  noteMore({ output }, page.next);
}

/** Until somebody stops it, or the token is good no more. */
async function follow({ client, output }: Context): Promise<void> {
  for await (const { messageId } of client.events()) {
    if (messageId === null) continue;
    const message = await client.getMessage(messageId);
    if (output.json) output.jsonEntry(message);
    else output.answer(message, (it, page) => messageLines(it, page, false));
  }
}

function messageLines({ at, text, next, to, deliveries }: MessageView, page: Page, everybody: boolean): string[] {
  const whom = everybody ? [`to ${to.map(({ handle }) => handle).join(", ")}`] : [];
  const ways = everybody ? (deliveries ?? []).map((it) => delivery(it, page)) : [];
  return [
    `${page.paint("bold", moment(at, page.nowMs))}  ${text}`,
    ...(next === null ? [] : [`  ${page.paint("dim", next)}`]),
    ...(everybody ? [`  ${page.paint("dim", [...whom, ...ways].join("; "))}`] : []),
  ];
}

function delivery(it: NonNullable<MessageView["deliveries"]>[number], { nowMs }: Page): string {
  const { channel, state, attempts, nextAttempt, lastError } = it;
  const error = lastError === null ? "" : ` (${lastError})`;
  if (state === "delivered") return `${channel}: delivered`;
  if (state === "failed") return `${channel}: given up after ${attempts} attempts${error}`;
  return `${channel}: ${attempts === 0 ? "waits" : `${attempts} attempts${error}, next ${moment(nextAttempt ?? "", nowMs)}`}`;
}
