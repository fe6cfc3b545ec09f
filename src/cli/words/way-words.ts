import type { WayView } from "../../contract/eligibility.ts";
import type { Page } from "../output.ts";

/** `at once, with a ticket (rule on-call)`, `needs approval by 1 of owners, only in an emergency (rule break-glass)`. */
export function wayLine({ outcome, rule, needs, onlyWhen, maxDuration, stuck }: WayView, { paint }: Page): string {
  const wanted =
    needs.length === 0 ? "" : outcome === "automatic" ? `, with ${needs.join(", ")}` : ` ${needs.join(", ")}`;
  const only = onlyWhen.length === 0 ? "" : `, only ${onlyWhen.join(" and ")}`;
  const how = outcome === "automatic" ? paint("green", "at once") : paint("yellow", "needs");
  return `${how}${wanted}${only}, for at most ${maxDuration} (rule ${rule})${stuck === null ? "" : paint("red", `: ${stuck}`)}`;
}
