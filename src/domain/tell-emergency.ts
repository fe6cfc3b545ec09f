/** Who is told of an emergency: who was passed over, at once; who reviews it, until they have. */
import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import type { PrincipalId } from "../base/ids.ts";
import { placesFor } from "./approvers.ts";
import type { EmergencyTold, MessageDraft } from "./message.ts";
import type { Source } from "./policy.ts";
import { hasRole, type Principal } from "./principal.ts";
import { type AccessRequest, agreedDurationMs, type EmergencyReview, onOffer, type Review } from "./request.ts";
import type { Resource } from "./resource.ts";

/** What the configuration says of where it happened; `resource` null: it is configured no more. */
export type EmergencyScene = {
  readonly resource: Pick<Resource, "owners"> | null;
  /** Everybody who is active and can be meant (`soughtFor`). */
  readonly principals: readonly Principal[];
};

/** An emergency that leads to access has a review before it; nothing else has. */
export const toBeReviewed = ({ decision }: AccessRequest, startMs: number): { emergencyReview?: EmergencyReview } => {
  if (decision.emergency === undefined) return {};
  const dueMs = startMs + decision.emergency.withinMs;
  return { emergencyReview: { dueMs, remindMs: dueMs, done: null } };
};

const NOWHERE = { owners: [] };

function meantBy(
  sources: readonly Source[] | undefined,
  { resource, principals }: EmergencyScene,
  requester: PrincipalId,
): Principal[] {
  const [place] = placesFor([{ by: sources ?? [], count: 1 }], resource ?? NOWHERE, requester, principals);
  return principals.filter(({ id }) => place?.eligible.has(id) === true);
}

/** Who may review it now: living users whom its rule named, and who stands for them, never its requester. Where there is nobody, the admins. */
export function whoReviews({ decision, requesterId }: AccessRequest, scene: EmergencyScene): Principal[] {
  const named = meantBy(decision.emergency?.reviewBy, scene, requesterId);
  return named.length > 0 ? named : adminsBut(requesterId, scene).filter(({ kind }) => kind === "user");
}

/** Who could have approved it as an ordinary request. */
export const whoWasSkipped = ({ decision, requesterId }: AccessRequest, scene: EmergencyScene): Principal[] =>
  meantBy(decision.emergency?.skipped, scene, requesterId);

const adminsBut = (requester: PrincipalId, { principals }: EmergencyScene): Principal[] =>
  principals.filter((person) => person.active && person.id !== requester && hasRole(person, "admin"));

const idsOf = (people: readonly Principal[], but: readonly PrincipalId[] = []): PrincipalId[] => [
  ...new Set(people.map(({ id }) => id).filter((id) => !but.includes(id))),
];

const toldOf = (request: AccessRequest, durationMs: number): EmergencyTold => ({
  requester: request.requesterId,
  entitlement: onOffer(request).entitlement,
  duration: formatDuration(durationMs),
  reason: request.reason,
  ticket: request.ticket,
  rule: request.decision.rule ?? "",
  extends: request.extendsGrantId,
  reviewDueAt: toTimestamp(request.emergencyReview?.dueMs ?? 0),
});

/** With the access: whoever reviews it, and everybody who was passed over. Of what is no emergency, nothing. */
export function tellEmergency(
  request: AccessRequest,
  approvals: readonly Review[],
  scene: EmergencyScene,
): MessageDraft[] {
  if (request.emergencyReview === null) return [];
  const approvedBy = approvals.map(({ reviewerId }) => reviewerId);
  const data = { ...toldOf(request, agreedDurationMs(request, approvals)), approvedBy };
  const reviewers = idsOf(whoReviews(request, scene));
  const skipped = idsOf(whoWasSkipped(request, scene), [...reviewers, ...approvedBy]);
  return [
    { kind: "emergency.to-review", to: reviewers, data },
    { kind: "emergency.used", to: skipped, data },
  ];
}

/** Who may review it, and the admins: a review that nobody makes is theirs to see to. */
export const tellOverdue = (request: AccessRequest, scene: EmergencyScene): MessageDraft => ({
  kind: "emergency.overdue",
  to: idsOf([...whoReviews(request, scene), ...adminsBut(request.requesterId, scene)]),
  data: toldOf(request, request.durationMs),
});

/** The requester; of one that was not justified the admins, too. */
export function tellReviewed(request: AccessRequest, scene: EmergencyScene): MessageDraft[] {
  const done = request.emergencyReview?.done;
  if (done === undefined || done === null) return [];
  const { verdict, reviewerId: by, comment } = done;
  const admins = verdict === "unjustified" ? idsOf(adminsBut(request.requesterId, scene), [by]) : [];
  const to = [request.requesterId, ...admins];
  const { requesterId: requester } = request;
  return [
    {
      kind: "emergency.reviewed",
      to,
      data: { requester, entitlement: onOffer(request).entitlement, verdict, by, comment },
    },
  ];
}
