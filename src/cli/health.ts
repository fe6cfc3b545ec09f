import type { Command } from "commander";
import type { HealthCheckView, HealthView } from "../contract/health.ts";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { EXIT } from "./exit-code.ts";
import { Interrupts } from "./interrupts.ts";
import { withExamples, withServer } from "./options.ts";
import { patiently, pause } from "./patience.ts";
import { checkName, healthChange, healthLines } from "./words/health-words.ts";

const LOOK_EVERY_MS = 2_000;

/** Red has failed. Yellow is not well yet and nothing has failed: somebody must look. */
const EXIT_OF: Readonly<Record<HealthView["level"], number>> = {
  green: EXIT.done,
  yellow: EXIT.pending,
  red: EXIT.failed,
};

export function health(program: Command): void {
  const command = program
    .command("health")
    .description("how well the server is: named checks, what to do, exit code 0 green, 4 yellow, 1 red")
    .option("--watch", "go on, and say what changes, until Ctrl-C; ends with the code of the last look");
  withExamples(withServer(command), "tidegate health", "tidegate health --watch").action(
    act(async (context, { watch }: { readonly watch?: true }) => {
      const seen = await context.client.health();
      if (watch === true) return EXIT_OF[await follow(context, seen)];
      context.output.answer(seen, healthLines);
      return EXIT_OF[seen.level];
    }),
  );
}

/** Says what changes until it is interrupted; answers the last level. A server that does not answer is told once, and asked again. */
async function follow({ client, output }: Context, first: HealthView): Promise<HealthView["level"]> {
  const interrupts = new Interrupts(() => process.exit(130));
  const { signal } = interrupts;
  if (output.json) output.jsonEntry(first);
  else output.answer(first, healthLines);
  let [seen, trouble] = [first, ""];
  const onTrouble = (why: string): void => {
    if (why !== trouble) output.note(why);
    trouble = why;
  };
  try {
    for (;;) {
      await pause(LOOK_EVERY_MS, signal);
      const ask = { signal, withinMs: Number.POSITIVE_INFINITY, onTrouble };
      const now = await patiently(() => client.health({ signal }), ask);
      if (trouble !== "") output.note("The server answers again.");
      trouble = "";
      const changed = changes(seen, now);
      if (changed.length > 0 && output.json) output.jsonEntry(now);
      if (!output.json) output.lines(changed.map((one) => healthChange(one, now, output.page)));
      seen = now;
    }
  } catch (error) {
    if (interrupts.received === null) throw error;
    return seen.level;
  } finally {
    interrupts.stop();
  }
}

export type HealthChange = { readonly was: HealthCheckView["level"] | null; readonly check: HealthCheckView };

/** Checks whose level is another one now, and those of targets that are new. */
function changes(before: HealthView, now: HealthView): HealthChange[] {
  const levels = new Map(before.checks.map((check) => [checkName(check), check.level]));
  return now.checks.flatMap((check) => {
    const was = levels.get(checkName(check)) ?? null;
    return was === check.level ? [] : [{ was, check }];
  });
}
