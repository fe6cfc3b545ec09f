import type { GrantId, PrincipalId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import { hasSay, standsFor } from "../domain/approvers.ts";
import type { EntryActor } from "../domain/audit.ts";
import { type Ending, type Grant, revokeGrant as revoke } from "../domain/grant.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import type { Claim } from "../store/grants.ts";
import type { LedgerTx } from "../store/ledger.ts";
import type { LedgerContext } from "./context.ts";
import { findEntitlement } from "./subject.ts";
import { type IdempotencyKey, transact, type Work } from "./transact.ts";

export const NO_SUCH_GRANT = refuse("not-found", "There is no such grant, or you may not see it.");

/** Ends a grant now: its person, who has a say in such requests, an operator or an admin. Repeated, it changes nothing and succeeds. */
export function revokeGrant(
  context: LedgerContext,
  by: Principal,
  id: GrantId,
  reason: string,
  idempotency: IdempotencyKey | null = null,
): Promise<{ grantId: GrantId } | Refusal> {
  const acting = { operation: "revoke-grant", actor: { principal: by.id }, refs: { grant: id }, idempotency };
  return transact(context, acting, async (work) => {
    const found = await work.tx.findGrant(id);
    if (found === null) return NO_SUCH_GRANT;
    if (!(await mayRevoke(context, work.tx, by, found))) return NO_SUCH_GRANT;
    const cause = found.principalId === by.id ? "withdrawn" : "revoked";
    await endGrant(work, id, { cause, by: by.id, reason }, { principal: by.id });
    return { grantId: id };
  });
}

async function mayRevoke(context: LedgerContext, tx: LedgerTx, by: Principal, grant: Grant): Promise<boolean> {
  if (grant.principalId === by.id || hasRole(by, "operator", "admin")) return true;
  const request = await tx.findRequest(grant.requestId);
  const catalog = await context.catalog.active(tx);
  const subject = catalog === null ? null : findEntitlement(catalog, grant.entitlement);
  if (request === null || subject === null) return false;
  const others = standsFor(by.id, grant.principalId, await tx.whoNamed(by.id));
  return hasSay(by, request.decision, subject.resource, grant.principalId, others);
}

/** The one path from access, for whatever cause. False: it had ended already. */
export async function endGrant(
  work: Work,
  id: GrantId,
  ending: Ending,
  actor: EntryActor,
  claim: Claim | null = null,
): Promise<boolean> {
  const locked = await work.tx.lockGrant(id, claim);
  return locked !== null && endLocked(work, locked, ending, actor);
}

/** The same for a grant that this transaction holds already. */
export async function endLocked(
  work: Work,
  { grant, nowMs }: { grant: Grant; nowMs: number },
  ending: Ending,
  actor: EntryActor,
): Promise<boolean> {
  const leaseWritten = (await work.tx.leaseOf(grant.id)) !== null;
  const change = revoke(grant, ending, actor, { leaseWritten });
  if (change === null) return false;
  await work.apply({ grants: [change] }, nowMs);
  return true;
}

/** Ends every live grant of a person, in one transaction with whatever is the cause. Answers how many. */
export async function endAllOf(
  { tx, apply }: Work,
  id: PrincipalId,
  ending: Ending,
  actor: EntryActor,
): Promise<number> {
  const live = await tx.lockLive(id);
  const grants = live.flatMap(({ grant, leaseWritten }) => revoke(grant, ending, actor, { leaseWritten }) ?? []);
  const [first] = live;
  if (first !== undefined) await apply({ grants }, first.nowMs);
  return grants.length;
}
