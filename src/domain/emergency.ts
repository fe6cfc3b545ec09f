/** The review of an emergency afterwards: once, by somebody else, and asked for until it is there. */
import { toTimestamp } from "../base/clock.ts";
import type { PrincipalId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import type { EntryActor } from "./audit.ts";
import { type Authentication, forTheLog } from "./authentication.ts";
import { type Decided, requestEntry } from "./decide-request.ts";
import { telling } from "./message.ts";
import type { AccessRequest, EmergencyReview, EmergencyReviewState, EmergencyVerdict } from "./request.ts";
import { type EmergencyScene, tellOverdue, tellReviewed, whoReviews } from "./tell-emergency.ts";
import { reviewedUnproven } from "./unproven.ts";

/** How often who may review it is reminded, once it is overdue. */
export const REMIND_EVERY_MS = 24 * 3_600_000;

export function reviewStateOf({ dueMs, done }: EmergencyReview, nowMs: number): EmergencyReviewState {
  if (done !== null) return "done";
  return nowMs >= dueMs ? "overdue" : "open";
}

export type GivenEmergencyVerdict = {
  readonly verdict: EmergencyVerdict;
  readonly comment: string;
  /** How they have shown who they are; left out: by a token. */
  readonly authentication?: Authentication | null;
};

const NO_EMERGENCY = refuse("not-found", "This is no emergency that led to access: there is nothing to review.");

/** One person's verdict on an emergency; there is no second. */
export function reviewEmergency(
  request: AccessRequest,
  reviewerId: PrincipalId,
  { verdict, comment, authentication = null }: GivenEmergencyVerdict,
  scene: EmergencyScene,
  nowMs: number,
): Decided | Refusal {
  const { emergencyReview } = request;
  if (emergencyReview === null) return NO_EMERGENCY;
  if (request.requesterId === reviewerId)
    return refuse("self-review", "Somebody else must review an emergency of yours.");
  if (!whoReviews(request, scene).some(({ id }) => id === reviewerId))
    return refuse("not-an-approver", `This is reviewed by ${reviewersInWords(request)}.`);
  if (emergencyReview.done !== null)
    return refuse("already-reviewed", `This emergency was reviewed already: it was ${emergencyReview.done.verdict}.`, {
      verdict: emergencyReview.done.verdict,
    });
  if (verdict === "unjustified" && comment.trim() === "")
    return refuse("invalid-input", "Say in a comment why it was not justified: the requester and the admins read it.");
  const unproven = reviewedUnproven(request, authentication, nowMs);
  if (unproven !== null) return unproven;
  const done = { verdict, reviewerId, comment, atMs: nowMs };
  const reviewed: AccessRequest = { ...request, emergencyReview: { ...emergencyReview, done } };
  const late = nowMs >= emergencyReview.dueMs;
  const personal = comment === "" ? undefined : { comment };
  const actor: EntryActor = { principal: reviewerId };
  const entry = requestEntry(
    reviewed,
    "emergency.reviewed",
    actor,
    { verdict, late, ...forTheLog(authentication) },
    personal,
  );
  const entries = [telling(entry, ...tellReviewed(reviewed, scene))];
  return { request: reviewed, changes: { requests: [reviewed], entries } };
}

/** Whom the rule named, in words. */
export const reviewersInWords = ({ decision }: AccessRequest): string =>
  (decision.emergency?.reviewBy ?? []).join(" or ") || "nobody that its rule named";

/** The review is due and nobody has made it: who may is told, again and again. Null: it is not so, or not yet. */
export function remind(request: AccessRequest, scene: EmergencyScene, nowMs: number): Decided | null {
  const { emergencyReview } = request;
  if (emergencyReview === null || emergencyReview.done !== null || nowMs < emergencyReview.remindMs) return null;
  // From now, not from when it should have been: after a long stop there is one message and not one for each day.
  const reminded: AccessRequest = {
    ...request,
    emergencyReview: { ...emergencyReview, remindMs: nowMs + REMIND_EVERY_MS },
  };
  const dueAt = toTimestamp(emergencyReview.dueMs);
  const entry = requestEntry(reminded, "emergency.overdue", { system: "jobs" }, { dueAt });
  return {
    request: reminded,
    changes: { requests: [reminded], entries: [telling(entry, tellOverdue(reminded, scene))] },
  };
}
