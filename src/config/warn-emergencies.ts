/** What is valid in a rule for emergencies and still worth saying: it is not at once, not short, or nobody looks at it afterwards. */
import { formatDuration } from "../base/duration.ts";
import type { PrincipalId } from "../base/ids.ts";
import { isEligible } from "../domain/approvers.ts";
import type { Configuration } from "../domain/configuration.ts";
import type { ApproveRule } from "../domain/policy.ts";
import type { Principal } from "../domain/principal.ts";
import type { PlacedRule } from "./read-policies.ts";
import type { Reading } from "./reading.ts";

export function warnOfEmergencies(
  reading: Reading,
  { resources }: Pick<Configuration, "resources">,
  rules: readonly PlacedRule[],
  people: readonly Principal[],
): void {
  const offered = Object.values(resources).flatMap(({ entitlements }) => Object.values(entitlements));
  const anyMs = Math.max(0, ...offered.map(({ maxDurationMs }) => maxDurationMs));
  const maxOf = ({ maxDurationMs }: ApproveRule): number => Math.min(anyMs, maxDurationMs ?? anyMs);
  const ordinary = rules.flatMap(({ rule }) => (rule.kind === "approve" && rule.emergency === undefined ? rule : []));
  const longestMs = ordinary.length === 0 ? anyMs : Math.max(...ordinary.map(maxOf));
  for (const { rule, at, steps, emergency } of rules) {
    if (rule.kind !== "approve" || rule.emergency === undefined) continue;
    if (steps.length > 0)
      reading.warn(
        steps[0]?.at ?? at,
        `${rule.name} is for emergencies, and waits for approval`,
        "write approve: automatically if access must be there at once; it is reviewed afterwards",
      );
    if (offered.length > 0 && maxOf(rule) >= longestMs)
      reading.warn(
        at,
        `${rule.name} is for emergencies, and not shorter than ordinary access (${formatDuration(longestMs)})`,
        "give it a max_duration that an incident needs at first, such as 1h; it can be extended",
      );
    const where = Object.values(resources).filter((resource) => !couldBeReviewed(rule, resource, people));
    const on = where.length === Object.keys(resources).length ? "" : ` on ${where.map(({ name }) => name).join(", ")}`;
    if (people.length > 0 && where.length > 0)
      reading.warn(
        emergency?.at ?? at,
        `${rule.name}: nobody could review an emergency${on}`,
        "count who is active in what review_by names; where nobody is, the admins are asked",
      );
  }
}

/** By somebody at all. Whose manager that is depends on who asks. */
function couldBeReviewed(
  { emergency }: ApproveRule,
  resource: Configuration["resources"][string],
  people: readonly Principal[],
): boolean {
  const by = emergency?.reviewBy ?? [];
  return by.includes("manager") || people.some((person) => isEligible(person, { by }, resource, NOBODY));
}

const NOBODY = "" as PrincipalId;
