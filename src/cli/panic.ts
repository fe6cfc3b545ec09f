import type { Command } from "commander";
import type { PanicView } from "../contract/panics.ts";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { EXIT } from "./exit-code.ts";
import { usage } from "./failure.ts";
import { Interrupted, Interrupts } from "./interrupts.ts";
import { LiveLine } from "./live-line.ts";
import { panicIdText, wholeNumber, withExamples, withoutWords, withServer } from "./options.ts";
import type { Page } from "./output.ts";
import { untilPanicProven } from "./waiting.ts";
import { panicLines, panicScope, panicState } from "./words/panic-words.ts";
import { table } from "./words/table.ts";
import { moment } from "./words/time.ts";

const PAGE_MAX = 200;
const PRESSING = [
  'tidegate panic --resource orders-db --reason "admin credentials leaked"',
  'tidegate panic --user dave --reason "laptop stolen"',
  'tidegate panic --all --reason "intruder in the network"',
];

type Scope = { readonly resource?: string; readonly user?: string; readonly all?: true };
type StartOptions = Scope & { readonly reason?: string; readonly wait: boolean };

export function panic(program: Command): void {
  const group = program
    .command("panic")
    .description("end everything on a resource, of a person, or at all, and give nothing new there until it is lifted")
    .enablePositionalOptions();
  withExamples(group, ...PRESSING);
  start(group);
  list(group);
  show(group);
  lift(group);
}

function start(group: Command): void {
  const command = group
    .command("start", { isDefault: true })
    .description("press the button (for operators and admins)")
    .option("--resource <name>", "everything on this resource")
    .option("--user <handle>", "everything of this person")
    .option("--all", "everything")
    .option("--reason <text>", "why; in the log for ever")
    .option("--no-wait", "do not wait for the proof that all of it is gone");
  withExamples(withServer(withoutWords(command, ["start", "list", "show", "lift"])), ...PRESSING).action(
    act(async (context, _word: unknown, options: StartOptions) => {
      const { reason = "" } = options;
      const over = scopeIn(options);
      if (reason.trim() === "") throw usage("Missing: --reason. Everybody who is cut off will ask.");
      const pressed = await context.client.startPanic({ ...over, reason });
      if (!context.output.json) context.output.note(`Pressed: ${panicScope(pressed)} (${pressed.id}).`);
      const seen = options.wait ? await proven(context, pressed) : pressed;
      context.output.answer(seen, panicLines);
      return isProven(seen) ? EXIT.done : EXIT.pending;
    }),
  );
}

function scopeIn({ resource, user, all }: Scope) {
  const given = [resource, user, all].filter((one) => one !== undefined).length;
  if (given !== 1) throw usage("Say over what: exactly one of --resource NAME, --user HANDLE and --all.");
  if (all) return { all } as const;
  return resource === undefined ? { person: user } : { resource };
}

const isProven = (seen: PanicView): boolean => seen.ended.live === 0;

/** Waits until nothing is live any more; clean-up that is pending gives nobody a way in. */
async function proven(context: Context, pressed: PanicView): Promise<PanicView> {
  const live = new LiveLine(context.output);
  const interrupts = new Interrupts(() => process.exit(130));
  try {
    return await untilPanicProven(context, pressed, isProven, { live, signal: interrupts.signal });
  } catch (error) {
    if (interrupts.received === null) throw error;
    throw new Interrupted(
      interrupts.received,
      `Waiting was broken off. The panic stays in force, and Tidegate goes on to end and to prove: tidegate panic show ${pressed.id}`,
    );
  } finally {
    live.end();
    interrupts.stop();
  }
}

type ListOptions = { readonly all?: true; readonly limit?: number; readonly cursor?: string };

function list(group: Command): void {
  const command = group
    .command("list")
    .description("panics in force, newest first (for operators, admins and auditors)")
    .option("--all", "those that were lifted as well")
    .option("--limit <count>", "how many", wholeNumber(1, PAGE_MAX))
    .option("--cursor <cursor>", "go on where a page ended");
  withExamples(withServer(command), "tidegate panic list --all").action(
    act(async ({ client, output }, { all, limit, cursor }: ListOptions) => {
      const page = await client.listPanics({
        ...(all ? {} : { state: "in-force" as const }),
        ...(limit === undefined ? {} : { limit }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      output.answer(page, ({ panics }, sheet) => listed(panics, sheet, all === true));
      if (!output.json && page.next !== null) output.note(`More: --cursor ${page.next}`);
    }),
  );
}

function listed(panics: readonly PanicView[], page: Page, all: boolean): string[] {
  if (panics.length === 0) return [all ? "There has been no panic." : "No panic is in force."];
  return table<PanicView>(
    [
      { title: "id", cell: ({ id }) => id },
      { title: "over", cell: panicScope },
      { title: "state", cell: (one) => panicState(one, page) },
      { title: "since", cell: (one) => moment(one.startedAt, page.nowMs) },
      { title: "by", cell: (one) => one.startedBy.handle },
      { title: "reason", cell: (one) => one.reason, shrinks: true },
    ],
    panics,
    page,
  );
}

function show(group: Command): void {
  const command = group
    .command("show")
    .description("how far a panic has come: what is proven gone, what is not yet, and why")
    .argument("<panic>", "panic", panicIdText);
  withExamples(withServer(command), "tidegate panic show pn_0123456789abcdef").action(
    act(async ({ client, output }, id: string) => {
      const seen = await client.getPanic(id);
      output.answer(seen, panicLines);
      return isProven(seen) ? EXIT.done : EXIT.pending;
    }),
  );
}

function lift(group: Command): void {
  const command = group
    .command("lift")
    .description("let access be given again; what was ended stays ended (for admins)")
    .argument("<panic>", "panic", panicIdText)
    .requiredOption("--reason <text>", "why it is over; in the log for ever");
  withExamples(withServer(command), 'tidegate panic lift pn_0123456789abcdef --reason "credentials rotated"').action(
    act(async ({ client, output }, id: string, { reason }: { readonly reason: string }) => {
      output.answer(await client.liftPanic(id, { reason }), panicLines);
    }),
  );
}
