import type { Command } from "commander";
import { act } from "./act.ts";
import { requestIdText, withExamples, withServer } from "./options.ts";

export function cancel(program: Command): void {
  const command = program
    .command("cancel")
    .description("take a pending request back")
    .argument("<id>", "the request: rq_…", requestIdText);
  withExamples(withServer(command), "tidegate cancel rq_0123456789abcdef").action(
    act(async ({ client, output }, id: string) => {
      output.answer(await client.cancelRequest(id), (request) => [
        `Cancelled: nobody is asked for ${request.entitlement} any more.`,
      ]);
    }),
  );
}
