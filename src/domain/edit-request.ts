/** Its requester changes what a pending request asks for. What was said about it before counts no more: it was said of something else. */
import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import type { PrincipalId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { EntryActor } from "./audit.ts";
import {
  askedForTheLog,
  type Decided,
  expiredRefusal,
  grantFor,
  requestEntry,
  type Subject,
} from "./decide-request.ts";
import { type MessageDraft, telling } from "./message.ts";
import { type AccessRequest, type Activation, onOffer, type Review } from "./request.ts";
import { whoIsMissing, whoMayApprove, withFallback } from "./request-approvers.ts";
import { askApprovers } from "./tell.ts";
import { tellEmergency } from "./tell-emergency.ts";
import { askedUnproven } from "./unproven.ts";

/** What is to be different; what is left out stays. */
export type Edit = {
  readonly durationMs?: number;
  readonly reason?: string;
  readonly ticket?: string;
  readonly startMs?: number | null;
  readonly activation?: Activation;
};

/** One thing that is different. Of a reason no more than that: what people write is for no log that nobody can erase from. */
export type Changed = { readonly what: string; readonly from?: string; readonly to?: string };

/** Why this request cannot be changed, or not in this way; null: it can. */
export function mayNotEdit(request: AccessRequest, wanted: Edit, nowMs: number): Refusal | null {
  if (request.state === "expired" || (request.state === "pending" && nowMs >= request.expiresMs))
    return expiredRefusal(request);
  if (request.state !== "pending")
    return refuse("request-decided", `This request is already ${request.state}: there is nothing to change any more.`, {
      state: request.state,
      grantId: request.grantId,
    });
  if (request.extendsGrantId !== null && ["ticket", "startMs", "activation"].some((name) => name in wanted))
    return refuse(
      "invalid-input",
      "More time on a grant goes on with its ticket and from its end: only how much and why can be changed.",
    );
  return null;
}

/** The request as it is wanted, before policy is asked. */
export const edited = (request: AccessRequest, wanted: Edit): AccessRequest => ({ ...request, ...wanted });

export const whatChanged = (before: AccessRequest, after: AccessRequest): Changed[] => [
  ...differs("duration", formatDuration(before.durationMs), formatDuration(after.durationMs)),
  ...differs("ticket", before.ticket || "none", after.ticket || "none"),
  ...differs("start", startOf(before), startOf(after)),
  ...differs("activation", before.activation, after.activation),
  ...(before.reason === after.reason ? [] : [{ what: "reason" }]),
];

const differs = (what: string, from: string, to: string): Changed[] => (from === to ? [] : [{ what, from, to }]);
const startOf = ({ startMs }: AccessRequest): string => (startMs === null ? "once approved" : toTimestamp(startMs));

/** `duration 2h instead of 1h, another reason`. */
export const changedInWords = (changed: readonly Changed[]): string =>
  changed
    .map(({ what, from, to }) => (to === undefined ? `another ${what}` : `${what} ${to} instead of ${from}`))
    .join(", ");

/**
 * `after` is what is asked for now, with policy's answer. Every review given so far is void, and who gave it is told; all
 * who may approve are asked anew. What policy refuses changes nothing: the request waits as it was.
 */
export function edit(
  before: AccessRequest,
  after: AccessRequest,
  reviews: readonly Review[],
  subject: Subject,
  nowMs: number,
): Decided | Refusal {
  const steps = after.decision.steps.map((step) => (step.escalate === undefined ? step : { ...step, openedMs: nowMs }));
  const asks = { ...after, decision: { ...after.decision, steps }, narrowedTo: null, editedMs: nowMs };
  const request = withFallback(asks, subject);
  const unproven = askedUnproven(request, nowMs);
  if (unproven !== null) return unproven;
  const actor: EntryActor = { principal: request.requesterId };
  const voided = reviews.filter(({ voidedMs }) => voidedMs === null).map((one) => ({ ...one, voidedMs: nowMs }));
  const changed = whatChanged(before, request);
  const asked = new Set([...whoMayApprove(before, reviews, subject), ...voided.map(({ reviewerId }) => reviewerId)]);
  const entryOf = (now: AccessRequest) =>
    requestEntry(
      now,
      "request.edited",
      actor,
      {
        ...askedForTheLog(now),
        changed: changed as unknown as JsonObject[],
        voided: voided.map(({ id }) => id),
      },
      before.reason === now.reason ? undefined : { reason: now.reason },
    );
  if (request.decision.outcome === "automatic") {
    const granted = grantFor({ ...request, state: "approved", decidedMs: nowMs }, [], subject, actor, nowMs);
    if (isRefusal(granted)) return granted;
    const approved = requestEntry(granted.request, "request.approved", actor, {
      duration: formatDuration(granted.request.durationMs),
      decision: granted.request.decision as unknown as JsonObject,
      configVersion: granted.request.configVersion,
    });
    const entries = [
      telling(entryOf(request), tellEdited(granted.request, changed, asked)),
      telling(approved, ...tellEmergency(granted.request, [], subject)),
    ];
    return {
      request: granted.request,
      changes: { requests: [granted.request], reviews: voided, entries, grants: [granted.grant] },
    };
  }
  const nobody = whoIsMissing(request, subject);
  if (nobody !== null)
    return refuse("no-approvers", `Changed so, ${nobody}. ${STAYS}`, { rule: request.decision.rule });
  const entry = telling(
    entryOf(request),
    tellEdited(request, changed, asked),
    askApprovers(request, [], subject, asked),
  );
  return { request, changes: { requests: [request], reviews: voided, entries: [entry] } };
}

export const STAYS = "Nothing was changed: the request waits as it was.";

/** Whoever was asked before, or has said something: what they know of it is no longer so. */
function tellEdited(
  request: AccessRequest,
  changed: readonly Changed[],
  asked: ReadonlySet<PrincipalId>,
): MessageDraft {
  return {
    kind: "request.edited",
    to: [...asked].filter((one) => one !== request.requesterId),
    data: {
      requester: request.requesterId,
      entitlement: onOffer(request).entitlement,
      changed: changedInWords(changed),
      reason: request.reason,
      granted: request.state === "approved",
    },
  };
}
