import type { Command } from "commander";
import { act } from "./act.ts";
import { isBundleId, requestOrBundleIdText, withExamples, withServer } from "./options.ts";
import { grantsOf } from "./request-bundle.ts";
import { doneLines } from "./words/bundle-words.ts";

export function cancel(program: Command): void {
  const command = program
    .command("cancel")
    .description("take a pending request back")
    .argument("<id>", "the request: rq_…, or the bundle: bn_…", requestOrBundleIdText);
  withExamples(withServer(command), "tidegate cancel rq_0123456789abcdef").action(
    act(async (context, id: string) => {
      const { client, output } = context;
      if (isBundleId(id)) {
        const done = await client.cancelBundle(id);
        return output.answer({ ...done, grants: await grantsOf(context, done) }, doneLines("Cancelled"));
      }
      output.answer(await client.cancelRequest(id), (request) => [
        `Cancelled: nobody is asked for ${request.entitlement} any more.`,
      ]);
    }),
  );
}
