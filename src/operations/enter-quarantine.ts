import { sql } from "kysely";
import type { JsonObject } from "../base/canonical.ts";
import type { GrantId } from "../base/ids.ts";
import { OPERATORS } from "../domain/candidates.ts";
import { telling } from "../domain/message.ts";
import { whoOperate } from "../domain/tell.ts";
import type { Tx } from "../store/db.ts";
import { putQuarantine } from "../store/quarantine.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import { endGrant } from "./revoke-grant.ts";
import { type SqlTransacting, transact, type Work } from "./transact.ts";

/** What a process from before may have left on targets, in the names of its sessions, must be older than what comes now. */
const FENCES_AHEAD = 1_000_000;

/**
 * The store may be older than what has happened, or another one. Nobody knows which of its grants were ended since, so
 * every one that it takes for live is ended, and from now on it gives nothing until somebody has looked (`tidegate
 * recover`). Answers how many were ended; null when it was in quarantine already.
 */
export async function enterQuarantine(
  context: SqlTransacting,
  { why, facts }: { why: string; facts: JsonObject },
): Promise<number | null> {
  const result = await transact(context, { operation: "enter-quarantine", actor: OURSELVES }, (work) =>
    quarantineIn(work, { why, facts }),
  );
  return result as number | null;
}

/** The same inside a larger transaction. */
export async function quarantineIn(
  work: Work<SqlTx>,
  noticed: { why: string; facts: JsonObject },
): Promise<number | null> {
  const { sql: tx } = work.tx;
  // Whoever decides requests holds this row: they are through, and their grants are seen below, or they wait and are refused.
  await tx.selectFrom("config_active").select("singleton").forUpdate().execute();
  const nowMs = await work.tx.nowMs();
  if (!(await putQuarantine(tx, { sinceMs: nowMs, ...noticed }))) return null;
  await sql`select setval('fences', last_value + ${FENCES_AHEAD}) from fences`.execute(tx);
  await sweepSoon(tx);
  const data = { why: noticed.why, ...noticed.facts };
  const entry = { kind: "store.quarantined" as const, actor: OURSELVES, refs: {}, data };
  const to = whoOperate(await work.tx.candidatesFor(OPERATORS));
  const tells = { kind: "store.quarantined" as const, to, data: { why: noticed.why } };
  await work.apply({ entries: [telling(entry, tells)] }, nowMs);
  return endAllLive(
    work,
    "the store was put back to an earlier state; what happened since is not known. Ask again once it is out of quarantine.",
  );
}

const OURSELVES = { system: "installation" as const };

/** Every target is looked at before anything that is merely due: what was made in the other past carries our mark, and is nobody's. */
const sweepSoon = async (tx: Tx): Promise<void> => {
  await sql`
    insert into drift_sweeps (resource, due_at)
    select jsonb_object_keys(v.content -> 'resources'), clock_timestamp() - interval '1 hour'
      from config_active a join config_versions v on v.id = a.version_id
    on conflict (resource) do update set due_at = excluded.due_at`.execute(tx);
};

async function endAllLive(work: Work<SqlTx>, reason: string): Promise<number> {
  let ended = 0;
  for (const id of await allLiveGrants(work.tx.sql))
    if (await endGrant(work, id, { cause: "revoked", by: null, reason }, OURSELVES)) ended += 1;
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
