import type { Command } from "commander";
import { act } from "./act.ts";
import { isBundleId, requestOrBundleIdText, withExamples, withServer } from "./options.ts";
import { grantsOf } from "./request-bundle.ts";
import { doneLines } from "./words/bundle-words.ts";
import { reviewedLines } from "./words/reviewed-words.ts";

export function deny(program: Command): void {
  const command = program
    .command("deny")
    .description("deny a request; the requester reads your comment")
    .argument("<id>", "the request: rq_…, or the bundle: bn_…", requestOrBundleIdText)
    .requiredOption("--comment <text>", "why");
  withExamples(withServer(command), 'tidegate deny rq_0123456789abcdef --comment "use the replica for this"').action(
    act(async (context, id: string, { comment }: { comment: string }) => {
      const { client, output } = context;
      if (isBundleId(id)) {
        const done = await client.reviewBundle(id, { verdict: "deny", comment });
        output.answer({ ...done, grants: await grantsOf(context, done) }, doneLines("Denied"));
      } else output.answer(await client.reviewRequest(id, { verdict: "deny", comment }), reviewedLines);
    }),
  );
}
