import { sql } from "kysely";
import type { GrantId, LeaseId } from "../base/ids.ts";
import type { EntryDraft } from "../domain/audit.ts";
import type { TargetIdentity } from "../domain/evidence.ts";
import type { Tx } from "../store/db.ts";
import { type BoundLease, leasesElsewhere } from "../store/leases.ts";
import { type SqlTransacting, transact } from "./transact.ts";

export type Accepted = {
  readonly resource: string;
  readonly seen: TargetIdentity;
  readonly reason: string;
  readonly osUser: string;
};

/**
 * A resource was moved on purpose: what was given on the recorded server is looked for, ended and proven on the one that
 * answers now. Whoever works on such a grant at this moment loses the claim, for they hold the right by its old name.
 * Answers what was bound anew.
 */
export async function acceptTarget(context: SqlTransacting, accepted: Accepted): Promise<readonly BoundLease[]> {
  const { resource, seen, reason, osUser } = accepted;
  const actor = { system: "local-command" as const };
  const result = await transact(context, { operation: "accept-target", actor }, async ({ tx, apply }) => {
    const leases = await leasesElsewhere(tx.sql, resource, seen);
    if (leases.length === 0) return leases;
    for (const lease of leases) await bind(tx.sql, lease, seen);
    const target: EntryDraft = {
      kind: "target.accepted",
      actor,
      refs: {},
      data: { resource, to: { ...seen }, leases: leases.length },
      personal: { reason, osUser },
    };
    const each = leases.map(
      (lease): EntryDraft => ({
        kind: "lease.rebound",
        actor,
        refs: { grant: lease.grant as GrantId, lease: lease.id as LeaseId },
        data: { resource, from: { identity: lease.identity, position: lease.position }, to: { ...seen } },
      }),
    );
    await apply({ entries: [target, ...each] }, await tx.nowMs());
    return leases;
  });
  return result as readonly BoundLease[];
}

async function bind(tx: Tx, { id, grant, identity }: BoundLease, seen: TargetIdentity): Promise<void> {
  await sql`
    update grants set claim_owner = null, claim_until = null, fence = nextval('fences') where id = ${grant}`.execute(
    tx,
  );
  await sql`
    update leases set target_identity = ${seen.identity}, target_position = ${seen.position},
      right_key = ${seen.identity} || substr(right_key, length(${identity}) + 1)
    where id = ${id}`.execute(tx);
}
