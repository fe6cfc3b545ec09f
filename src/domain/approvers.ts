import type { PrincipalId } from "../base/ids.ts";
import { fillPlaces, type Places, type StepPlaces } from "./matching.ts";
import type { ApproveRule, Source, Step } from "./policy.ts";
import type { Principal } from "./principal.ts";
import type { Resource } from "./resource.ts";

/** Whether this person is meant by this source. `owners` are the owners of the resource. */
function isMeant(principal: Principal, source: Source, resource: Resource): boolean {
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

/** Words for what a step needs: `2 of group:security or owners (group:payments-leads)`. */
export function describeStep(step: Step, resource: Resource): string {
  const sources = step.by.map((source) => (source === "owners" ? `owners (${resource.owners.join(", ")})` : source));
  return `${step.count} of ${sources.join(" or ")}`;
}

/** `automatically`, or `by 1 of owners and 1 of group:security`. */
export const approvalInWords = (approve: ApproveRule["approve"]): string =>
  approve === "automatically"
    ? "automatically"
    : `by ${approve.map(({ by, count }) => `${count} of ${by.join(", ")}`).join(" and ")}`;

/** A sentence when nobody living can complete these steps; null when somebody can. */
export function missingApprovers(
  steps: readonly Step[],
  resource: Resource,
  requester: PrincipalId,
  principals: readonly Principal[],
): string | null {
  const places = placesFor(steps, resource, requester, principals);
  const { complete, have } = fillPlaces(places, new Set(places.flatMap((step) => [...step.eligible])));
  if (complete) return null;
  const short = steps.flatMap((step, i) =>
    (have[i] ?? 0) < step.count ? [`${describeStep(step, resource)} (${places[i]?.eligible.size ?? 0} can)`] : [],
  );
  return `not enough people can approve: it needs ${short.join(" and ")}. Ask whoever keeps the policy to name approvers who are here.`;
}
