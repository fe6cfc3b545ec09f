import type { RequestId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { cancel, expire } from "../domain/decide-request.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import type { LedgerContext } from "./context.ts";
import { oneByOne } from "./one-by-one.ts";
import { type IdempotencyKey, transact } from "./transact.ts";

/** Takes a pending request back: its requester, or an operator or admin. */
export function cancelRequest(
  context: LedgerContext,
  by: Principal,
  id: RequestId,
  idempotency: IdempotencyKey | null = null,
): Promise<{ requestId: RequestId } | Refusal> {
  const acting = { operation: "cancel-request", actor: { principal: by.id }, refs: { request: id }, idempotency };
  return transact(context, acting, async ({ tx, apply }) => {
    const request = await tx.lockRequest(id);
    if (request === null || (request.requesterId !== by.id && !hasRole(by, "operator", "admin")))
      return refuse("not-found", "There is no such request, or you may not cancel it.");
    const nowMs = await tx.nowMs();
    const decided = cancel(request, by.id, nowMs);
    if (isRefusal(decided)) return decided;
    await apply(decided.changes, nowMs);
    return { requestId: id };
  });
}

const BATCH_MAX = 100;

/** Ends pending requests that nobody decided in time. Answers how many. One that cannot be ended keeps none of the others waiting. */
export async function expireRequests(context: LedgerContext): Promise<number> {
  const ids = await context.ledger.overdueRequestIds(await context.ledger.nowMs(), BATCH_MAX);
  return oneByOne(ids, "expired", (id) => expireRequest(context, id));
}

async function expireRequest(context: LedgerContext, id: RequestId): Promise<void> {
  const acting = { operation: "expire-request", actor: { system: "jobs" as const }, refs: { request: id } };
  await transact(context, acting, async ({ tx, apply }) => {
    const request = await tx.lockRequest(id);
    const nowMs = await tx.nowMs();
    if (request?.state !== "pending" || nowMs < request.expiresMs) return null;
    await apply(expire(request, nowMs).changes, nowMs);
    return null;
  });
}
