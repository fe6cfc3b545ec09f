import { anyOf, OPERATORS, soughtFor } from "../domain/candidates.ts";
import type { RevokingGrant } from "../domain/grant.ts";
import { sayStillLive } from "../domain/still-live.ts";
import { type StillLive, stillLiveUntold } from "../store/still-live.ts";
import type { Context } from "./context.ts";
import { transact } from "./transact.ts";

/** A target that is slow to answer alarms nobody; access that may still work after so long does. */
const STILL_LIVE_AFTER_MS = 60_000;
const BATCH_MAX = 500;

/** Tells owners and those who operate of access that resists its end, together for each resource. Answers of how many grants. */
export async function alarmStillLive(context: Context, afterMs: number = STILL_LIVE_AFTER_MS): Promise<number> {
  const untold = await stillLiveUntold(context.db, afterMs, BATCH_MAX);
  for (const [resource, grants] of Map.groupBy(untold, (one) => one.resource)) await alarm(context, resource, grants);
  return untold.length;
}

async function alarm(context: Context, resource: string, untold: readonly StillLive[]): Promise<void> {
  const acting = { operation: "alarm-still-live", actor: { system: "jobs" as const } };
  await transact(context, acting, async ({ tx, apply }) => {
    const seen: RevokingGrant[] = [];
    for (const { grant: id } of untold) {
      // Held: it may be proven gone meanwhile, or told of by another replica.
      const locked = await tx.lockGrant(id, null);
      if (locked?.grant.state === "revoking" && !locked.grant.accessGone) seen.push(locked.grant);
    }
    const still = new Set((await stillLiveUntold(tx.sql, 0, BATCH_MAX)).map(({ grant }) => grant));
    const catalog = await context.catalog.active(tx);
    const configured = catalog?.configuration.resources[resource] ?? null;
    const owned = soughtFor(configured, [{ steps: [{ by: ["owners"], count: 1 }] }]);
    const entries = sayStillLive(
      seen.filter(({ id }) => still.has(id)),
      configured,
      await tx.candidatesFor(anyOf([owned, OPERATORS])),
    );
    if (entries.length > 0) await apply({ entries }, await tx.nowMs());
    return null;
  });
}
