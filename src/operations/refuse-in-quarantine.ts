import { toTimestamp } from "../base/clock.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import type { LedgerReader } from "../store/ledger.ts";

/** Why nothing is given just now; null where the store is not in quarantine. In an operation: after the configuration is held. */
export async function refuseInQuarantine(ledger: Pick<LedgerReader, "quarantine">): Promise<Refusal | null> {
  const quarantine = await ledger.quarantine();
  if (quarantine === null) return null;
  const { sinceMs, why } = quarantine;
  return refuse(
    "quarantine",
    `Tidegate is in quarantine since ${toTimestamp(sinceMs)}: ${why}. All access was ended, nobody gets any, and only admins may sign in. Somebody on the server's machine must look into it and run: tidegate recover`,
    { since: toTimestamp(sinceMs) },
  );
}
