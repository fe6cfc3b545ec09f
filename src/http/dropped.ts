/** Of what retention took out of the log answers say so, and never tell less in silence. */
import { toTimestamp } from "../base/clock.ts";
import type { DroppedView } from "../contract/values.ts";
import type { Dropped } from "../store/retention.ts";

export function droppedView({ to, beforeMs, entry }: Dropped): DroppedView {
  const before = toTimestamp(beforeMs);
  const says = `The log up to position ${to}, written until ${before}, was dropped by retention: see entry ${entry}.`;
  return { to, before, entry, says };
}
