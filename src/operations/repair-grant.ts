/** What a sweep does to the ledger about a grant whose access on the target is not what it should be. */
import type { JsonObject } from "../base/canonical.ts";
import type { GrantId } from "../base/ids.ts";
import { isRefusal, type Refusal } from "../base/problem.ts";
import { askRotation, reopenGrant } from "../domain/grant.ts";
import type { LedgerContext } from "./context.ts";
import { transact } from "./transact.ts";

const RECONCILER = { system: "reconciler" as const };

/**
 * Access of a closed grant was seen: it is being revoked again, still live, and will get a new receipt. Only where the grant
 * was closed before anybody looked; false: it was not, and what was seen was on its way out.
 */
export async function reopenLeftOver(
  context: LedgerContext,
  id: GrantId,
  seen: { beganMs: number; evidence: JsonObject },
): Promise<boolean> {
  const acting = { operation: "reopen-left-over", actor: RECONCILER, refs: { grant: id } };
  const result = await transact<boolean>(context, acting, async ({ tx, apply }) => {
    const locked = await tx.lockGrant(id, null);
    const lease = await tx.leaseOf(id);
    if (locked === null || lease === null) return false;
    const { grant, nowMs } = locked;
    if ((grant.state !== "revoked" && grant.state !== "failed") || grant.revokedMs >= seen.beganMs) return false;
    await tx.putLease({ ...lease, state: "made" });
    await apply({ grants: [reopenGrant(grant, seen.evidence)] }, nowMs);
    return true;
  });
  return result === true;
}

/** The access of an active grant is gone from its target: it is made anew, and as nobody knows the old secret, with a new one. */
export async function renewLost(context: LedgerContext, id: GrantId): Promise<Refusal | null> {
  const acting = { operation: "renew-lost", actor: RECONCILER, refs: { grant: id } };
  return transact<null>(context, acting, async ({ tx, apply }) => {
    const locked = await tx.lockGrant(id, null);
    if (locked === null || (locked.grant.state === "active" && locked.grant.rotateCredential)) return null;
    const asked = askRotation(locked.grant, RECONCILER, locked.nowMs);
    if (isRefusal(asked)) return asked;
    await apply({ grants: [asked] }, locked.nowMs);
    return null;
  });
}
