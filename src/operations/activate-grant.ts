import type { GrantId } from "../base/ids.ts";
import { isRefusal, type Refusal } from "../base/problem.ts";
import { activateGrant as activate } from "../domain/grant.ts";
import type { Principal } from "../domain/principal.ts";
import type { LedgerContext } from "./context.ts";
import { NO_SUCH_GRANT } from "./revoke-grant.ts";
import { type IdempotencyKey, transact } from "./transact.ts";

/** Starts the window of an on-use grant. Only its person does that. */
export function activateGrant(
  context: LedgerContext,
  by: Principal,
  id: GrantId,
  idempotency: IdempotencyKey | null = null,
): Promise<{ grantId: GrantId } | Refusal> {
  const acting = { operation: "activate-grant", actor: { principal: by.id }, refs: { grant: id }, idempotency };
  return transact(context, acting, async ({ tx, apply }) => {
    const locked = await tx.lockGrant(id, null);
    if (locked === null || locked.grant.principalId !== by.id) return NO_SUCH_GRANT;
    const change = activate(locked.grant, { principal: by.id }, locked.nowMs);
    if (isRefusal(change)) return change;
    await apply({ grants: [change] }, locked.nowMs);
    return { grantId: id };
  });
}
