import type { Command } from "commander";
import { act } from "./act.ts";
import { requestIdText, withExamples, withServer } from "./options.ts";
import { commentedLines } from "./words/commented-words.ts";

export function comment(program: Command): void {
  const command = program
    .command("comment")
    .description("write to those who are concerned with a request: ask the requester for information, or answer")
    .argument("<id>", "the request: rq_…", requestIdText)
    .argument("<text>", "what you have to say; the requester, the approvers and auditors read it")
    .option("--ask", "it asks the requester: the request waits for their answer");
  withExamples(
    withServer(command),
    'tidegate comment rq_0123456789abcdef "Which customer is this about?" --ask',
    'tidegate comment rq_0123456789abcdef "Customer 4711, their order is stuck"',
  ).action(
    act(async ({ client, output }, id: string, text: string, { ask }: { ask?: true }) => {
      output.answer(await client.commentOnRequest(id, { text, asks: ask === true }), commentedLines(ask === true));
    }),
  );
}
