import type { DurationMs } from "../base/duration.ts";
import type { GrantId, RequestId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { Facts } from "../domain/facts.ts";
import { ended, isLive, mayNotExtend } from "../domain/grant.ts";
import type { Principal } from "../domain/principal.ts";
import type { LedgerContext } from "./context.ts";
import { NO_SUCH_GRANT } from "./revoke-grant.ts";
import { hearAsker, holdAsker, requireEntitlement } from "./subject.ts";
import { decideAndRecord } from "./submit-request.ts";
import { type IdempotencyKey, transact } from "./transact.ts";

/** Asks policy for more time on a grant. Done at once, or a request that waits for approval; the grant is unchanged until then. */
export function extendGrant(
  context: LedgerContext,
  by: Principal,
  id: GrantId,
  asked: { durationMs: DurationMs; reason: string },
  facts: Facts,
  idempotency: IdempotencyKey | null = null,
): Promise<{ grantId: GrantId; pendingRequestId: RequestId | null } | Refusal> {
  const acting = { operation: "extend-grant", actor: { principal: by.id }, refs: { grant: id }, idempotency };
  return transact(context, acting, async (work) => {
    const held = await holdAsker(context, work.tx, by.id);
    if (isRefusal(held)) return held;
    const { catalog } = held;
    const locked = await work.tx.lockGrant(id, null);
    if (locked === null || locked.grant.principalId !== by.id) return NO_SUCH_GRANT;
    const { grant, nowMs } = locked;
    if (!isLive(grant)) return ended(grant);
    const found = requireEntitlement(catalog, grant.entitlement);
    if (isRefusal(found)) return found;
    if (found.entitlement.scopeHash !== grant.scopeHash)
      return refuse(
        "scope-changed",
        `What ${grant.entitlement} allows was changed after this grant began. Make a new request.`,
      );
    // What could never be granted is not asked of anybody.
    const no = mayNotExtend(grant, asked.durationMs, { maxDurationMs: found.entitlement.maxDurationMs }, nowMs);
    if (no !== null) return no;
    const original = await work.tx.findRequest(grant.requestId);
    const more = {
      entitlement: grant.entitlement,
      durationMs: asked.durationMs,
      reason: asked.reason,
      ticket: original?.ticket ?? "",
      startMs: null,
      activation: grant.activation,
      // Given in an emergency, it is extended as one or not at all.
      emergency: original?.emergency ?? false,
    };
    const asker = await hearAsker(work.tx, held, more.emergency);
    if (isRefusal(asker)) return asker;
    const decided = await decideAndRecord(work, catalog, { ...asker, nowMs }, more, found, facts, grant);
    if (isRefusal(decided)) return decided;
    const { request } = decided;
    return { grantId: id, pendingRequestId: request.state === "pending" ? request.id : null };
  });
}
