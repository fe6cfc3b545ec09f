import type { Command } from "commander";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { EXIT } from "./exit-code.ts";
import { durationText, grantIdText, withExamples, withServer } from "./options.ts";
import { stepLines } from "./words/request-words.ts";
import { moment } from "./words/time.ts";

type Options = { readonly for: string; readonly reason: string };

export function extend(program: Command): void {
  const command = program
    .command("extend")
    .description("ask for more time on an active grant; sessions go on")
    .argument("<grant>", "grant", grantIdText)
    .requiredOption("--for <duration>", "the time to add", durationText)
    .requiredOption("--reason <text>", "why more is needed");
  withExamples(withServer(command), 'tidegate extend gr_0123456789abcdef --for 30m --reason "INC-42 goes on"').action(
    act(async (context, id: string, options: Options) => extendGrant(context, id, options)),
  );
}

async function extendGrant({ client, output }: Context, id: string, options: Options): Promise<number> {
  const answer = await client.extendGrant(id, { duration: options.for, reason: options.reason });
  if (answer.extended) {
    output.answer(answer.grant, (grant, page) => [
      `${page.paint("green", "Extended")}: ${grant.entitlement} ends ${moment(grant.expiresAt, page.nowMs)}.`,
    ]);
    return EXIT.done;
  }
  const request = await client.getRequest(answer.requestId);
  output.answer(request, (pending, page) => [
    `${page.paint("yellow", "Not yet")}: more time needs approval (request ${pending.id}); until then the grant ends as it would.`,
    ...stepLines(pending, page).map((line) => `  ${line}`),
  ]);
  return EXIT.pending;
}
