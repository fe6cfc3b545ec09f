import type { Command } from "commander";
import { act } from "./act.ts";
import { requestIdText, withExamples, withServer } from "./options.ts";
import { reviewedLines } from "./words/reviewed-words.ts";

export function deny(program: Command): void {
  const command = program
    .command("deny")
    .description("deny a request; the requester reads your comment")
    .argument("<id>", "the request: rq_…", requestIdText)
    .requiredOption("--comment <text>", "why");
  withExamples(withServer(command), 'tidegate deny rq_0123456789abcdef --comment "use the replica for this"').action(
    act(async ({ client, output }, id: string, { comment }: { comment: string }) => {
      output.answer(await client.reviewRequest(id, { verdict: "deny", comment }), reviewedLines);
    }),
  );
}
