/** A rule in plain words, line by line: for people who review a change of policy. */
import { formatDuration } from "../base/duration.ts";
import { approvalInWords } from "./approvers.ts";
import { authenticationLines } from "./authentication.ts";
import { hoursInWords } from "./hours.ts";
import type { ApproveRule, ExtensionBounds, Rule } from "./policy.ts";

export function ruleLines(rule: Rule): string[] {
  if (rule.kind === "deny") return [`denies when ${oneLine(rule.condition)}`];
  return [
    `applies ${rule.when === null ? "always" : `when ${oneLine(rule.when)}`}`,
    `approved ${approvalInWords(rule.approve)}`,
    ...demandLines(rule),
  ];
}

function demandLines(rule: ApproveRule): string[] {
  const { maxDurationMs, limit, hours, extensions, activation, activateWithinMs, authentication, emergency } = rule;
  return [
    ...(emergency === undefined
      ? []
      : [
          `for emergencies, reviewed by ${emergency.reviewBy.join(", ")} within ${formatDuration(emergency.withinMs)}`,
          ...(emergency.openMax === undefined
            ? []
            : [`not for somebody of whom ${emergency.openMax} emergencies are not reviewed`]),
        ]),
    ...(maxDurationMs === null ? [] : [`for at most ${formatDuration(maxDurationMs)}`]),
    ...(rule.ticketRequired ? ["wants a ticket"] : []),
    ...(rule.reasonMinLength === null ? [] : [`wants a reason of at least ${rule.reasonMinLength} characters`]),
    ...(limit === undefined
      ? []
      : [`at most ${limit.count} within ${formatDuration(limit.withinMs)}, counted by ${limit.per}`]),
    ...(hours === undefined ? [] : [`starting within ${hours.map(hoursInWords).join(" or ")}`]),
    ...(extensions === undefined ? [] : [extensionsInWords(extensions)]),
    ...(activation === undefined
      ? []
      : [`its time starts ${activation === "on-use" ? "on first use" : "on approval"}`]),
    ...(activateWithinMs === undefined ? [] : [`to be used within ${formatDuration(activateWithinMs)}`]),
    ...authenticationLines(authentication ?? {}),
  ];
}

function extensionsInWords({ count, eachMs, totalMs }: ExtensionBounds): string {
  if (count === 0) return "not to be extended";
  const bounds = [
    ...(count === undefined ? [] : [`at most ${count} times`]),
    ...(eachMs === undefined ? [] : [`by at most ${formatDuration(eachMs)} at a time`]),
    ...(totalMs === undefined ? [] : [`by at most ${formatDuration(totalMs)} in all`]),
  ];
  return `to be extended ${bounds.join(", ") || "as the rest allows"}`;
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim();
