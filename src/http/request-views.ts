/** Requests as they are shown: with people, plain words, and how far the approvals carry. */
import type { z } from "zod";
import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import { given as whatIsThere } from "../base/given.ts";
import type { PrincipalId } from "../base/ids.ts";
import type { RequestView, reviewView, step } from "../contract/access.ts";
import type { Person } from "../contract/values.ts";
import {
  type Approval,
  besidesApproved,
  countApprovals,
  delegatesOf,
  describeStep,
  isEligible,
  placesFor,
  standsFor,
} from "../domain/approvers.ts";
import type { Bundle } from "../domain/bundle.ts";
import { type Comment, mayComment } from "../domain/comment.ts";
import { reviewStateOf } from "../domain/emergency.ts";
import { type OnCallFact, onCallInWords, storedFacts, type TicketFact, ticketInWords } from "../domain/facts.ts";
import type { Step } from "../domain/policy.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { type AccessRequest, bindingApprovals, type Review } from "../domain/request.ts";
import type { Resource } from "../domain/resource.ts";
import { type EmergencyScene, whoReviews, whoWasSkipped } from "../domain/tell-emergency.ts";
import type { Catalog } from "../operations/context.ts";
import { versionOf } from "../operations/request-version.ts";
import { findEntitlement } from "../operations/subject.ts";
import type { Recorded } from "../operations/submit-request.ts";
import type { Db } from "../store/db.ts";
import type { Viewer } from "../store/visible.ts";
import { lessOf } from "./less.ts";
import { lookAt, resourceOf, type Seen } from "./look-at-requests.ts";
import { toPerson } from "./people.ts";
import type { Scene } from "./scene.ts";
import { toDemandsView } from "./step-up.ts";
import { type Offer, toOffer, type Versions } from "./versions.ts";
import { viewerOf } from "./viewer.ts";

export type StepView = z.infer<typeof step>;

/** All views of a page at once: a handful of queries, however long the page. */
export async function requestViews(
  db: Db,
  versions: Versions,
  scene: Scene,
  requests: readonly AccessRequest[],
): Promise<RequestView[]> {
  if (requests.length === 0) return [];
  const seen = await lookAt(db, versions, scene, requests);
  return requests.map((request) => viewOf(request, scene, seen));
}

/** A request as its requester recorded it a moment ago, with nothing to read: nobody has had a part in it yet. */
export async function freshView(
  versions: Versions,
  requester: Principal,
  { request, catalog, principals }: Recorded,
): Promise<RequestView> {
  const none = new Map<string, never>();
  const nothing = { reviews: none, questions: none, bundles: none, given: none };
  const describe = await versions.load([request.configVersion], catalog.configuration);
  const scene = { viewer: viewerOf(requester, catalog), catalog };
  const people = (): Person => toPerson(requester);
  return viewOf(request, scene, { ...nothing, principals, people, describe, nowMs: request.createdMs });
}

function viewOf(
  request: AccessRequest,
  scene: Scene,
  { nowMs, reviews, questions, bundles, given, principals, people, describe }: Seen,
): RequestView {
  const of = { request, reviews: reviews.get(request.id) ?? [], resource: resourceOf(scene.catalog, request) };
  const { entitlement, scopeHash, narrowedTo, configVersion } = request;
  return {
    ...plain(request),
    ...describe(entitlement, scopeHash, configVersion),
    offered: narrowedTo === null ? null : describe(narrowedTo.entitlement, narrowedTo.scopeHash, configVersion),
    requester: people(request.requesterId),
    bundle: bundleRefOf(request.parentId === null ? undefined : bundles.get(request.parentId)),
    decision: {
      outcome: request.decision.outcome,
      rule: request.decision.rule,
      steps: stepViews(of, principals),
      trace: [...request.decision.trace],
      ...whatIsThere({ authentication: toDemandsView(request.decision.authentication) }),
    },
    facts: factsOf(request),
    less: given.has(request.id) ? lessOf(request, given.get(request.id) ?? request) : null,
    reviews: of.reviews.map((review) => toReviewView(review, people)),
    emergencyReview: emergencyReviewOf(request, { resource: of.resource, principals }, scene, people, nowMs),
    questions: (questions.get(request.id) ?? []).map((question) => toQuestionView(question, people)),
    ...possible(of, scene, principals, nowMs),
  };
}

/** As it was when policy was asked. In whose name a ticket is, is between who asks and the tracker. */
function factsOf({ facts }: AccessRequest): RequestView["facts"] {
  if (!("oncall" in facts)) return null;
  const { oncall, ticket } = storedFacts(facts, 0);
  return {
    onCall: toOnCallView(oncall),
    ticket:
      ticket === undefined
        ? null
        : {
            ...{ id: ticket.id, state: ticket.state, status: ticket.status, mine: ticket.mine },
            ...looked(ticket, ticketInWords(ticket)),
          },
  };
}

export const toOnCallView = (oncall: OnCallFact): NonNullable<RequestView["facts"]>["onCall"] => ({
  tier: oncall.tier,
  ...looked(oncall, oncall.unknown === undefined ? onCallInWords(oncall) : `on call is not known: ${oncall.unknown}`),
});

const looked = ({ source, ageMs, unknown }: OnCallFact | TicketFact, words: string) => ({
  ...{ source, age: Math.round(ageMs), unknown: unknown ?? null, words },
});

export const bundleRefOf = (bundle: Bundle | undefined): RequestView["bundle"] =>
  bundle === undefined ? null : { id: bundle.id, name: bundle.name, title: bundle.title };

type Of = {
  readonly request: AccessRequest;
  readonly reviews: readonly Review[];
  /** As it is configured now: who may approve is asked of this. Null: it is no more. */
  readonly resource: Resource | null;
};

const toQuestionView = ({ id, authorId, createdMs, text }: Comment, people: (id: string) => Person) => ({
  id,
  by: people(authorId),
  at: toTimestamp(createdMs),
  text,
});

const timeOrNull = (ms: number | null): string | null => (ms === null ? null : toTimestamp(ms));

const plain = (request: AccessRequest) => ({
  id: request.id,
  state: request.state,
  resource: request.entitlement.split(":")[0] ?? "",
  duration: formatDuration(request.durationMs),
  reason: request.reason,
  ticket: request.ticket,
  start: timeOrNull(request.startMs),
  activation: request.activation,
  emergency: request.emergency,
  endedBecause: request.endedBecause,
  version: versionOf(request),
  createdAt: toTimestamp(request.createdMs),
  editedAt: timeOrNull(request.editedMs),
  expiresAt: toTimestamp(request.expiresMs),
  decidedAt: timeOrNull(request.decidedMs),
  grantId: request.grantId,
  extendsGrantId: request.extendsGrantId,
});

const toReviewView = (review: Review, people: (id: string) => Person): z.infer<typeof reviewView> => ({
  id: review.id,
  reviewer: people(review.reviewerId),
  verdict: review.verdict,
  comment: review.comment,
  duration: review.durationMs === null ? null : formatDuration(review.durationMs),
  entitlement: review.entitlement,
  at: toTimestamp(review.createdMs),
  counts: review.voidedMs === null,
  ...(review.standsFor === undefined ? {} : { inPlaceOf: review.standsFor.map(people) }),
});

/** The steps with the places filled by those who may fill them now. What was approved was complete, whoever has left since. */
function stepViews({ request, reviews, resource }: Of, principals: readonly Principal[]): StepView[] {
  const { steps } = request.decision;
  const approvals = bindingApprovals(request, reviews);
  const views = describeSteps(steps, resource, request.requesterId, principals, approvals);
  return request.state === "approved" ? views.map((view) => ({ ...view, have: view.count })) : views;
}

export function describeSteps(
  steps: readonly Step[],
  resource: Resource | null,
  requester: PrincipalId,
  principals: readonly Principal[],
  approvals: readonly Approval[],
): StepView[] {
  const people = besidesApproved(principals, approvals);
  const places = resource === null ? [] : placesFor(steps, resource, requester, people);
  const have = resource === null ? [] : countApprovals(steps, resource, requester, principals, approvals).have;
  const handles = new Map(principals.map((principal) => [principal.id, principal.handle]));
  return steps.map((step, i) => ({
    by: [...step.by],
    count: step.count,
    have: have[i] ?? 0,
    ...addedTo(step),
    needs: resource === null ? `${step.count} of ${step.by.join(" or ")}` : describeStep(step, resource),
    canApprove: [...(places[i]?.eligible ?? [])].flatMap((id) => handles.get(id) ?? []),
    ...(resource === null ? {} : awayFrom(step, resource, requester, people)),
  }));
}

/** Who of those whom the step means is away, and who decides in their place. */
function awayFrom(
  step: Step,
  resource: Resource,
  requester: PrincipalId,
  people: readonly Principal[],
): Pick<StepView, "away"> {
  const away = people.filter((one) => one.away !== undefined && isEligible(one, step, resource, requester));
  if (away.length === 0) return {};
  const delegates = delegatesOf(people, requester);
  const delegateHandle = (id: PrincipalId): string | null =>
    people.find((one) => one.id === delegates.get(id))?.handle ?? null;
  return {
    away: away.map(({ id, handle, away: absence }) => ({
      handle,
      until: toTimestamp(absence?.untilMs ?? 0),
      delegate: delegateHandle(id),
    })),
  };
}

const addedTo = ({ added = [] }: Step): Pick<StepView, "added"> =>
  added.length === 0
    ? {}
    : { added: added.map(({ by, why, atMs }) => ({ by: [...by], why, at: timeOrNull(atMs ?? null) })) };

type Possible = Pick<RequestView, "canReview" | "canCancel" | "canEdit" | "canComment" | "canOffer">;

/** What the viewer may do with it now. The operations ask again; this is for showing. */
function possible(
  { request, reviews, resource }: Of,
  scene: Scene,
  principals: readonly Principal[],
  nowMs: number,
): Possible {
  const { viewer, catalog } = scene;
  const open = request.state === "pending" && nowMs < request.expiresMs;
  const mine = request.requesterId === viewer.principal.id;
  const canReview =
    open && !mine && !hasReviewed(viewer, reviews) && isApprover({ request, reviews, resource }, viewer, principals);
  return {
    canReview,
    canCancel: open && (mine || hasRole(viewer.principal, "operator", "admin")),
    canEdit: open && mine,
    canComment: mayComment(
      viewer.principal,
      request,
      resource,
      standsFor(viewer.principal.id, request.requesterId, viewer.standsFor),
    ),
    canOffer: canReview && request.extendsGrantId === null ? narrowerOf(catalog, request) : [],
  };
}

const hasReviewed = ({ principal }: Viewer, reviews: readonly Review[]): boolean =>
  reviews.some((review) => review.reviewerId === principal.id && review.voidedMs === null);

const isApprover = (
  { request, reviews, resource }: Of,
  { principal }: Viewer,
  principals: readonly Principal[],
): boolean =>
  resource !== null &&
  placesFor(
    request.decision.steps,
    resource,
    request.requesterId,
    besidesApproved(principals, bindingApprovals(request, reviews)),
  ).some(({ eligible }) => eligible.has(principal.id));

function narrowerOf(catalog: Catalog, request: AccessRequest): Offer[] {
  const found = findEntitlement(catalog, request.entitlement);
  if (found === null) return [];
  return found.entitlement.narrower.flatMap((name) => {
    const narrower = found.resource.entitlements[name];
    return narrower === undefined ? [] : [toOffer(narrower)];
  });
}

/** Who may review it, and whom it was told to, are those of now. */
function emergencyReviewOf(
  request: AccessRequest,
  where: EmergencyScene,
  { viewer }: Scene,
  people: (id: string) => Person,
  nowMs: number,
): RequestView["emergencyReview"] {
  const { emergencyReview, decision } = request;
  if (emergencyReview === null) return null;
  const reviewers = whoReviews(request, where);
  const handles = (of: readonly Principal[]): string[] => [...new Set(of.map(({ handle }) => handle))].sort();
  const { dueMs, done } = emergencyReview;
  return {
    state: reviewStateOf(emergencyReview, nowMs),
    dueAt: toTimestamp(dueMs),
    by: [...(decision.emergency?.reviewBy ?? [])],
    reviewers: handles(reviewers),
    told: handles([...reviewers, ...whoWasSkipped(request, where)]),
    done: done && {
      verdict: done.verdict,
      reviewer: people(done.reviewerId),
      comment: done.comment,
      at: toTimestamp(done.atMs),
    },
    canReview: done === null && reviewers.some(({ id }) => id === viewer.principal.id),
  };
}
