import type { PrincipalId, RequestId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { soughtFor } from "../domain/candidates.ts";
import { type GivenEmergencyVerdict, remind, reviewEmergency as review } from "../domain/emergency.ts";
import type { AccessRequest } from "../domain/request.ts";
import type { EmergencyScene } from "../domain/tell-emergency.ts";
import type { LedgerTx } from "../store/ledger.ts";
import { reviewsToRemindOf } from "../store/requests.ts";
import type { Context, LedgerContext } from "./context.ts";
import { findEntitlement } from "./subject.ts";
import { type IdempotencyKey, transact } from "./transact.ts";

const NO_SUCH_REQUEST = refuse("not-found", "There is no such request, or you may not see it.");

/** Somebody's verdict on an emergency, afterwards. Two at once are one after the other: the second finds it done. */
export function reviewEmergency(
  context: LedgerContext,
  reviewerId: PrincipalId,
  id: RequestId,
  given: GivenEmergencyVerdict,
  idempotency: IdempotencyKey | null = null,
): Promise<{ requestId: RequestId } | Refusal> {
  const acting = {
    operation: "review-emergency",
    actor: { principal: reviewerId },
    refs: { request: id },
    idempotency,
  };
  return transact(context, acting, async ({ tx, apply }) => {
    // Whoever is deactivated meanwhile holds them; people before requests.
    const reviewer = await tx.lockPrincipal(reviewerId);
    if (reviewer?.active !== true) return refuse("principal-deactivated", "You are deactivated.");
    const request = await tx.lockRequest(id);
    if (request === null) return NO_SUCH_REQUEST;
    const nowMs = await tx.nowMs();
    const decided = review(request, reviewerId, given, await sceneOf(context, tx, request), nowMs);
    if (isRefusal(decided)) return decided;
    await apply(decided.changes, nowMs);
    return { requestId: id };
  });
}

async function sceneOf(
  context: LedgerContext,
  tx: LedgerTx,
  { entitlement, decision }: AccessRequest,
): Promise<EmergencyScene> {
  const catalog = await context.catalog.active(tx);
  const found = catalog === null ? null : findEntitlement(catalog, entitlement);
  const resource = found?.resource ?? null;
  return { resource, principals: await tx.candidatesFor(soughtFor(resource, [decision])) };
}

const BATCH_MAX = 100;

/** Reminds whoever may review what is overdue. Answers how many. One that cannot be told keeps none of the others waiting. */
export async function remindReviewers(context: Context): Promise<number> {
  const ids = await reviewsToRemindOf(context.db, await context.ledger.nowMs(), BATCH_MAX);
  const failures: unknown[] = [];
  for (const id of ids) await remindOf(context, id).catch((error: unknown) => failures.push(error));
  if (failures.length > 0)
    throw new AggregateError(
      failures,
      `${failures.length} of ${ids.length} reviews could not be asked for: ${failures[0]}`,
    );
  return ids.length;
}

async function remindOf(context: LedgerContext, id: RequestId): Promise<void> {
  const acting = { operation: "remind-reviewers", actor: { system: "jobs" as const }, refs: { request: id } };
  await transact(context, acting, async ({ tx, apply }) => {
    const request = await tx.lockRequest(id);
    const nowMs = await tx.nowMs();
    const reminded = request && remind(request, await sceneOf(context, tx, request), nowMs);
    if (reminded !== null) await apply(reminded.changes, nowMs);
    return null;
  });
}
