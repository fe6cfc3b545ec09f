/** What the reconciler records while it takes access away. Nothing is closed but on a probe's word. */

import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import type { Evidence, Observation, TargetIdentity } from "../domain/evidence.ts";
import { closeGrant as close, confirmGrant, type Grant, provenGone, reopenGrant } from "../domain/grant.ts";
import type { Lease } from "../domain/lease.ts";
import { type SharedRight, sharedRight } from "../domain/plan.ts";
import type { Claim } from "../store/grants.ts";
import type { LedgerContext } from "./context.ts";
import { transact } from "./transact.ts";

const acting = (operation: string, claim: Claim) => ({
  operation,
  actor: { system: "reconciler" as const },
  refs: { grant: claim.grant },
});

/** Who else holds what this lease gives. Read while the right is held by this claim, so that it stays true. */
export const shared = async (context: LedgerContext, lease: Lease): Promise<SharedRight> =>
  sharedRight(lease, await context.ledger.holdersOf(lease.rightKey));

/** What a probe saw, summed up by the reconciler. */
export type Proof = {
  readonly accessGone: boolean;
  /** The access was seen, and no other grant accounts for it. */
  readonly live: boolean;
  /** The right itself is gone, however it was held: nothing stands and nothing is covered. */
  readonly rightGone: boolean;
  /** Nothing is left to clean up. */
  readonly clean: boolean;
  readonly observations: readonly Observation[];
  readonly target: TargetIdentity;
  readonly shared: SharedRight;
};

const observed = (proof: Proof): JsonObject => ({
  target: { ...proof.target },
  observations: proof.observations.map((o) => ({ ...o })),
});

/**
 * Records a proof on a grant that is being revoked: access gone, and closed when nothing is left besides; then the claim is
 * let go with it. Answers the grant as it is then. A proof that shows access changes nothing.
 */
export async function recordProof(
  context: LedgerContext,
  claim: Claim,
  proof: Proof,
  confirmAfterMs: number,
): Promise<Grant | null> {
  const result = await transact<Grant | null>(context, acting("record-proof", claim), async ({ tx, apply }) => {
    const locked = await tx.lockGrant(claim.grant, claim);
    if (locked?.grant.state !== "revoking") return locked?.grant ?? null;
    const { grant, nowMs } = locked;
    if (!proof.accessGone) {
      if (proof.live && grant.accessGone) await apply({ grants: [reopenGrant(grant, observed(proof))] }, nowMs);
      return grant;
    }
    if (!proof.clean) {
      if (grant.accessGone) return grant;
      const gone = provenGone(grant, observed(proof));
      // What is still to do stays troubled: access being gone does not make the clean-up succeed.
      await apply({ grants: [{ ...gone, grant: { ...gone.grant, trouble: grant.trouble } }] }, nowMs);
      return gone.grant;
    }
    const { coveredBy, standing } = proof.shared;
    const held: Evidence["kind"] = standing ? "standing" : coveredBy.length > 0 ? "covered" : "gone";
    const kind = proof.rightGone ? "gone" : held;
    const evidence: Evidence = {
      kind,
      target: proof.target,
      observations: proof.observations,
      coveredBy: kind === "gone" ? [] : coveredBy,
    };
    const closed = close(grant, evidence, nowMs, confirmAfterMs);
    const lease = await tx.leaseOf(claim.grant);
    const released =
      lease === null
        ? []
        : [{ ...lease, state: "released" as const, target: proof.target, secretId: null, fence: claim.fence }];
    const discarded = lease === null || lease.secretId === null ? [] : [lease.secretId];
    // Nothing is due before the second look: with the receipt the claim has served.
    await apply({ grants: [closed], leases: released }, nowMs, { discarded, released: claim });
    return closed.grant;
  });
  return result as Grant | null;
}

/** The second probe, one claim lifetime after the close: confirmed (true, and the claim is let go), or live again and loud. */
export async function recordConfirmation(context: LedgerContext, claim: Claim, proof: Proof): Promise<boolean> {
  const result = await transact<boolean>(context, acting("record-confirmation", claim), async ({ tx, apply }) => {
    const locked = await tx.lockGrant(claim.grant, claim);
    const lease = await tx.leaseOf(claim.grant);
    if (locked === null || lease === null || (locked.grant.state !== "revoked" && locked.grant.state !== "failed"))
      return false;
    const { grant, nowMs } = locked;
    const evidence = { ...observed(proof), seenAt: toTimestamp(nowMs) };
    if (proof.accessGone && proof.clean) {
      // The sealed connection has served: nothing will have to be undone through it again.
      const discarded = [lease.connector.sealedConnection];
      await apply({ grants: [confirmGrant(grant, evidence)] }, nowMs, { discarded, released: claim });
      return true;
    }
    await apply(
      { grants: [reopenGrant(grant, evidence)], leases: [{ ...lease, state: "made", fence: claim.fence }] },
      nowMs,
    );
    return false;
  });
  return result as boolean;
}
