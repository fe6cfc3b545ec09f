/**
 * The life of a request, as pure decisions: what was loaded goes in, changes with their entries come out, or a refusal.
 *
 *   (submitted) → pending → approved → a grant
 *                    ↓
 *        denied | cancelled | expired
 */
import { assert, defined } from "../base/assert.ts";
import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import { given } from "../base/given.ts";
import { type GrantId, grantId, type PrincipalId, reviewId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import { countApprovals, describeStep, mayFill } from "./approvers.ts";
import type { EntryActor, EntryDraft, RequestEntryKind } from "./audit.ts";
import { type Authentication, forTheLog } from "./authentication.ts";
import type { Changes } from "./changes.ts";
import type { Entitlement } from "./entitlement.ts";
import { factsForTheLog } from "./facts.ts";
import { createGrant, extendGrant, type Grant, type GrantChange } from "./grant.ts";
import { type MessageDraft, telling } from "./message.ts";
import type { Principal } from "./principal.ts";
import { type AccessRequest, agreedDurationMs, bindingApprovals, onOffer, type Review } from "./request.ts";
import { inPlaceOf, whoIsMissing, withFallback } from "./request-approvers.ts";
import type { Resource } from "./resource.ts";
import { askApprovers, tellApproved, tellEnded, tellNoApprovers } from "./tell.ts";
import { tellEmergency, toBeReviewed } from "./tell-emergency.ts";
import { askedUnproven, reviewedUnproven } from "./unproven.ts";

/** What the request is about, as the configuration has it now. */
export type Subject = {
  readonly resource: Resource;
  readonly entitlement: Entitlement;
  /** Everybody who is active and can be meant (`soughtFor`): who may approve is asked of these. */
  readonly principals: readonly Principal[];
  readonly activateWithinMs: number;
  /** The configuration that all this is taken from; a grant names it. */
  readonly configVersion: number;
  /** The grant that an extension is for. */
  readonly extended: Grant | null;
};

export type Decided = { readonly request: AccessRequest; readonly changes: Changes };

export const requestEntry = (
  request: AccessRequest,
  kind: RequestEntryKind,
  actor: EntryActor,
  data: JsonObject = {},
  personal?: Record<string, string>,
): EntryDraft => ({
  kind,
  actor,
  refs: {
    request: request.id,
    principal: request.requesterId,
    ...(request.grantId === null ? {} : { grant: request.grantId }),
  },
  data: {
    state: request.state,
    entitlement: onOffer(request).entitlement,
    scopeHash: onOffer(request).scopeHash,
    ...markOf(request),
    ...data,
  },
  ...(personal === undefined ? {} : { personal }),
});

/** Whatever the log says of an emergency says that it was one. */
const markOf = ({ emergency }: AccessRequest): JsonObject => (emergency ? { emergency } : {});

/** What is asked for, and what policy made of it. */
export const askedForTheLog = (request: AccessRequest): JsonObject => ({
  duration: formatDuration(request.durationMs),
  ticket: request.ticket,
  activation: request.activation,
  startsAt: request.startMs === null ? null : toTimestamp(request.startMs),
  extends: request.extendsGrantId,
  decision: request.decision as unknown as JsonObject,
  facts: factsForTheLog(request.facts),
  configVersion: request.configVersion,
});

/** A new request with policy's decision on it: denied, granted at once, or waiting for people. */
export function submit(asks: AccessRequest, subject: Subject, nowMs: number): Decided | Refusal {
  const request = withFallback(asks, subject);
  const actor: EntryActor = { principal: request.requesterId };
  const personal = { reason: request.reason };
  const { decision } = request;
  if (decision.outcome === "denied") {
    const denied: AccessRequest = { ...request, state: "denied", decidedMs: nowMs, endedBecause: "policy" };
    return {
      request: denied,
      changes: {
        requests: [denied],
        entries: [requestEntry(denied, "request.denied", actor, askedForTheLog(denied), personal)],
      },
    };
  }
  const nobody = decision.outcome === "automatic" ? null : whoIsMissing(request, subject);
  // Nobody is sent to sign in for what would come to nothing.
  const unproven = nobody === null ? askedUnproven(request, nowMs) : null;
  if (unproven !== null) return unproven;
  if (decision.outcome === "automatic") {
    const granted = grantFor({ ...request, state: "approved", decidedMs: nowMs }, [], subject, actor, nowMs);
    if ("refused" in granted) return granted;
    const { request: approved, grant } = granted;
    const entry = requestEntry(approved, "request.approved", actor, askedForTheLog(approved), personal);
    const entries = [telling(entry, ...tellEmergency(approved, [], subject))];
    return { request: approved, changes: { requests: [approved], entries, grants: [grant] } };
  }
  if (nobody !== null) {
    const denied: AccessRequest = { ...request, state: "denied", decidedMs: nowMs, endedBecause: nobody };
    const entry = requestEntry(
      denied,
      "request.denied",
      actor,
      { ...askedForTheLog(denied), because: nobody },
      personal,
    );
    const entries = [telling(entry, tellNoApprovers(denied, subject.principals, nobody))];
    return { request: denied, changes: { requests: [denied], entries } };
  }
  const entry = requestEntry(request, "request.submitted", actor, askedForTheLog(request), personal);
  return {
    request,
    changes: { requests: [request], entries: [telling(entry, askApprovers(request, [], subject))] },
  };
}

export type Verdict = {
  readonly verdict: "approve" | "deny";
  readonly comment: string;
  readonly durationMs: number | null;
  /** Another, narrower entitlement of the resource, when the approver offers less. */
  readonly instead: Entitlement | null;
  /** Left out: they came with a token. */
  readonly authentication?: Authentication | null;
};

/** One person's verdict on a pending request. `reviews` are those given so far. */
export function review(
  request: AccessRequest,
  reviews: readonly Review[],
  reviewer: Principal,
  verdict: Verdict,
  subject: Subject,
  nowMs: number,
): Decided | Refusal {
  const no = mayNotReview(request, reviews, reviewer, verdict, subject, nowMs);
  if (no !== null) return no;
  const actor: EntryActor = { principal: reviewer.id };
  const { instead } = verdict;
  const others = inPlaceOf(reviewer.id, request, reviews, subject);
  const offered: AccessRequest =
    instead === null ? request : { ...request, narrowedTo: { entitlement: instead.ref, scopeHash: instead.scopeHash } };
  const recorded: Review = {
    id: reviewId.make(),
    requestId: request.id,
    reviewerId: reviewer.id,
    verdict: verdict.verdict,
    comment: verdict.comment,
    durationMs: verdict.durationMs,
    ...onOffer(offered),
    createdMs: nowMs,
    voidedMs: null,
    ...(others.length === 0 ? {} : { standsFor: others.map(({ id }) => id) }),
    ...given({ authentication: verdict.authentication ?? null }),
  };
  // Reviews of something wider do not carry over to what is offered now.
  const voided =
    instead === null ? [] : reviews.filter((r) => r.voidedMs === null).map((r) => ({ ...r, voidedMs: nowMs }));
  const entry = reviewEntry(offered, recorded, actor);
  const all = [...(instead === null ? reviews : voided), recorded];
  const kept = { reviews: [...voided, recorded] };
  if (verdict.verdict === "deny") {
    const denied: AccessRequest = {
      ...offered,
      state: "denied",
      decidedMs: nowMs,
      endedBecause: `denied by ${reviewer.handle}`,
    };
    const tells = tellEnded(denied, "denied", reviewer.id, verdict.comment);
    const entries = [entry, telling(requestEntry(denied, "request.denied", actor), tells)];
    return { request: denied, changes: { ...kept, requests: [denied], entries } };
  }
  const decided = approveWhenComplete(offered, all, subject, actor, nowMs);
  if ("refused" in decided) return decided;
  const { changes } = decided;
  // Something narrower is on offer now: everybody is asked anew.
  const asksAnew = instead !== null && decided.request.state === "pending";
  const recordedEntry = asksAnew ? telling(entry, askApprovers(decided.request, all, subject)) : entry;
  const entries = [recordedEntry, ...(changes.entries ?? [])];
  return { request: decided.request, changes: { ...changes, ...kept, entries } };
}

function reviewEntry(request: AccessRequest, recorded: Review, actor: EntryActor): EntryDraft {
  const data: JsonObject = {
    review: recorded.id,
    verdict: recorded.verdict,
    duration: recorded.durationMs === null ? null : formatDuration(recorded.durationMs),
    ...(recorded.standsFor === undefined ? {} : { standsFor: [...recorded.standsFor] }),
    ...forTheLog(recorded.authentication),
  };
  return requestEntry(
    request,
    "review.recorded",
    actor,
    data,
    recorded.comment === "" ? undefined : { comment: recorded.comment },
  );
}

function mayNotReview(
  request: AccessRequest,
  reviews: readonly Review[],
  reviewer: Principal,
  verdict: Verdict,
  subject: Subject,
  nowMs: number,
): Refusal | null {
  if (reviewer.id === request.requesterId) return refuse("self-review", "Somebody else must review your request.");
  if (request.state === "expired") return expiredRefusal(request);
  if (request.state !== "pending")
    return refuse("request-decided", `This request is already ${request.state}.`, { state: request.state });
  if (nowMs >= request.expiresMs) return expiredRefusal(request);
  const { steps } = request.decision;
  const others = inPlaceOf(reviewer.id, request, reviews, subject);
  if (!steps.some((step) => mayFill(reviewer, step, subject.resource, request.requesterId, others)))
    return refuse(
      "not-an-approver",
      `This request is for ${steps.map((step) => describeStep(step, subject.resource)).join(" and ")}.`,
    );
  if (reviews.some((r) => r.reviewerId === reviewer.id && r.voidedMs === null && verdict.instead === null))
    return refuse("already-reviewed", "You have reviewed this request; it waits for somebody else now.");
  const offer = onOffer(request);
  if (subject.entitlement.ref === offer.entitlement && subject.entitlement.scopeHash !== offer.scopeHash)
    return scopeChangedRefusal(offer.entitlement);
  if (verdict.durationMs !== null && verdict.durationMs > request.durationMs)
    return refuse("invalid-duration", `Approve at most what was asked for, ${formatDuration(request.durationMs)}.`);
  const notThis = verdict.instead === null ? null : mayNotOffer(verdict.instead, subject, request);
  // A no gives nobody anything.
  if (notThis !== null || verdict.verdict === "deny") return notThis;
  return reviewedUnproven(request, verdict.authentication ?? null, nowMs);
}

function mayNotOffer(instead: Entitlement, subject: Subject, request: AccessRequest): Refusal | null {
  if (request.extendsGrantId !== null)
    return refuse("invalid-input", "An extension is for the same entitlement; approve a shorter time instead.");
  const { narrower } = subject.entitlement;
  if (instead.resource === subject.resource.name && narrower.includes(instead.name)) return null;
  const choice = narrower.length === 0 ? "It has none." : `It has: ${narrower.join(", ")}.`;
  return refuse(
    "invalid-input",
    `${instead.ref} is not a narrower entitlement than ${subject.entitlement.ref}. ${choice}`,
    { narrower: [...narrower] },
  );
}

const scopeChangedRefusal = (ref: string): Refusal =>
  refuse("scope-changed", `What ${ref} allows was changed after this was asked for. Make a new request.`);

export const expiredRefusal = (request: AccessRequest): Refusal =>
  refuse("request-expired", `Nobody decided this request before ${toTimestamp(request.expiresMs)}. Ask for a new one.`);

/** Approves when every place is filled by people who may fill it now; otherwise the request waits on. */
export function approveWhenComplete(
  request: AccessRequest,
  reviews: readonly Review[],
  subject: Subject,
  actor: EntryActor,
  nowMs: number,
): Decided | Refusal {
  const approvals = bindingApprovals(request, reviews);
  const { complete } = countApprovals(
    request.decision.steps,
    subject.resource,
    request.requesterId,
    subject.principals,
    approvals,
  );
  // No approval at all is never approval, whatever the steps say.
  if (!complete || approvals.length === 0) return { request, changes: { requests: [request] } };
  const granted = grantFor({ ...request, state: "approved", decidedMs: nowMs }, approvals, subject, actor, nowMs);
  if ("refused" in granted) return granted;
  const entry = requestEntry(granted.request, "request.approved", actor, {
    duration: formatDuration(agreedDurationMs(request, approvals)),
  });
  return {
    request: granted.request,
    changes: {
      requests: [granted.request],
      entries: [
        telling(entry, tellApproved(granted.request, approvals), ...tellEmergency(granted.request, approvals, subject)),
      ],
      grants: [granted.grant],
    },
  };
}

/** What approval makes: a grant, or more time on the one that is to be extended. */
export function grantFor(
  request: AccessRequest,
  approvals: readonly Review[],
  subject: Subject,
  actor: EntryActor,
  nowMs: number,
): { request: AccessRequest; grant: GrantChange } | Refusal {
  const offer = onOffer(request);
  const { entitlement } = subject;
  assert(
    entitlement.ref === offer.entitlement || entitlement.narrower.includes(nameOf(offer.entitlement)),
    "a grant is for what was approved",
  );
  const durationMs = agreedDurationMs(request, approvals);
  if (request.extendsGrantId !== null) {
    const grant = defined(subject.extended, "the grant to be extended");
    // The grant keeps the scope it was approved with: who approves the scope of today does not approve that one.
    if (grant.scopeHash !== offer.scopeHash) return scopeChangedRefusal(offer.entitlement);
    const limits = { maxDurationMs: entitlement.maxDurationMs };
    const extended = extendGrant(grant, durationMs, limits, actor, request.reason, nowMs);
    if ("refused" in extended) return extended;
    return { request: { ...request, grantId: grant.id, ...toBeReviewed(request, nowMs) }, grant: extended };
  }
  const given = defined(subject.resource.entitlements[nameOf(offer.entitlement)], `entitlement ${offer.entitlement}`);
  assert(given.scopeHash === offer.scopeHash, "the scope is the one that was approved");
  const id: GrantId = grantId.make();
  const grant = createGrant(
    {
      id,
      requestId: request.id,
      principalId: request.requesterId,
      resource: subject.resource.name,
      entitlement: offer.entitlement,
      scope: given.scope,
      scopeHash: given.scopeHash,
      activation: request.activation,
      durationMs: Math.min(durationMs, given.maxDurationMs),
      startMs: request.startMs,
      configVersion: subject.configVersion,
      createdMs: nowMs,
    },
    request.decision.activateWithinMs ?? subject.activateWithinMs,
    actor,
  );
  const { entry } = grant;
  return {
    request: { ...request, grantId: id, ...toBeReviewed(request, grant.grant.startsMs) },
    grant: { ...grant, entry: { ...entry, data: { ...entry.data, ...markOf(request) } } },
  };
}

export const nameOf = (ref: string): string => ref.slice(ref.indexOf(":") + 1);

/** The requester, or somebody in charge, takes the request back. */
export function cancel(request: AccessRequest, by: PrincipalId, nowMs: number): Decided | Refusal {
  if (request.state !== "pending")
    return request.state === "approved"
      ? refuse("request-decided", "This request is approved already; revoke its grant instead.", {
          state: request.state,
          grantId: request.grantId,
        })
      : refuse("request-decided", `This request is already ${request.state}.`, { state: request.state });
  return ended(request, "cancelled", "taken back", { principal: by }, nowMs);
}

/** Nobody decided in time. */
export const expire = (request: AccessRequest, nowMs: number): Decided =>
  ended(request, "expired", "nobody decided in time", { system: "jobs" }, nowMs);

/** Ends a pending request for a reason outside it: its person was deactivated, or what it asks for is no more. */
export const endPending = (
  request: AccessRequest,
  state: "cancelled" | "denied",
  because: string,
  actor: EntryActor,
  nowMs: number,
  tells?: MessageDraft,
): Decided => ended(request, state, because, actor, nowMs, tells);

function ended(
  request: AccessRequest,
  state: "cancelled" | "expired" | "denied",
  because: string,
  actor: EntryActor,
  nowMs: number,
  tells?: MessageDraft,
): Decided {
  assert(request.state === "pending", `request ${request.id} is ${request.state}, not pending`);
  const next: AccessRequest = { ...request, state, decidedMs: nowMs, endedBecause: because };
  const by = "principal" in actor ? actor.principal : null;
  const entry = requestEntry(next, `request.${state}`, actor, { because });
  const entries = [telling(entry, tells ?? tellEnded(next, state, by, because))];
  return { request: next, changes: { requests: [next], entries } };
}
