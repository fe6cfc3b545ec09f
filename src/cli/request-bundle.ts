/** Asking for several entitlements as one: a line for each, and an exit code that holds for all. */
import type { GrantView } from "../contract/access.ts";
import type { BundleView, SubmitBundle } from "../contract/bundles.ts";
import type { Context } from "./connect.ts";
import { EXIT } from "./exit-code.ts";
import { Interrupted, Interrupts } from "./interrupts.ts";
import { LiveLine } from "./live-line.ts";
import { isOver, isSettled, untilBundleDecided, untilGrant, type Waiting } from "./waiting.ts";
import { bundleLines } from "./words/bundle-words.ts";
import { emergencyNotice } from "./words/emergency-words.ts";

export async function requestBundle(context: Context, asked: SubmitBundle, wait: boolean): Promise<number> {
  const made = await context.client.submitBundle(asked);
  for (const part of made.requests) context.output.note(...emergencyNotice(part, context.output.notePage));
  const bundle = wait ? await waitForIt(context, made) : made;
  const grants = await grantsOf(context, bundle);
  context.output.answer({ ...bundle, grants }, bundleLines);
  return exitCodeOf(bundle, grants);
}

/** For what is said about them only: one that cannot be read now is left out. */
export async function grantsOf({ client }: Context, { requests }: BundleView): Promise<GrantView[]> {
  const ids = requests.flatMap(({ grantId }) => grantId ?? []);
  const read = await Promise.all(ids.map((id) => client.getGrant(id).catch(() => null)));
  return read.filter((grant) => grant !== null);
}

/** Pending while anything waits; denied where anything was; failed where something ended otherwise; else done. */
export function exitCodeOf({ requests, refused }: BundleView, grants: readonly GrantView[]): number {
  if (requests.some(({ state }) => state === "pending")) return EXIT.pending;
  if (refused.length > 0 || requests.some(({ state }) => state === "denied")) return EXIT.denied;
  return requests.some(({ state }) => state !== "approved") || grants.some(isOver) ? EXIT.failed : EXIT.done;
}

async function waitForIt(context: Context, made: BundleView): Promise<BundleView> {
  const live = new LiveLine(context.output);
  const interrupts = new Interrupts((received) => process.exit(received === "SIGINT" ? 130 : 1));
  const waiting: Waiting = { live, signal: interrupts.signal };
  try {
    const decided = await untilBundleDecided(context, made, waiting);
    for (const grant of await grantsOf(context, decided)) await untilGrant(context, grant, isSettled, waiting);
    return decided;
  } catch (error) {
    if (interrupts.received === null) throw error;
    throw new Interrupted(
      interrupts.received,
      `Waiting was broken off. Bundle ${made.id} goes on; take back what waits with: tidegate cancel ${made.id}`,
    );
  } finally {
    live.end();
    interrupts.stop();
  }
}
