import { toTimestamp } from "../base/clock.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import type { Db, Tx } from "../store/db.ts";
import { type Quarantine, quarantineNow } from "../store/quarantine.ts";

/** Why nothing is given just now; null where the store is not in quarantine. In an operation: after the configuration is held. */
export async function refuseInQuarantine(db: Db | Tx): Promise<Refusal | null> {
  const quarantine = await quarantineNow(db);
  return quarantine === null ? null : inQuarantine(quarantine);
}

export const inQuarantine = ({ sinceMs, why }: Pick<Quarantine, "sinceMs" | "why">): Refusal =>
  refuse(
    "quarantine",
    `Tidegate is in quarantine since ${toTimestamp(sinceMs)}: ${why}. All access was ended, nobody gets any, and only admins may sign in. Somebody on the server's machine must look into it and run: tidegate recover`,
    { since: toTimestamp(sinceMs) },
  );
