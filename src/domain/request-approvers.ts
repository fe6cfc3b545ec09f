/** Who may approve a request, whether anybody can, and in whose place: asked with what was approved so far. */
import type { PrincipalId } from "../base/ids.ts";
import { besidesApproved, fallBack, missingApprovers, placesFor, standsFor } from "./approvers.ts";
import type { Subject } from "./decide-request.ts";
import type { Principal } from "./principal.ts";
import { type AccessRequest, bindingApprovals, type Review } from "./request.ts";

/** Everybody who may fill a place now. */
export function whoMayApprove(
  request: AccessRequest,
  reviews: readonly Review[],
  { resource, principals }: Subject,
): Set<PrincipalId> {
  const people = besidesApproved(principals, bindingApprovals(request, reviews));
  const places = placesFor(request.decision.steps, resource, request.requesterId, people);
  return new Set(places.flatMap((place) => [...place.eligible]));
}

/** In whose place somebody decides, besides their own: not theirs who have approved themselves. */
export const inPlaceOf = (
  delegate: PrincipalId,
  request: AccessRequest,
  reviews: readonly Review[],
  { principals }: Pick<Subject, "principals">,
): readonly Principal[] =>
  standsFor(delegate, request.requesterId, besidesApproved(principals, bindingApprovals(request, reviews)));

/** Steps that nobody who is there could fill may be filled by those whom they name for that. */
export function withFallback(
  request: AccessRequest,
  { resource, principals }: Subject,
  reviews: readonly Review[] = [],
  atMs?: number,
): AccessRequest {
  const { decision } = request;
  const approvals = bindingApprovals(request, reviews);
  const steps = fallBack(decision.steps, resource, request.requesterId, principals, approvals, atMs);
  return steps === decision.steps ? request : { ...request, decision: { ...decision, steps } };
}

/** A sentence when nobody who is there can complete the approval; null when somebody can. */
export function whoIsMissing(
  request: AccessRequest,
  { resource, principals }: Subject,
  reviews: readonly Review[] = [],
): string | null {
  const approvals = bindingApprovals(request, reviews);
  return missingApprovers(request.decision.steps, resource, request.requesterId, principals, approvals);
}
