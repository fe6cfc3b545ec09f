/** A panic in plain words: whether it is in force, and what of it is proven. */
import type { PanicView } from "../../contract/panics.ts";
import type { Page } from "../output.ts";
import { moment } from "./time.ts";

/** What it is over. */
export function panicScope({ on, resource, person }: PanicView): string {
  if (on === "all") return "everything";
  return on === "resource" ? `everything on ${resource}` : `everything of ${person?.handle}`;
}

/** The state in a few words, for a table. */
export function panicState({ inForce, ended }: PanicView, page: Page): string {
  if (ended.live > 0) return page.paint("red", `${ended.live} STILL LIVE`);
  return inForce ? page.paint("yellow", "in force") : "lifted";
}

/** `4 grants: 3 proven gone, 1 STILL LIVE`. */
export function panicProgress({ ended }: PanicView, { paint }: Page): string {
  const { gone, cleanUpPending, live } = ended;
  const all = gone + cleanUpPending + live;
  if (all === 0) return "There was nothing to end.";
  const parts = [
    ...(gone > 0 ? [paint("green", `${gone} proven gone`)] : []),
    ...(cleanUpPending > 0 ? [paint("yellow", `${cleanUpPending} gone, clean-up pending`)] : []),
    ...(live > 0 ? [paint("red", `${live} STILL LIVE, as far as anybody has proven`)] : []),
  ];
  return `${all === 1 ? "1 grant" : `${all} grants`}: ${parts.join(", ")}.`;
}

/** All there is to say about one. */
export function panicLines(panic: PanicView, page: Page): string[] {
  const { nowMs, paint } = page;
  const pressed = `${panic.id}: ${panicScope(panic)}, pressed by ${panic.startedBy.handle} ${moment(panic.startedAt, nowMs)} (“${panic.reason}”)`;
  const { lifted } = panic;
  const state =
    lifted === null
      ? `${paint("bold", "In force")}: nothing new is given there. An admin lifts it: tidegate panic lift ${panic.id} --reason "…"`
      : `Lifted by ${lifted.by.handle} ${moment(lifted.at, nowMs)} (“${lifted.reason}”): access may be asked for again.`;
  const unproven = panic.unproven.map((grant) => {
    const how = grant.accessGone ? paint("yellow", "gone, clean-up pending") : paint("red", "still live");
    const trouble = grant.trouble === null ? "" : `: ${grant.trouble}`;
    return `  ${grant.grantId}  ${grant.entitlement} for ${grant.person.handle}  ${how}${trouble}`;
  });
  return [pressed, state, panicProgress(panic, page), ...unproven];
}
