import type { Command } from "commander";
import { act } from "./act.ts";
import { durationText, entitlementName, requestIdText, withExamples, withServer } from "./options.ts";
import { reviewedLines } from "./words/reviewed-words.ts";

type Options = { readonly for?: string; readonly entitlement?: string; readonly comment?: string };

export function approve(program: Command): void {
  const command = program
    .command("approve")
    .description("approve a request, or less than was asked for")
    .argument("<id>", "the request: rq_…", requestIdText)
    .option("--for <duration>", "approve it for this long at most", durationText)
    .option("--entitlement <name>", "approve this narrower entitlement of the resource instead", entitlementName)
    .option("--comment <text>", "for the requester and the log");
  withExamples(
    withServer(command),
    "tidegate approve rq_0123456789abcdef",
    'tidegate approve rq_0123456789abcdef --for 30m --comment "should be enough"',
  ).action(
    act(async ({ client, output }, id: string, options: Options) => {
      const reviewed = await client.reviewRequest(id, {
        verdict: "approve",
        comment: options.comment ?? "",
        duration: options.for ?? null,
        entitlement: options.entitlement ?? null,
      });
      output.answer(reviewed, reviewedLines);
    }),
  );
}
