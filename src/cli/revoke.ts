import type { Command } from "commander";
import type { GrantView } from "../contract/access.ts";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { EXIT } from "./exit-code.ts";
import { Interrupted, Interrupts } from "./interrupts.ts";
import { LiveLine } from "./live-line.ts";
import { grantIdText, withExamples, withServer } from "./options.ts";
import { untilGrant } from "./waiting.ts";
import { grantSentence, receiptLines } from "./words/grant-words.ts";

type Options = { readonly reason?: string; readonly wait?: true };

export function revoke(program: Command): void {
  const command = program
    .command("revoke")
    .description("end a grant now: give yours back, or take another's away")
    .argument("<grant>", "the grant: gr_…", grantIdText)
    .option("--reason <text>", "why")
    .option("--wait", "wait for the proof that the access is gone");
  withExamples(withServer(command), "tidegate revoke gr_0123456789abcdef --wait").action(
    act(async (context, id: string, options: Options) => {
      const begun = await context.client.revokeGrant(id, { reason: options.reason ?? "" });
      const grant = options.wait ? await proven(context, begun) : await shortly(context, begun);
      context.output.answer(grant, (shown, page) => [
        grantSentence(shown, page),
        ...receiptLines(shown, page),
        ...(shown.state === "revoking" ? [`  See whether it is proven: tidegate grants show ${shown.id}`] : []),
      ]);
      return EXIT.done;
    }),
  );
}

const SHORTLY_SECONDS = 3;

/** Most access is gone within a second. Then that is what is said, and not that it still lives. */
async function shortly(context: Context, begun: GrantView): Promise<GrantView> {
  if (begun.state !== "revoking") return begun;
  return context.client.getGrant(begun.id, { waitSeconds: SHORTLY_SECONDS, while: "revoking" }).catch(() => begun);
}

async function proven(context: Context, begun: GrantView): Promise<GrantView> {
  const live = new LiveLine(context.output);
  const interrupts = new Interrupts(() => process.exit(130));
  try {
    return await untilGrant(context, begun, (grant) => grant.state !== "revoking", { live, signal: interrupts.signal });
  } catch (error) {
    if (interrupts.received === null) throw error;
    throw new Interrupted(
      interrupts.received,
      `Waiting was broken off. Tidegate goes on to end ${begun.id} and to prove it.`,
    );
  } finally {
    live.end();
    interrupts.stop();
  }
}
