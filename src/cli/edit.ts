import type { Command } from "commander";
import { Option } from "commander";
import { systemClock } from "../base/clock.ts";
import type { EditRequest } from "../contract/requests.ts";
import { act } from "./act.ts";
import { usage } from "./failure.ts";
import { given } from "./list-options.ts";
import { durationText, requestIdText, startTime, withExamples, withServer } from "./options.ts";
import { grantOf, outcomeLines } from "./request.ts";
import { whatIsAsked } from "./words/request-words.ts";

type Options = {
  readonly for?: string;
  readonly reason?: string;
  readonly ticket?: string;
  readonly start?: string;
  readonly onUse?: true;
  readonly onApproval?: true;
};

const NOW = "now";

export function edit(program: Command): void {
  const startAt = startTime(systemClock.nowMs());
  const command = program
    .command("edit")
    .description("change your request while it waits; what was said about it counts no more")
    .argument("<id>", "the request: rq_…", requestIdText)
    .option("--for <duration>", "for so long instead; for more time on a grant: so much more", durationText)
    .option("--reason <text>", "another reason")
    .option("--ticket <id>", 'another ticket; "" for none')
    .option("--start <time>", "from then on: 2026-01-31T12:00:00Z, 14:30 or +2h; now: once approved", (written) =>
      written.trim() === NOW ? NOW : startAt(written),
    )
    .addOption(new Option("--on-use", "the time starts with the first use").conflicts("onApproval"))
    .option("--on-approval", "the time starts with the approval");
  withExamples(
    withServer(command),
    "tidegate edit rq_0123456789abcdef --for 30m",
    'tidegate edit rq_0123456789abcdef --reason "INC-42 slow checkouts, customer 4711" --ticket INC-42',
  ).action(
    act(async (context, id: string, options: Options) => {
      const { client, output } = context;
      const changed = await client.editRequest(id, bodyOf(options));
      output.answer({ ...changed, grant: await grantOf(context, changed) }, (shown, page) => [
        `${page.paint("green", "Changed")}: you ask for ${whatIsAsked(shown)}.`,
        ...outcomeLines(shown, page),
      ]);
    }),
  );
}

function bodyOf({ for: duration, reason, ticket, start, onUse, onApproval }: Options): EditRequest {
  const body = given({
    duration,
    reason,
    ticket,
    start: start === NOW ? null : start,
    activation: onUse ? ("on-use" as const) : onApproval ? ("on-approval" as const) : undefined,
  });
  if (Object.keys(body).length === 0)
    throw usage("Say what is to be different: --for, --reason, --ticket, --start, --on-use or --on-approval.");
  return body;
}
