import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import type { PrincipalId } from "../base/ids.ts";
import { asWritten, hasEscalated, withMore } from "./escalation.ts";
import { fillPlaces, type Places, type StepPlaces } from "./matching.ts";
import type { ApproveRule, Source, Step } from "./policy.ts";
import type { Principal } from "./principal.ts";
import type { Resource } from "./resource.ts";

/** Whether this person is meant by this source. `owners` are the owners of the resource; a `manager` is a `user:` once it is decided. */
function isMeant(principal: Principal, source: Source, resource: Resource): boolean {
  if (source === "manager") return false;
  if (source === "owners")
    return resource.owners.some((owner) => owner !== "owners" && isMeant(principal, owner, resource));
  const name = source.slice(source.indexOf(":") + 1);
  return source.startsWith("group:") ? principal.groups.includes(name) : principal.handle === name;
}

/** Who may fill a place of the step: living users that a source means, never the requester and never a machine. */
export const isEligible = (principal: Principal, step: Step, resource: Resource, requester: PrincipalId): boolean =>
  principal.active &&
  principal.kind === "user" &&
  principal.id !== requester &&
  step.by.some((source) => isMeant(principal, source, resource));

/** The steps with the people who may fill them. */
export const placesFor = (
  steps: readonly Step[],
  resource: Resource,
  requester: PrincipalId,
  principals: readonly Principal[],
): StepPlaces<PrincipalId>[] =>
  steps.map((step) => ({
    count: step.count,
    eligible: new Set(principals.filter((p) => isEligible(p, step, resource, requester)).map((p) => p.id)),
  }));

/** How far the approvals carry, each person counted where they are eligible now. */
export const countApprovals = (
  steps: readonly Step[],
  resource: Resource,
  requester: PrincipalId,
  principals: readonly Principal[],
  approvers: Iterable<PrincipalId>,
): Places => fillPlaces(placesFor(steps, resource, requester, principals), approvers);

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
    const among = known.get(key) ?? principals.filter((one) => mayFillAny(one, atLast(steps), resource));
    known.set(key, among);
    return among;
  };
}
const NOBODY = "" as PrincipalId;
const mayFillAny = (one: Principal, steps: readonly Step[], resource: Resource): boolean =>
  steps.some((step) => isEligible(one, step, resource, NOBODY));

/** A sentence when nobody living can complete these steps; null when somebody can. */
export function missingApprovers(
  steps: readonly Step[],
  resource: Resource,
  requester: PrincipalId,
  principals: readonly Principal[],
): string | null {
  const wanted = atLast(steps);
  const lacks = shortOf(wanted, resource, requester, principals);
  if (!lacks.includes(true)) return null;
  const places = placesFor(wanted, resource, requester, principals);
  const short = wanted.flatMap((step, i) =>
    lacks[i] ? [`${describeStep(step, resource)} (${places[i]?.eligible.size ?? 0} can)`] : [],
  );
  return `not enough people can approve: it needs ${short.join(" and ")}. Ask whoever keeps the policy to name approvers who are here.`;
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
  atMs?: number,
): readonly Step[] {
  const short = shortOf(steps, resource, requester, principals);
  if (!short.some((isShort, i) => isShort && steps[i]?.fallback !== undefined)) return steps;
  return steps.map((step, i) => {
    const more = (short[i] ? (step.fallback ?? []) : []).filter((source) => !step.by.includes(source));
    if (more.length === 0) return step;
    return withMore(step, { by: more, why: "fallback", ...(atMs === undefined ? {} : { atMs }) });
  });
}

/** Which of the steps lack people, if everybody who may approve did. */
function shortOf(
  steps: readonly Step[],
  resource: Resource,
  requester: PrincipalId,
  principals: readonly Principal[],
): boolean[] {
  const places = placesFor(steps, resource, requester, principals);
  const { have } = fillPlaces(places, new Set(places.flatMap((step) => [...step.eligible])));
  return steps.map((step, i) => (have[i] ?? 0) < step.count);
}
