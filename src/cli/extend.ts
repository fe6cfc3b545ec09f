import type { Command } from "commander";
import type { GrantView, RequestView } from "../contract/access.ts";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { EXIT } from "./exit-code.ts";
import { Interrupted, Interrupts } from "./interrupts.ts";
import { LiveLine } from "./live-line.ts";
import { durationText, grantIdText, withExamples, withServer } from "./options.ts";
import { untilDecided } from "./waiting.ts";
import { endOf, stepLines } from "./words/request-words.ts";
import { moment } from "./words/time.ts";

type Options = { readonly for: string; readonly reason: string; readonly wait?: true };

export function extend(program: Command): void {
  const command = program
    .command("extend")
    .description("ask for more time on an active grant; sessions go on")
    .argument("<grant>", "the grant: gr_…", grantIdText)
    .requiredOption("--for <duration>", "the time to add", durationText)
    .requiredOption("--reason <text>", "why more is needed")
    .option("--wait", "where it needs approval: wait until it is decided");
  withExamples(
    withServer(command),
    'tidegate extend gr_0123456789abcdef --for 30m --reason "INC-42 goes on"',
    'tidegate extend gr_0123456789abcdef --for 2h --reason "INC-42 goes on" --wait',
  ).action(act(async (context, id: string, options: Options) => extendGrant(context, id, options)));
}

async function extendGrant(context: Context, id: string, options: Options): Promise<number> {
  const { client, output } = context;
  const answer = await client.extendGrant(id, { duration: options.for, reason: options.reason });
  if (answer.extended) return tellExtended(context, answer.grant);
  const made = await client.getRequest(answer.requestId);
  const request = options.wait ? await decided(context, made) : made;
  if (request.state === "approved") return tellExtended(context, await client.getGrant(id));
  output.answer(request, (shown, page) =>
    shown.state === "pending"
      ? [
          `${page.paint("yellow", "Not yet")}: more time needs approval (request ${shown.id}); until then the grant ends as it would.`,
          ...stepLines(shown, page).map((line) => `  ${line}`),
        ]
      : [page.paint("red", endOf(shown))],
  );
  if (request.state === "pending") return EXIT.pending;
  return request.state === "denied" ? EXIT.denied : EXIT.failed;
}

function tellExtended({ output }: Context, extended: GrantView): number {
  output.answer(extended, (grant, page) => [
    `${page.paint("green", "Extended")}: ${grant.entitlement} ends ${moment(grant.expiresAt, page.nowMs)}.`,
  ]);
  return EXIT.done;
}

async function decided(context: Context, made: RequestView): Promise<RequestView> {
  const live = new LiveLine(context.output);
  const interrupts = new Interrupts((received) => process.exit(received === "SIGINT" ? 130 : 1));
  try {
    return await untilDecided(context, made, { live, signal: interrupts.signal });
  } catch (error) {
    if (interrupts.received === null) throw error;
    throw new Interrupted(
      interrupts.received,
      `Waiting was broken off. Request ${made.id} still waits; take it back with: tidegate cancel ${made.id}`,
    );
  } finally {
    live.end();
    interrupts.stop();
  }
}
