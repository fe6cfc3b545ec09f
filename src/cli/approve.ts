import type { Command } from "commander";
import type { RequestView } from "../contract/access.ts";
import { act } from "./act.ts";
import { goesOn } from "./asking.ts";
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
import { clean } from "./words/clean.ts";
import { requestLines } from "./words/request-words.ts";
import { reviewedLines } from "./words/reviewed-words.ts";

type Options = {
  readonly for?: string;
  readonly entitlement?: string;
  readonly comment?: string;
  readonly seen?: string;
};

const EXAMPLE = "tidegate approve rq_0123456789abcdef";
/** Given without an id they would be forgotten by the questions. */
const VERDICT_OPTIONS = ["for", "entitlement", "comment", "seen"];

export function approve(program: Command): void {
  const command = program
    .command("approve")
    .description("approve a request, or less than was asked for; on a terminal, what waits for you can be picked")
    .argument("[id]", "the request: rq_…, or the bundle: bn_…", requestOrBundleIdText)
    .option("--for <duration>", "approve it for this long at most", durationText)
    .option("--entitlement <name>", "approve this narrower entitlement of the resource instead", entitlementName)
    .option("--comment <text>", "for the requester and the log")
    .option("--seen <version>", 'of a request that was changed: the version that you read in "requests show"');
  withExamples(
    withServer(command),
    EXAMPLE,
    "tidegate approve",
    'tidegate approve rq_0123456789abcdef --for 30m --comment "should be enough"',
  ).action(
    act(async (context, id: string | undefined, options: Options) => {
      const { output } = context;
      if (id === undefined) {
        if (!output.interactive || Object.keys(options).some((name) => VERDICT_OPTIONS.includes(name)))
          requireGiven(["the request (rq_…)"], EXAMPLE);
        return reviewByAsking(context);
      }
      if (isBundleId(id)) return approveBundle(context, id, options);
      output.answer(await approveRequest(context, id, options), reviewedLines);
    }),
  );
}

/** One that its requester has changed is approved as it was read: with the version of that, or here and now. */
async function approveRequest(context: Context, id: string, options: Options): Promise<RequestView> {
  const { client, output } = context;
  const review = {
    verdict: "approve" as const,
    comment: options.comment ?? "",
    duration: options.for ?? null,
    entitlement: options.entitlement ?? null,
  };
  try {
    return await client.reviewRequest(id, review, { seen: options.seen });
  } catch (error) {
    if (!output.interactive || !hasChanged(error)) throw error;
    const request = await client.getRequest(id);
    output.note(...requestLines(clean(request), output.notePage));
    if (!(await goesOn(context, "It was changed. Approve it as it is now?"))) throw error;
    return client.reviewRequest(id, review, { seen: request.version });
  }
}

const hasChanged = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "request-changed";

/** Every part that waits and that the person may review. */
async function approveBundle(context: Context, id: string, options: Options): Promise<void> {
  if (options.entitlement !== undefined)
    throw usage("A bundle is of several entitlements: to approve a narrower one, approve its request by its own id.");
  const comment = options.comment ?? "";
  const done = await context.client.reviewBundle(id, { verdict: "approve", comment, duration: options.for ?? null });
  context.output.answer({ ...done, grants: await grantsOf(context, done) }, doneLines("Approved"));
}
