import { toTimestamp } from "../base/clock.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import type { InForce } from "../store/in-force.ts";

/** Why nothing is given just now; null where the store is not in quarantine. */
export function refuseInQuarantine({ quarantine }: Pick<InForce, "quarantine">): Refusal | null {
  if (quarantine === null) return null;
  const { sinceMs, why } = quarantine;
  return refuse(
    "quarantine",
    `Tidegate is in quarantine since ${toTimestamp(sinceMs)}: ${why}. All access was ended, nobody gets any, and only admins may sign in. Somebody on the server's machine must look into it: "tidegate recover" says how.`,
    { since: toTimestamp(sinceMs) },
  );
}
