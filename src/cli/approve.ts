import type { Command } from "commander";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { usage } from "./failure.ts";
import {
  durationText,
  entitlementName,
  isBundleId,
  requestOrBundleIdText,
  requireGiven,
  withExamples,
  withServer,
} from "./options.ts";
import { grantsOf } from "./request-bundle.ts";
import { reviewByAsking } from "./review-prompt.ts";
import { doneLines } from "./words/bundle-words.ts";
import { reviewedLines } from "./words/reviewed-words.ts";

type Options = { readonly for?: string; readonly entitlement?: string; readonly comment?: string };

const EXAMPLE = "tidegate approve rq_0123456789abcdef";
/** Given without an id they would be forgotten by the questions. */
const VERDICT_OPTIONS = ["for", "entitlement", "comment"];

export function approve(program: Command): void {
  const command = program
    .command("approve")
    .description("approve a request, or less than was asked for; on a terminal, what waits for you can be picked")
    .argument("[id]", "the request: rq_…, or the bundle: bn_…", requestOrBundleIdText)
    .option("--for <duration>", "approve it for this long at most", durationText)
    .option("--entitlement <name>", "approve this narrower entitlement of the resource instead", entitlementName)
    .option("--comment <text>", "for the requester and the log");
  withExamples(
    withServer(command),
    EXAMPLE,
    "tidegate approve",
    'tidegate approve rq_0123456789abcdef --for 30m --comment "should be enough"',
  ).action(
    act(async (context, id: string | undefined, options: Options) => {
      const { client, output } = context;
      if (id === undefined) {
        if (!output.interactive || Object.keys(options).some((name) => VERDICT_OPTIONS.includes(name)))
          requireGiven(["the request (rq_…)"], EXAMPLE);
        return reviewByAsking(context);
      }
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
