/** Texts by and about people that are older than they are kept for go: from the log, and from rows of what is over. */
import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import { eraseOldTexts, textsGoneTo } from "../store/old-texts.ts";
import { droppableTo, notYetAt } from "../store/retention.ts";
import type { Context } from "./context.ts";
import { alone, JOBS, type Keeping } from "./drop-entries.ts";

/** Positions of the log in one transaction. */
const BATCH = 4_096;

/** Whether some went, or some of the log was gone through: then there may be more. */
export const dropTexts = (
  context: Context,
  personalMs: number,
  { signed, outlets }: Pick<Keeping, "signed" | "outlets">,
): Promise<boolean> =>
  alone(context, "drop-texts", async ({ tx, apply }) => {
    const from = await textsGoneTo(tx.sql);
    const nowMs = await tx.nowMs();
    const within = { from, to: Math.max(from, Math.min(signed, from + BATCH)) };
    const to = await droppableTo(tx.sql, within, nowMs - personalMs, 1);
    // Somebody may be sent the texts along with the entries.
    if (to > from && (await notYetAt(tx.sql, { sinks: outlets.sinks }, to)).length > 0) return false;
    const removed = await eraseOldTexts(tx.sql, { from, to }, nowMs - personalMs);
    if (Object.keys(removed).length === 0) return to > from;
    const data = { removed, before: toTimestamp(nowMs - personalMs), kept: formatDuration(personalMs) };
    await apply({ entries: [{ kind: "audit.texts-dropped", actor: JOBS, refs: {}, data }] }, nowMs);
    return true;
  });
