/** What a rule asks of a request besides its condition. Where something is not met the rule does not apply, and says what would help. */
import { formatDuration } from "../base/duration.ts";
import type { Circumstances } from "./circumstances.ts";
import { hoursInWords, isWithin } from "./hours.ts";
import type { AfterReview, ApproveRule, Extension, Limit } from "./policy.ts";

/** How many requests count under this name within the last `withinMs`. */
export type Uses = (counted: string, withinMs: number) => number;

/** Each demand that is not met, with what would help. Written so that NaN never meets a limit. */
export function unmetDemands(rule: ApproveRule, circumstances: Circumstances, uses: Uses): string[] {
  const { request, user, nowMs } = circumstances;
  const unmet: string[] = [];
  if (rule.maxDurationMs !== null && !(request.durationMs <= rule.maxDurationMs)) {
    unmet.push(
      `asks for at most ${formatDuration(rule.maxDurationMs)}; you asked for ${formatDuration(request.durationMs)}`,
    );
  }
  if (rule.ticketRequired && !hasText(request.ticket)) unmet.push("asks for a ticket; you gave none");
  if (rule.reasonMinLength !== null && !(lengthOf(request.reason) >= rule.reasonMinLength)) {
    unmet.push(
      `asks for a reason of at least ${rule.reasonMinLength} characters; yours has ${lengthOf(request.reason)}`,
    );
  }
  if (rule.emergency !== undefined) unmet.push(...unmetOfEmergency(rule.emergency, circumstances));
  const { hours } = rule;
  if (hours !== undefined && !hours.some((one) => isWithin(one, request.startMs ?? nowMs)))
    unmet.push(`is for ${hours.map(hoursInWords).join(" or ")}; this would start outside`);
  if (request.extension !== undefined) unmet.push(...unmetBounds(rule, request.extension));
  // Last, and only where all else is met: what is counted is also locked.
  if (unmet.length === 0 && rule.limit !== undefined) unmet.push(...overLimit(rule, rule.limit, user, uses));
  return unmet;
}

export const emergencyOff = (resource: string): string => `emergencies are switched off for ${resource}`;

function unmetOfEmergency({ openMax }: AfterReview, { request, resource, history }: Circumstances): string[] {
  // Not looked up is not known, and meets no bound.
  const waiting = history === undefined ? Number.NaN : (history.unreviewed ?? 0);
  return [
    ...(resource.emergency === "off" ? [emergencyOff(resource.name)] : []),
    ...(hasText(request.reason) ? [] : ["an emergency needs a reason; you gave none"]),
    // More time on one that is open is no other emergency.
    ...(openMax === undefined || request.extension !== undefined || waiting < openMax
      ? []
      : [
          `allows ${openMax} emergencies that nobody has reviewed; of yours ${Number.isNaN(waiting) ? "it is not known" : `there are ${waiting}`}`,
        ]),
  ];
}

const hasText = (text: string): boolean => typeof text === "string" && text.trim() !== "";
const lengthOf = (text: string): number => (typeof text === "string" ? Array.from(text.trim()).length : 0);

function unmetBounds({ extensions }: ApproveRule, { count, totalMs, addMs }: Extension): string[] {
  const { count: countMax, eachMs, totalMs: totalMax } = extensions ?? {};
  const unmet: string[] = [];
  if (countMax !== undefined && !(count < countMax))
    unmet.push(countMax === 0 ? "allows no extension" : `allows ${countMax} extensions; there were ${count}`);
  if (eachMs !== undefined && !(addMs <= eachMs))
    unmet.push(`allows ${formatDuration(eachMs)} more at a time; you asked for ${formatDuration(addMs)}`);
  if (totalMax !== undefined && !(totalMs + addMs <= totalMax))
    unmet.push(
      `allows ${formatDuration(totalMax)} more in all; with this it would be ${formatDuration(totalMs + addMs)}`,
    );
  return unmet;
}

/** Under what a request of this person counts towards the rule's limit; null where it has none, or none for them. */
export function countedUnder({ name, limit }: ApproveRule, { id, groups }: Circumstances["user"]): string | null {
  if (limit === undefined) return null;
  if (limit.per === "user") return `${name} user:${id}`;
  if (limit.per === "rule") return `${name} all`;
  return groups.includes(limit.per.slice("group:".length)) ? `${name} ${limit.per}` : null;
}

function overLimit(rule: ApproveRule, limit: Limit, user: Circumstances["user"], uses: Uses): string[] {
  const counted = countedUnder(rule, user);
  // Whom the limit cannot count has no share in what it allows.
  if (counted === null) return [`counts by ${limit.per}, and you are not in it`];
  if (uses(counted, limit.withinMs) < limit.count) return [];
  const whose = limit.per === "user" ? "" : limit.per === "rule" ? " for all together" : ` for ${limit.per} together`;
  return [`allows ${limit.count} within ${formatDuration(limit.withinMs)}${whose}, and they are used up`];
}
