import type { JsonObject } from "../base/canonical.ts";
import type { GrantId } from "../base/ids.ts";
import type { Tx } from "../store/db.ts";
import type { SqlTx } from "../store/sql-ledger.ts";
import { endGrant } from "./revoke-grant.ts";
import { type SqlTransacting, transact, type Work } from "./transact.ts";

/**
 * The store is older than what has happened. Nobody knows which of its grants were ended since, so every one that it takes
 * for live is ended: people ask again. Answers how many.
 */
export async function acceptOlderStore(context: SqlTransacting, data: JsonObject): Promise<number> {
  const actor = { system: "local-command" as const };
  const result = await transact(context, { operation: "accept-older-store", actor }, async (work) => {
    const nowMs = await work.tx.nowMs();
    await work.apply({ entries: [{ kind: "store.older-accepted", actor, refs: {}, data }] }, nowMs);
    return endAllLive(work, "the store was put back to an earlier state; what happened since is not known. Ask again.");
  });
  return result as number;
}

/** Ends every live grant. */
export async function endAllLive(work: Work<SqlTx>, reason: string): Promise<number> {
  let ended = 0;
  const actor = { system: "local-command" as const };
  for (const id of await allLiveGrants(work.tx.sql))
    if (await endGrant(work, id, { cause: "revoked", by: null, reason }, actor)) ended += 1;
  return ended;
}

async function allLiveGrants(tx: Tx): Promise<GrantId[]> {
  const rows = await tx
    .selectFrom("grants")
    .select("id")
    .where("state", "in", ["scheduled", "provisioning", "active"])
    .orderBy("seq")
    .execute();
  return rows.map((row) => row.id as GrantId);
}
