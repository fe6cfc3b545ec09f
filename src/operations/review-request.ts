import type { DurationMs } from "../base/duration.ts";
import type { PrincipalId, RequestId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { Authentication } from "../domain/authentication.ts";
import { peopleIn } from "../domain/candidates.ts";
import { endPending, expire, review } from "../domain/decide-request.ts";
import type { Entitlement } from "../domain/entitlement.ts";
import { denies } from "../domain/evaluate.ts";
import { storedFacts } from "../domain/facts.ts";
import { forbiddenBy } from "../domain/panic.ts";
import type { Principal } from "../domain/principal.ts";
import { type AccessRequest, onOffer } from "../domain/request.ts";
import type { Catalog, LedgerContext } from "./context.ts";
import { refuseWhileSinkIsLate } from "./refuse-while-sink-is-late.ts";
import { notAsSeen } from "./request-version.ts";
import { circumstancesOf, findEntitlement, type Held, heldToDecide, requireEntitlement, subjectOf } from "./subject.ts";
import { type IdempotencyKey, transact, type Work } from "./transact.ts";

export type GivenVerdict = {
  readonly verdict: "approve" | "deny";
  readonly comment: string;
  readonly durationMs: DurationMs | null;
  /** Approve this narrower entitlement of the resource instead; null as asked. */
  readonly entitlement: string | null;
  /** The version that the reviewer has seen; null: they do not say. */
  readonly seen: string | null;
  /** How they have shown who they are; left out: by a token. */
  readonly authentication?: Authentication | null;
};

const NO_SUCH_REQUEST = refuse("not-found", "There is no such request, or you may not see it.");

/** One person's verdict. The last one needed makes the grant, in the same transaction. */
export function reviewRequest(
  context: LedgerContext,
  reviewerId: PrincipalId,
  id: RequestId,
  given: GivenVerdict,
  idempotency: IdempotencyKey | null = null,
): Promise<{ requestId: RequestId } | Refusal> {
  const acting = { operation: "review-request", actor: { principal: reviewerId }, refs: { request: id }, idempotency };
  return transact(context, acting, async (work) => {
    const { tx } = work;
    const held = await heldToDecide(context, tx);
    if (isRefusal(held)) return held;
    const seen = await tx.findRequest(id);
    if (seen === null) return NO_SUCH_REQUEST;
    // People before requests before grants: everybody who locks several does it in this order.
    const requester = await tx.lockPrincipal(seen.requesterId);
    const request = await tx.lockRequest(id);
    if (request === null || requester === null) return NO_SUCH_REQUEST;
    const reviewer = await tx.findPrincipal(reviewerId);
    if (reviewer?.active !== true) return refuse("principal-deactivated", "You are deactivated.");
    return decideReview(work, held, request, requester, reviewer, given);
  });
}

/** Decides on a request that is held, with its requester; for one that may be part of a bundle. */
export async function decideReview(
  work: Work,
  { catalog, panics }: Held,
  request: AccessRequest,
  requester: Principal,
  reviewer: Principal,
  given: GivenVerdict,
): Promise<{ requestId: RequestId } | Refusal> {
  const { tx } = work;
  const found = findEntitlement(catalog, request.entitlement);
  if (found === null) {
    if (request.state === "pending") {
      const nowMs = await tx.nowMs();
      await work.apply(
        endPending(request, "denied", `${request.entitlement} no longer exists`, { system: "config" }, nowMs).changes,
        nowMs,
      );
    }
    return refuse("request-decided", `${request.entitlement} no longer exists.`);
  }
  const changed = notAsSeen(request, given);
  if (changed !== null) return changed;
  const access = { resource: found.resource.name, principalId: requester.id };
  const forbidden =
    given.verdict === "approve"
      ? (forbiddenBy(panics, access) ?? (await refuseWhileSinkIsLate(tx, catalog.configuration, request.emergency)))
      : null;
  if (forbidden !== null) return forbidden;
  const extended = request.extendsGrantId === null ? null : await tx.lockGrant(request.extendsGrantId, null);
  const nowMs = await tx.nowMs();
  if (request.state === "pending" && nowMs >= request.expiresMs)
    await work.apply(expire(request, nowMs).changes, nowMs);
  const instead =
    given.entitlement === null ||
    [request.entitlement, onOffer(request).entitlement].some((it) => it === given.entitlement)
      ? null
      : offered(catalog, request, requester, given.entitlement, nowMs);
  if (isRefusal(instead)) return instead;
  const reviews = await tx.reviewsOf(request.id);
  const people = [reviewer.id, ...peopleIn(reviews)];
  const subject = await subjectOf(tx, catalog, found, extended?.grant ?? null, [request.decision], people);
  const verdict = {
    verdict: given.verdict,
    comment: given.comment,
    durationMs: given.durationMs,
    instead,
    authentication: given.authentication ?? null,
  };
  const decided = review(request, reviews, reviewer, verdict, subject, nowMs);
  if (isRefusal(decided)) return decided;
  await work.apply(decided.changes, nowMs);
  return { requestId: request.id };
}

/** What is offered instead must exist, and no deny rule may stand against it for this person. */
function offered(
  catalog: Catalog,
  request: AccessRequest,
  requester: Principal,
  ref: string,
  nowMs: number,
): Entitlement | Refusal {
  const found = requireEntitlement(catalog, ref);
  if (isRefusal(found)) return found;
  const circumstances = circumstancesOf(requester, found, request, storedFacts(request.facts, 0), nowMs);
  const denied = denies(catalog.policy, circumstances);
  return denied === null
    ? found.entitlement
    : refuse("policy-denied", `The rule ${denied.rule} denies ${ref} to ${requester.handle}: ${denied.why}.`);
}
