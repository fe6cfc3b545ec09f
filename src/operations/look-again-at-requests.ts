import type { RequestId } from "../base/ids.ts";
import { peopleIn } from "../domain/candidates.ts";
import { endPending } from "../domain/decide-request.ts";
import { lookAgain } from "../domain/look-again.ts";
import type { LedgerContext } from "./context.ts";
import { oneByOne } from "./one-by-one.ts";
import { refuseWhileSinkIsLate } from "./refuse-while-sink-is-late.ts";
import { findEntitlement, subjectOf } from "./subject.ts";
import { transact } from "./transact.ts";

const BATCH_MAX = 100;

/**
 * Pending requests with a step that escalates by now, and those whose approvers left or went away: each is looked at again,
 * in a transaction of its own. Answers how many.
 */
export async function lookAgainAtRequests(context: LedgerContext): Promise<number> {
  const ids = await context.ledger.requestsToLookAt(await context.ledger.nowMs(), BATCH_MAX);
  return oneByOne(ids, "looked at again", (id) => look(context, id));
}

async function look(context: LedgerContext, id: RequestId): Promise<void> {
  const acting = { operation: "look-again", actor: { system: "jobs" as const }, refs: { request: id } };
  await transact(context, acting, async (work) => {
    const { tx } = work;
    const catalog = await context.catalog.held(tx);
    // In quarantine nothing is given, and it may be given here. It stays due.
    if (catalog === null || (await tx.inForce()).quarantine !== null) return null;
    const seen = await tx.findRequest(id);
    if (seen === null || (await refuseWhileSinkIsLate(tx, catalog.configuration, seen.emergency)) !== null) return null;
    // Before people are read: who changes them from now on asks for another look.
    await tx.lookedAt(id);
    await tx.lockPrincipal(seen.requesterId);
    const request = await tx.lockRequest(id);
    if (request?.state !== "pending") return null;
    const extended =
      request.extendsGrantId === null ? null : ((await tx.lockGrant(request.extendsGrantId, null))?.grant ?? null);
    const nowMs = await tx.nowMs();
    // It ends with its time, by the job for that.
    if (nowMs >= request.expiresMs) return null;
    const reviews = await tx.reviewsOf(id);
    const found = findEntitlement(catalog, request.entitlement);
    const decided =
      found === null
        ? endPending(request, "denied", `${request.entitlement} no longer exists`, { system: "config" }, nowMs)
        : lookAgain(
            request,
            reviews,
            await subjectOf(tx, catalog, found, extended, [request.decision], peopleIn(reviews)),
            nowMs,
          );
    await work.apply(decided?.changes ?? { requests: [request] }, nowMs);
    return null;
  });
}
