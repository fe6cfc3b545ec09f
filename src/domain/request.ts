import type { JsonObject } from "../base/canonical.ts";
import type { BundleId, GrantId, PrincipalId, RequestId, ReviewId } from "../base/ids.ts";
import type { Authentication } from "./authentication.ts";
import type { EntitlementRef } from "./entitlement.ts";
import type { Decision } from "./policy.ts";

export type RequestState = "pending" | "approved" | "denied" | "cancelled" | "expired";
export type Activation = "on-approval" | "on-use";

/** Somebody asks for an entitlement, or for more time on a grant they have. */
export type AccessRequest = {
  readonly id: RequestId;
  /** The bundle it belongs to. */
  readonly parentId: BundleId | null;
  readonly requesterId: PrincipalId;
  /** The grant to be extended, or null where new access is asked for. */
  readonly extendsGrantId: GrantId | null;
  readonly entitlement: EntitlementRef;
  /** The scope as it was when asked: approvals hold for this and for nothing else. */
  readonly scopeHash: string;
  /** A narrower entitlement of the resource that an approver offered instead; reviews from then on are of this. */
  readonly narrowedTo: { readonly entitlement: EntitlementRef; readonly scopeHash: string } | null;
  /** Wanted length; for an extension the time to add. */
  readonly durationMs: number;
  readonly reason: string;
  readonly ticket: string;
  /** Wanted start; null: as soon as approved. */
  readonly startMs: number | null;
  readonly activation: Activation;
  readonly via: "direct" | "gateway";
  readonly emergency: boolean;
  readonly state: RequestState;
  /** Why it ended without a grant, for people. */
  readonly endedBecause: string | null;
  readonly decision: Decision;
  /** The facts that the decision was made on, with source and age. */
  readonly facts: JsonObject;
  readonly configVersion: number;
  readonly createdMs: number;
  /** When its requester changed it last; null: it is as it was first asked for. */
  readonly editedMs: number | null;
  /** A pending request ends then. */
  readonly expiresMs: number;
  readonly decidedMs: number | null;
  readonly grantId: GrantId | null;
  /** Of an emergency that led to access; null of everything else. */
  readonly emergencyReview: EmergencyReview | null;
};

export const EMERGENCY_VERDICTS = ["justified", "unjustified"] as const;
export type EmergencyVerdict = (typeof EMERGENCY_VERDICTS)[number];

export const REVIEW_STATES = ["open", "overdue", "done"] as const;
export type EmergencyReviewState = (typeof REVIEW_STATES)[number];

/** Somebody else looks at an emergency afterwards, once. */
export type EmergencyReview = {
  readonly dueMs: number;
  /** Who may review it is reminded then. */
  readonly remindMs: number;
  readonly done: {
    readonly verdict: EmergencyVerdict;
    readonly reviewerId: PrincipalId;
    readonly comment: string;
    readonly atMs: number;
  } | null;
};

/** One person's verdict. A voided one (the request was changed under it) counts no more. */
export type Review = {
  readonly id: ReviewId;
  readonly requestId: RequestId;
  readonly reviewerId: PrincipalId;
  readonly verdict: "approve" | "deny";
  readonly comment: string;
  /** Approved for less: shorter; null as asked. */
  readonly durationMs: number | null;
  /** What was approved or denied, exactly: the entitlement and its scope at that moment. */
  readonly entitlement: EntitlementRef;
  readonly scopeHash: string;
  readonly createdMs: number;
  readonly voidedMs: number | null;
  /** In whose place besides their own: who was away at that moment, and had named them. Left out: nobody's. */
  readonly standsFor?: readonly PrincipalId[];
  /** How they had shown who they are. Left out: by a token, or it was not kept. */
  readonly authentication?: Authentication;
};

/** What is on offer now: as asked, or what an approver narrowed it to. */
export const onOffer = (request: AccessRequest): { entitlement: EntitlementRef; scopeHash: string } =>
  request.narrowedTo ?? { entitlement: request.entitlement, scopeHash: request.scopeHash };

/** The approvals that still bind: not voided, and of exactly what is on offer. */
export const bindingApprovals = (request: AccessRequest, reviews: readonly Review[]): Review[] => {
  const offer = onOffer(request);
  return reviews.filter(
    (review) =>
      review.verdict === "approve" &&
      review.voidedMs === null &&
      review.entitlement === offer.entitlement &&
      review.scopeHash === offer.scopeHash,
  );
};

/** The time that everybody who approved agrees to: the shortest that any of them named. */
export const agreedDurationMs = (request: AccessRequest, approvals: readonly Review[]): number =>
  Math.min(request.durationMs, ...approvals.map((review) => review.durationMs ?? request.durationMs));
