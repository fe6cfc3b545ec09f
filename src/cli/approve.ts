import type { Command } from "commander";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { usage } from "./failure.ts";
import {
  durationText,
  entitlementName,
  isBundleId,
  requestOrBundleIdText,
  withExamples,
  withServer,
} from "./options.ts";
import { grantsOf } from "./request-bundle.ts";
import { doneLines } from "./words/bundle-words.ts";
import { reviewedLines } from "./words/reviewed-words.ts";

type Options = { readonly for?: string; readonly entitlement?: string; readonly comment?: string };

export function approve(program: Command): void {
  const command = program
    .command("approve")
    .description("approve a request, or less than was asked for")
    .argument("<id>", "the request: rq_…, or the bundle: bn_…", requestOrBundleIdText)
    .option("--for <duration>", "approve it for this long at most", durationText)
    .option("--entitlement <name>", "approve this narrower entitlement of the resource instead", entitlementName)
    .option("--comment <text>", "for the requester and the log");
  withExamples(
    withServer(command),
    "tidegate approve rq_0123456789abcdef",
    'tidegate approve rq_0123456789abcdef --for 30m --comment "should be enough"',
  ).action(
    act(async (context, id: string, options: Options) => {
      const { client, output } = context;
      if (isBundleId(id)) return approveBundle(context, id, options);
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

/** Every part that waits and that the person may review. */
async function approveBundle(context: Context, id: string, options: Options): Promise<void> {
  if (options.entitlement !== undefined)
    throw usage("A bundle is of several entitlements: to approve a narrower one, approve its request by its own id.");
  const comment = options.comment ?? "";
  const done = await context.client.reviewBundle(id, { verdict: "approve", comment, duration: options.for ?? null });
  context.output.answer({ ...done, grants: await grantsOf(context, done) }, doneLines("Approved"));
}
