/** What stands against giving anybody access. */
import { sql } from "kysely";
import type { Panic } from "../domain/panic.ts";
import type { Db, Tx } from "./db.ts";
import { panicsInForce } from "./panics.ts";
import { type Quarantine, quarantineNow } from "./quarantine.ts";

export type InForce = {
  /** Database time. */
  readonly nowMs: number;
  readonly quarantine: Quarantine | null;
  readonly panics: readonly Panic[];
};

/** One look for all of it: there is hardly ever anything. */
export async function inForceNow(db: Db | Tx): Promise<InForce> {
  const { rows } = await sql<{ now: number; quarantined: boolean; panicking: boolean }>`select clock_timestamp() as now,
    exists (select from quarantines where left_at is null) as quarantined,
    exists (select from panics where lifted_at is null) as panicking`.execute(db);
  const [found] = rows;
  if (found === undefined) throw new Error("the store did not say what is in force");
  return {
    nowMs: found.now,
    quarantine: found.quarantined ? await quarantineNow(db) : null,
    panics: found.panicking ? await panicsInForce(db) : [],
  };
}
