/** Configurations that wait for somebody to confirm them. All of it is done while activations are held. */
import type { Selectable } from "kysely";
import { toTimestamp } from "../base/clock.ts";
import type { PrincipalId } from "../base/ids.ts";
import { type Db, json, type Tables, type Tx, timeOrNull } from "./db.ts";

export const PROPOSAL_STATES = ["waiting", "confirmed", "rejected", "withdrawn"] as const;

export type ConfigProposal = {
  readonly version: number;
  readonly state: (typeof PROPOSAL_STATES)[number];
  readonly source: string;
  /** What may widen access, a sentence each. */
  readonly widens: readonly string[];
  readonly proposedMs: number;
  readonly decidedMs: number | null;
};

const toProposal = (row: Selectable<Tables["config_proposals"]>): ConfigProposal => ({
  version: row.version_id,
  state: row.state as ConfigProposal["state"],
  source: row.source,
  widens: row.widens,
  proposedMs: row.proposed_at,
  decidedMs: row.decided_at,
});

export async function putProposal(tx: Tx, proposal: ConfigProposal): Promise<void> {
  const row = {
    state: proposal.state,
    source: proposal.source,
    widens: json(proposal.widens),
    proposed_at: toTimestamp(proposal.proposedMs),
    decided_at: timeOrNull(proposal.decidedMs),
  };
  await tx
    .insertInto("config_proposals")
    .values({ version_id: proposal.version, ...row })
    .onConflict((conflict) => conflict.column("version_id").doUpdateSet(row))
    .execute();
}

export async function findProposal(db: Db | Tx, version: number): Promise<ConfigProposal | null> {
  const row = await db.selectFrom("config_proposals").selectAll().where("version_id", "=", version).executeTakeFirst();
  return row === undefined ? null : toProposal(row);
}

/** What waits; there is one at most. */
export async function waitingProposal(db: Db | Tx): Promise<ConfigProposal | null> {
  const row = await db.selectFrom("config_proposals").selectAll().where("state", "=", "waiting").executeTakeFirst();
  return row === undefined ? null : toProposal(row);
}

/** Repeated by the same person it is one confirmation. */
export async function putConfirmation(tx: Tx, version: number, by: PrincipalId, nowMs: number): Promise<void> {
  await tx
    .insertInto("config_confirmations")
    .values({ version_id: version, principal_id: by, confirmed_at: toTimestamp(nowMs) })
    .onConflict((conflict) => conflict.columns(["version_id", "principal_id"]).doNothing())
    .execute();
}

export async function confirmationsOf(db: Db | Tx, version: number): Promise<PrincipalId[]> {
  const rows = await db
    .selectFrom("config_confirmations")
    .select("principal_id")
    .where("version_id", "=", version)
    .orderBy("confirmed_at")
    .execute();
  return rows.map((row) => row.principal_id as PrincipalId);
}

/** Who confirmed it before it was proposed anew, or rejected, has confirmed nothing. */
export async function dropConfirmations(tx: Tx, version: number): Promise<void> {
  await tx.deleteFrom("config_confirmations").where("version_id", "=", version).execute();
}
