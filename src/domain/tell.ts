/** Who is told of what happens to requests and grants, as messages that go with its entry. */
import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import type { PrincipalId } from "../base/ids.ts";
import { describeStep } from "./approvers.ts";
import type { Subject } from "./decide-request.ts";
import type { EndCause } from "./end-cause.ts";
import type { Ending, Grant } from "./grant.ts";
import type { MessageDraft } from "./message.ts";
import type { Panic } from "./panic.ts";
import type { Source } from "./policy.ts";
import { hasRole, type Principal } from "./principal.ts";
import { type AccessRequest, agreedDurationMs, bindingApprovals, onOffer, type Review } from "./request.ts";
import { whoMayApprove } from "./request-approvers.ts";

/** Operators and admins: who acts when something is wrong with Tidegate itself. */
export const whoOperate = (principals: readonly Principal[]): PrincipalId[] =>
  principals.filter((person) => person.active && hasRole(person, "operator", "admin")).map(({ id }) => id);

/** Everybody who may fill a place now, has not approved what is on offer, and was not `asked` before. */
export function askApprovers(
  request: AccessRequest,
  reviews: readonly Review[],
  subject: Subject,
  asked: ReadonlySet<PrincipalId> = new Set(),
): MessageDraft {
  const { steps } = request.decision;
  const approved = new Set(bindingApprovals(request, reviews).map(({ reviewerId }) => reviewerId));
  return {
    kind: "request.needs-approval",
    to: [...whoMayApprove(request, reviews, subject)].filter((one) => !approved.has(one) && !asked.has(one)),
    data: {
      requester: request.requesterId,
      entitlement: onOffer(request).entitlement,
      duration: formatDuration(request.durationMs),
      reason: request.reason,
      ticket: request.ticket,
      extends: request.extendsGrantId,
      needs: steps.map((step) => describeStep(step, subject.resource)),
      expiresAt: toTimestamp(request.expiresMs),
    },
  };
}

/** The requester: who else may approve from now on. */
export const tellEscalated = (request: AccessRequest, by: readonly Source[]): MessageDraft => ({
  kind: "request.escalated",
  to: by.length === 0 ? [] : [request.requesterId],
  data: { entitlement: onOffer(request).entitlement, also: [...by], expiresAt: toTimestamp(request.expiresMs) },
});

export function tellApproved(request: AccessRequest, approvals: readonly Review[]): MessageDraft {
  const duration = formatDuration(agreedDurationMs(request, approvals));
  const { entitlement } = onOffer(request);
  const asked = { entitlement: request.entitlement, duration: formatDuration(request.durationMs) };
  const less = asked.entitlement !== entitlement || asked.duration !== duration;
  return {
    kind: "request.approved",
    to: [request.requesterId],
    data: {
      entitlement,
      duration,
      asked: less ? asked : null,
      extends: request.extendsGrantId,
      by: approvals.map(({ reviewerId }) => reviewerId),
    },
  };
}

/** The requester, unless they did it themselves. */
export function tellEnded(
  request: AccessRequest,
  state: "denied" | "cancelled" | "expired",
  by: PrincipalId | null,
  reason: string,
): MessageDraft {
  const to = by === request.requesterId ? [] : [request.requesterId];
  return { kind: `request.${state}`, to, data: { entitlement: onOffer(request).entitlement, by, reason } };
}

/** The requester, and the admins, who keep the policy. */
export function tellNoApprovers(
  request: AccessRequest,
  principals: readonly Principal[],
  reason: string,
): MessageDraft {
  const admins = principals.filter((person) => person.active && hasRole(person, "admin")).map(({ id }) => id);
  return {
    kind: "request.no-approvers",
    to: [...new Set([request.requesterId, ...admins])],
    data: { requester: request.requesterId, entitlement: onOffer(request).entitlement, reason },
  };
}

/** Ends that somebody agreed to or brought about themselves; and who was deactivated reads nothing any more. */
const FORESEEN: readonly EndCause[] = ["expired", "withdrawn", "deactivated"];

/** Whose access ends sooner than agreed, or was never given although agreed. */
export function tellEndedEarly(grant: Grant, ending: Ending): MessageDraft {
  const { cause, by, reason } = ending;
  const to = FORESEEN.includes(cause) || by === grant.principalId ? [] : [grant.principalId];
  // A panic's reason is not told to whom it may be about.
  const told = cause === "panic" ? { by: null, reason: "the panic button was pressed" } : { by, reason };
  return { kind: "grant.ended", to, data: { entitlement: grant.entitlement, cause, ...told } };
}

/** Who operates Tidegate; never the person that the panic is about. */
export function tellPanic(
  kind: "panic.started" | "panic.lifted",
  { id, scope }: Panic,
  by: PrincipalId,
  reason: string,
  principals: readonly Principal[],
): MessageDraft {
  const about = scope.on === "principal" ? scope.principalId : null;
  const resource = scope.on === "resource" ? scope.resource : null;
  const to = whoOperate(principals).filter((one) => one !== about);
  return { kind, to, data: { panic: id, on: scope.on, resource, principal: about, by, reason } };
}
