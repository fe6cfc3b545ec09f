/** A rule demands a fresh sign-in: the person is shown where, and the same call is made again once they have. */
import type { Client } from "../contract/client.ts";
import { EXIT, exitCodeOfSignal } from "./exit-code.ts";
import { CommandFailure } from "./failure.ts";
import { Interrupted, Interrupts } from "./interrupts.ts";
import { LiveLine } from "./live-line.ts";
import type { Output } from "./output.ts";
import { patiently } from "./patience.ts";
import { cleanText } from "./words/clean.ts";

const WAIT_SECONDS = 30;
const PATIENCE_MS = 60_000;

type Asked = { readonly id: string; readonly url: string };

function askedIn(error: unknown): Asked | null {
  const { code, extra } = error as { code?: unknown; extra?: { stepUp?: Partial<Asked> } };
  const { id, url } = extra?.stepUp ?? {};
  return code === "step-up-required" && typeof id === "string" && typeof url === "string" ? { id, url } : null;
}

/** Whether it was that, and is done. */
export async function showAgain(client: Client, output: Output, error: unknown): Promise<boolean> {
  const asked = askedIn(error);
  if (asked === null) return false;
  const [why = ""] = (error as Error).message.split(" Open ");
  output.note(cleanText(why), `Open  ${output.notePage.paint("bold", cleanText(asked.url))}`);
  const interrupts = new Interrupts((received) => process.exit(exitCodeOfSignal(received)));
  const live = new LiveLine(output);
  const { signal } = interrupts;
  const onTrouble = (trouble: string): void => live.say(`${trouble}; trying again`);
  try {
    for (;;) {
      live.say("waiting for you to do that there; Ctrl-C breaks it off");
      const ask = () => client.getStepUp(asked.id, { waitSeconds: WAIT_SECONDS, signal });
      const { state } = await patiently(ask, { signal, withinMs: PATIENCE_MS, onTrouble });
      if (state === "done") return true;
    }
  } catch (failure) {
    if (interrupts.received !== null) throw new Interrupted(interrupts.received, "Broken off: nothing was done.");
    if ((failure as { code?: unknown }).code !== "not-found") throw failure;
    throw new CommandFailure("step-up-required", "It was not done in time, so nothing was done.", EXIT.pending);
  } finally {
    live.end();
    interrupts.stop();
  }
}
