/** What stands against giving anybody access. */
import { type Selectable, sql } from "kysely";
import { defined } from "../base/assert.ts";
import type { PrincipalId } from "../base/ids.ts";
import type { Panic } from "../domain/panic.ts";
import type { Principal } from "../domain/principal.ts";
import type { Db, Tables, Tx } from "./db.ts";
import { panicsInForce } from "./panics.ts";
import { toPrincipal } from "./principals.ts";
import { type Quarantine, quarantineNow } from "./quarantine.ts";

export type InForce = {
  /** Database time. */
  readonly nowMs: number;
  readonly quarantine: Quarantine | null;
  readonly panics: readonly Panic[];
};

/** One look for all of it: there is hardly ever anything. */
export async function inForceNow(db: Db | Tx): Promise<InForce> {
  const { rows } = await sql<Seen>`select clock_timestamp() as now,
    exists (select from quarantines where left_at is null) as quarantined,
    exists (select from panics where lifted_at is null) as panicking`.execute(db);
  return inForceOf(db, defined(rows[0], "what is in force"));
}

type Seen = { readonly now: number; readonly quarantined: boolean; readonly panicking: boolean };

const inForceOf = async (db: Db | Tx, { now, quarantined, panicking }: Seen): Promise<InForce> => ({
  nowMs: now,
  quarantine: quarantined ? await quarantineNow(db) : null,
  panics: panicking ? await panicsInForce(db) : [],
});

/** The person and the configuration, held until the transaction ends, and then what is in force. */
export type HeldAsker = InForce & {
  /** The number of the active configuration; null before the first. */
  readonly version: number | null;
  readonly person: Principal | null;
};

/** In one way to the store (migration 0034). `lockWaitMs` holds for the whole transaction; null: as for any other. */
export async function holdAskers(
  tx: Tx,
  ids: readonly PrincipalId[],
  lockWaitMs: number | null = null,
): Promise<Map<PrincipalId, HeldAsker>> {
  const { rows } = await sql<Seen & Selectable<Tables["principals"]> & { version: number | null }>`
    select (person).*, version, now, quarantined, panicking from hold_askers(${[...ids]}::text[], ${lockWaitMs}::int)`.execute(
    tx,
  );
  const [first] = rows;
  const inForce = await inForceOf(tx, defined(first, "who asks"));
  const people = new Map(rows.flatMap((row) => (row.id === null ? [] : [[row.id, toPrincipal(row)]])));
  return new Map(
    ids.map((id) => [id, { ...inForce, version: first?.version ?? null, person: people.get(id) ?? null }]),
  );
}
