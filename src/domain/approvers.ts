import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import type { PrincipalId } from "../base/ids.ts";
import { asWritten, hasEscalated, withMore } from "./escalation.ts";
import { fillPlaces, type Hand, type Places, type StepPlaces } from "./matching.ts";
import type { ApproveRule, Decision, Source, Step } from "./policy.ts";
import type { Principal } from "./principal.ts";
import type { Review } from "./request.ts";
import type { Resource } from "./resource.ts";

/** As much of a resource as tells who is meant. */
type Owned = Pick<Resource, "owners">;
/** As much of a step. */
type Sourced = Pick<Step, "by">;

/** Whether this person is meant by this source. `owners` are the owners of the resource; a `manager` is a `user:` once it is decided. */
function isMeant(principal: Principal, source: Source, resource: Owned): boolean {
  if (source === "manager") return false;
  if (source === "owners")
    return resource.owners.some((owner) => owner !== "owners" && isMeant(principal, owner, resource));
  const name = source.slice(source.indexOf(":") + 1);
  return source.startsWith("group:") ? principal.groups.includes(name) : principal.handle === name;
}

/** Who is meant by a step themselves: living users, never the requester and never a machine. */
export const isEligible = (principal: Principal, step: Sourced, resource: Owned, requester: PrincipalId): boolean =>
  mayReview(principal, requester) && step.by.some((source) => isMeant(principal, source, resource));

const mayReview = (principal: Principal, requester: PrincipalId): boolean =>
  principal.active && principal.kind === "user" && principal.id !== requester;

/** Whether a delegation is of use for what this person asks: not one that they gave, for themselves or for somebody else. */
const isOfUse = ({ id, away }: Principal, requester: PrincipalId): boolean =>
  id !== requester && away !== undefined && away.setBy !== requester;

/** In whose place this person decides about what the requester asks: theirs who are away and named them. No further: a delegate has none. */
export const standsFor = (
  delegate: PrincipalId,
  requester: PrincipalId,
  principals: readonly Principal[],
): readonly Principal[] => principals.filter((one) => one.away?.delegateId === delegate && isOfUse(one, requester));

/** Who may fill a place of the step: who is meant, and who stands for somebody who is. */
export const mayFill = (
  principal: Principal,
  step: Sourced,
  resource: Owned,
  requester: PrincipalId,
  inPlaceOf: readonly Principal[],
): boolean =>
  mayReview(principal, requester) &&
  [principal, ...inPlaceOf].some((one) => isEligible(one, step, resource, requester));

/** The same people, but nobody stands any more for who has approved: they have decided themselves. */
export function besidesApproved(
  principals: readonly Principal[],
  approvals: readonly Approval[],
): readonly Principal[] {
  const approved = new Set(approvals.map(({ reviewerId }) => reviewerId));
  if (!principals.some((one) => one.away !== undefined && approved.has(one.id))) return principals;
  return principals.map((one) => {
    if (!approved.has(one.id)) return one;
    const { away: _, ...there } = one;
    return there;
  });
}

/** Whether a request concerns this person: they may approve it, review it as an emergency, or were passed over by it. */
export const hasSay = (
  person: Principal,
  decision: Decision,
  resource: Owned,
  requester: PrincipalId,
  inPlaceOf: readonly Principal[],
): boolean =>
  [...decision.steps, ...concernedBy(decision)].some((step) => mayFill(person, step, resource, requester, inPlaceOf));

/** As steps, whom an emergency concerns besides those who approve it. */
const concernedBy = ({ emergency }: Decision): { by: readonly Source[] }[] =>
  emergency === undefined ? [] : [{ by: emergency.reviewBy }, { by: emergency.skipped }];

/** The steps with the people who may fill them. */
export function placesFor(
  steps: readonly Pick<Step, "by" | "count">[],
  resource: Owned,
  requester: PrincipalId,
  principals: readonly Principal[],
): StepPlaces<PrincipalId>[] {
  const delegates = delegatesOf(principals, requester);
  return steps.map((step) => {
    const meant = principals.filter((one) => isEligible(one, step, resource, requester)).map(({ id }) => id);
    const instead = meant.flatMap((id) => delegates.get(id) ?? []);
    return { count: step.count, eligible: new Set([...meant, ...instead]) };
  });
}

/** By who is away, who may decide in their place. */
export function delegatesOf(
  principals: readonly Principal[],
  requester: PrincipalId,
): ReadonlyMap<PrincipalId, PrincipalId> {
  const away = principals.filter((one) => isOfUse(one, requester));
  if (away.length === 0) return new Map();
  const may = new Set(principals.filter((one) => mayReview(one, requester)).map(({ id }) => id));
  return new Map(
    away.flatMap(({ id, away: absence }) => {
      const delegate = absence?.delegateId ?? null;
      return delegate !== null && may.has(delegate) ? [[id, delegate]] : [];
    }),
  );
}

/** An approval as it is counted: whose, and in whose place they could give it. */
export type Approval = Pick<Review, "reviewerId" | "standsFor">;

/** The steps with the people who are meant, whose rights fill their places. */
const meantFor = (
  steps: readonly Step[],
  resource: Resource,
  requester: PrincipalId,
  principals: readonly Principal[],
): StepPlaces<PrincipalId>[] =>
  steps.map((step) => ({
    count: step.count,
    eligible: new Set(principals.filter((one) => isEligible(one, step, resource, requester)).map(({ id }) => id)),
  }));

/** Those who approved, by what they may decide now, and in whose place they approved: not theirs who approved themselves. */
function handsOf(
  approvals: readonly Approval[],
  requester: PrincipalId,
  principals: readonly Principal[],
): Hand<PrincipalId>[] {
  const may = new Set(principals.filter((one) => mayReview(one, requester)).map(({ id }) => id));
  const approved = new Set(approvals.map(({ reviewerId }) => reviewerId));
  return approvals
    .filter(({ reviewerId }) => may.has(reviewerId))
    .map(({ reviewerId, standsFor: others = [] }) => ({
      by: reviewerId,
      rights: [reviewerId, ...others.filter((id) => !approved.has(id))],
    }));
}

/** How far the approvals carry, each person counted where they, or who they stood for, are eligible now. */
export const countApprovals = (
  steps: readonly Step[],
  resource: Resource,
  requester: PrincipalId,
  principals: readonly Principal[],
  approvals: readonly Approval[],
): Places => fillPlaces(meantFor(steps, resource, requester, principals), handsOf(approvals, requester, principals));

/** Words for what a step needs: `2 of group:security or owners (group:payments-leads), after 30m also group:sre-leads`. */
export function describeStep(step: Step, resource: Resource): string {
  const named = (sources: readonly Source[]): string =>
    sources.map((source) => (source === "owners" ? `owners (${resource.owners.join(", ")})` : source)).join(" or ");
  const added = (step.added ?? []).filter(({ by }) => by.length > 0);
  const first = named(asWritten(step)) || "nobody: no manager is known";
  return [
    `${step.count} of ${first}`,
    ...added.map(({ by, atMs }) => `${atMs === undefined ? "" : `since ${minuteOf(atMs)} `}also ${named(by)}`),
    ...(step.escalate === undefined || hasEscalated(step)
      ? []
      : [`after ${formatDuration(step.escalate.afterMs)} also ${named(step.escalate.to)}`]),
  ].join(", ");
}

/** `2026-11-29 10:30 UTC` */
const minuteOf = (ms: number): string => `${toTimestamp(ms).slice(0, 16).replace("T", " ")} UTC`;

/** `automatically`, or `by 1 of owners and 1 of group:security`. */
export const approvalInWords = (approve: ApproveRule["approve"]): string =>
  approve === "automatically" ? "automatically" : `by ${approve.map(stepInWords).join(" and ")}`;

const stepInWords = ({ by, count, if: only, escalate, fallback }: Step): string =>
  [
    `${count} of ${by.join(", ")}`,
    ...(only === undefined ? [] : [`where ${only}`]),
    ...(escalate === undefined ? [] : [`after ${formatDuration(escalate.afterMs)} also ${escalate.to.join(", ")}`]),
    ...(fallback === undefined ? [] : [`where there are too few also ${fallback.join(", ")}`]),
  ].join("; ");

/** With everybody who may only later, once the step has escalated: they are people who can. */
const atLast = (steps: readonly Step[]): Step[] =>
  steps.map((step) => ({ ...step, by: [...step.by, ...(step.escalate?.to ?? [])] }));

/**
 * Those of all people who may fill some place, whoever asks. Made once for steps that are alike: where many people or
 * entitlements are looked at, nobody looks through everybody again for each.
 */
export function approversAmong(
  principals: readonly Principal[],
): (steps: readonly Step[], resource: Resource) => readonly Principal[] {
  const known = new Map<string, readonly Principal[]>();
  return (steps, resource) => {
    const key = `${resource.name} ${JSON.stringify(steps)}`;
    const among = known.get(key) ?? withDelegates(principals, (one) => mayFillAny(one, atLast(steps), resource));
    known.set(key, among);
    return among;
  };
}

/** Those people, and who decides in the place of one of them. */
function withDelegates(principals: readonly Principal[], isOne: (one: Principal) => boolean): readonly Principal[] {
  const those = new Set(principals.filter(isOne));
  const delegates = new Set([...those].flatMap(({ away }) => away?.delegateId ?? []));
  return principals.filter((one) => those.has(one) || delegates.has(one.id));
}

const NOBODY = "" as PrincipalId;
const mayFillAny = (one: Principal, steps: readonly Step[], resource: Resource): boolean =>
  steps.some((step) => isEligible(one, step, resource, NOBODY));

/** A sentence when nobody who is there can complete these steps, with what was approved already; null when somebody can. */
export function missingApprovers(
  steps: readonly Step[],
  resource: Resource,
  requester: PrincipalId,
  principals: readonly Principal[],
  approvals: readonly Approval[] = [],
): string | null {
  const wanted = atLast(steps);
  const places = meantFor(wanted, resource, requester, principals);
  const hands = present(requester, principals, approvals);
  const lacks = shortOf(places, hands);
  if (!lacks.includes(true)) return null;
  const short = steps.flatMap((step, i) =>
    lacks[i] ? [`${describeStep(step, resource)} (${howManyFill(places[i], hands)} can${awayIn(i)})`] : [],
  );
  return `not enough people can approve: it needs ${short.join(" and ")}. Ask whoever keeps the policy to name approvers who are here.`;

  function awayIn(i: number): string {
    const step = wanted[i];
    const away = principals.filter(
      (one) => one.away !== undefined && step !== undefined && isEligible(one, step, resource, requester),
    );
    return away.length === 0 ? "" : `; ${away.map(({ handle }) => handle).join(", ")} away`;
  }
}

/**
 * The steps with their fallback where they cannot be completed without: it is added to every step that has one and is
 * short of people. The very same steps where nothing was added.
 */
export function fallBack(
  steps: readonly Step[],
  resource: Resource,
  requester: PrincipalId,
  principals: readonly Principal[],
  approvals: readonly Approval[] = [],
  atMs?: number,
): readonly Step[] {
  const places = meantFor(steps, resource, requester, principals);
  const short = shortOf(places, present(requester, principals, approvals));
  if (!short.some((isShort, i) => isShort && steps[i]?.fallback !== undefined)) return steps;
  return steps.map((step, i) => {
    const more = (short[i] ? (step.fallback ?? []) : []).filter((source) => !step.by.includes(source));
    if (more.length === 0) return step;
    return withMore(step, { by: more, why: "fallback", ...(atMs === undefined ? {} : { atMs }) });
  });
}

/**
 * Who may be counted on: who is not away, and whoever has approved, for what that approval is worth. Nobody approves twice:
 * for whom they came to stand afterwards, they cannot decide.
 */
function present(
  requester: PrincipalId,
  principals: readonly Principal[],
  approvals: readonly Approval[],
): Hand<PrincipalId>[] {
  const approved = new Set(approvals.map(({ reviewerId }) => reviewerId));
  const people = besidesApproved(principals, approvals);
  const standing = Map.groupBy(delegatesOf(people, requester), ([, delegate]) => delegate);
  const others = people.filter((one) => one.away === undefined && mayReview(one, requester) && !approved.has(one.id));
  return [
    ...handsOf(approvals, requester, principals),
    ...others.map(({ id }) => ({ by: id, rights: [id, ...(standing.get(id) ?? []).map(([away]) => away)] })),
  ];
}

/** Which of the steps lack people, if everybody did what they may. */
function shortOf(places: readonly StepPlaces<PrincipalId>[], hands: readonly Hand<PrincipalId>[]): boolean[] {
  const { have } = fillPlaces(places, hands);
  return places.map(({ count }, i) => (have[i] ?? 0) < count);
}

const howManyFill = (place: StepPlaces<PrincipalId> | undefined, hands: readonly Hand<PrincipalId>[]): number =>
  hands.filter(({ rights }) => [...rights].some((id) => place?.eligible.has(id))).length;
