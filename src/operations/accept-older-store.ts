import type { JsonObject } from "../base/canonical.ts";
import type { GrantId } from "../base/ids.ts";
import { type Db, databaseNowMs, type Tx } from "../store/db.ts";
import { endGrant } from "./revoke-grant.ts";
import { type Ledger, transact, type Work } from "./transact.ts";

/**
 * The store is older than what has happened. Nobody knows which of its grants were ended since, so every one that it takes
 * for live is ended: people ask again. Answers how many.
 */
export async function acceptOlderStore(ledger: Ledger, data: JsonObject): Promise<number> {
  const actor = { system: "local-command" as const };
  const result = await transact<number>(ledger, { operation: "accept-older-store", actor }, async (work) => {
    const nowMs = await databaseNowMs(work.tx);
    await work.apply({ entries: [{ kind: "store.older-accepted", actor, refs: {}, data }] }, nowMs);
    return endAllLive(work, "the store was put back to an earlier state; what happened since is not known. Ask again.");
  });
  return result as number;
}

/** Ends every live grant. */
export async function endAllLive(work: Work, reason: string): Promise<number> {
  let ended = 0;
  const actor = { system: "local-command" as const };
  for (const id of await allLiveGrants(work.tx))
    if (await endGrant(work, id, { cause: "revoked", by: null, reason }, actor)) ended += 1;
  return ended;
}

async function allLiveGrants(db: Db | Tx): Promise<GrantId[]> {
  const rows = await db
    .selectFrom("grants")
    .select("id")
    .where("state", "in", ["scheduled", "provisioning", "active"])
    .orderBy("seq")
    .execute();
  return rows.map((row) => row.id as GrantId);
}
