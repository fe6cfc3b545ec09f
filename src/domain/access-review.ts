/**
 * What an access review finds in the rules themselves: who needs nobody, and what asks for nothing. Certain from the
 * configuration and its people alone; what depends on the moment (on call, a ticket, the time) is named and left open.
 */
import { formatDuration } from "../base/duration.ts";
import { demandInWords } from "./authentication.ts";
import type { Offered } from "./circumstances.ts";
import type { Configuration } from "./configuration.ts";
import { conditionOf, offeredBy, partialConditions, type Rest } from "./partial-condition.ts";
import type { ApproveRule, Rule } from "./policy.ts";
import type { Principal } from "./principal.ts";

type Rules = Pick<Configuration, "resources" | "policies">;

/** A rule that approves something automatically. `demands`: what it asks for besides its condition, in words. */
export type AutomaticRule = {
  readonly rule: string;
  readonly entitlement: string;
  readonly risk: string;
  /** What its condition still asks of who asks and of the moment; empty: nothing. */
  readonly conditions: readonly string[];
  readonly demands: readonly string[];
  /** Nothing bounds its use: no shorter time than the entitlement's, no limit, no hours, no ticket. */
  readonly unbounded: boolean;
};

/** For each entitlement of more than low risk the rules that approve it without anybody, in the order of the rules. */
export function automaticRules({ resources, policies }: Rules): AutomaticRule[] {
  const partial = partialConditions(resources);
  const offered = offeredBy(resources).filter(({ entitlement }) => entitlement.risk !== "low");
  return policies.filter(isAutomatic).flatMap((rule) => {
    const condition = partial(rule.when);
    return offered.flatMap((one): AutomaticRule[] => {
      const rest = condition.restFor(one);
      const isOff = rule.emergency !== undefined && one.resource.emergency === "off";
      if (rest === "never" || isOff) return [];
      const { ref, risk } = one.entitlement;
      const named = { rule: rule.name, entitlement: ref, risk };
      return [{ ...named, conditions: rest, demands: demandsOf(rule), unbounded: isUnbounded(rule) }];
    });
  });
}

const isAutomatic = (rule: Rule): rule is ApproveRule => rule.kind === "approve" && rule.approve === "automatically";

const isUnbounded = ({ maxDurationMs, limit, hours, ticketRequired }: ApproveRule): boolean =>
  maxDurationMs === null && limit === undefined && hours === undefined && !ticketRequired;

function demandsOf(rule: ApproveRule): string[] {
  const { maxDurationMs, ticketRequired, reasonMinLength, limit, hours, emergency, authentication } = rule;
  return [
    ...(emergency === undefined ? [] : ["in an emergency"]),
    ...(maxDurationMs === null ? [] : [`for at most ${formatDuration(maxDurationMs)}`]),
    ...(ticketRequired ? ["with a ticket"] : []),
    ...(reasonMinLength === null ? [] : [`with a reason of at least ${reasonMinLength} characters`]),
    ...(limit === undefined ? [] : [`at most ${limit.count} within ${formatDuration(limit.withinMs)}`]),
    ...(hours === undefined ? [] : ["at certain hours"]),
    ...(authentication?.request === undefined ? [] : [`with ${demandInWords(authentication.request)}`]),
  ];
}

/** Somebody who can get an entitlement of high risk without anybody else. */
export type AloneFinding = {
  readonly person: string;
  readonly entitlement: string;
  readonly rule: string;
  readonly conditions: readonly string[];
  readonly demands: readonly string[];
};

/**
 * Asks of one person after another. A rule counts where its condition is not certainly false of them, no deny rule certainly
 * refuses them, and no earlier rule certainly sends them to others; so nobody is missing, and what is still asked is told.
 */
export function whoNeedsNobody({ resources, policies }: Rules): (person: Principal) => AloneFinding[] {
  const partial = partialConditions(resources, ["resource", "entitlement", "user"]);
  const ofAnybody = partialConditions(resources);
  const looked = policies.map((rule) => ({
    rule,
    condition: partial(conditionOf(rule)),
    bare: ofAnybody(conditionOf(rule)),
  }));
  // Most rules have nothing to do with most entitlements, whoever asks: those are not asked of each person.
  const places = offeredBy(resources)
    .filter(({ entitlement }) => entitlement.risk === "high")
    .map((offered) => ({ offered, rules: looked.filter(({ bare }) => bare.restFor(offered) !== "never") }))
    .filter(({ rules }) => rules.some(({ rule }) => isAutomatic(rule)));
  return (person) =>
    places.flatMap(({ offered, rules }) => {
      const asked = { ...offered, user: person };
      const rests = rules.map(({ rule, condition }) => ({ rule, rest: condition.restFor(asked) }));
      if (rests.some(({ rule, rest }) => rule.kind === "deny" && isAlways(rest))) return [];
      const kinds = offered.resource.emergency === "off" ? [false] : [false, true];
      return kinds.flatMap((emergency) => aloneBy(rests, emergency, person.handle, offered));
    });
}

function aloneBy(
  rests: readonly { readonly rule: Rule; readonly rest: Rest }[],
  emergency: boolean,
  person: string,
  { entitlement }: Offered,
): AloneFinding[] {
  const found: AloneFinding[] = [];
  for (const { rule, rest } of rests) {
    if (rule.kind === "deny" || rest === "never" || (rule.emergency !== undefined) !== emergency) continue;
    if (isAutomatic(rule))
      found.push({ person, entitlement: entitlement.ref, rule: rule.name, conditions: rest, demands: demandsOf(rule) });
    if (isAlways(rest) && alwaysApplies(rule, entitlement.maxDurationMs)) break;
  }
  return found;
}

const isAlways = (rest: Rest): boolean => rest !== "never" && rest.length === 0;

/** Nothing that is asked for leaves the rule to those behind it. */
const alwaysApplies = (rule: ApproveRule, longestMs: number): boolean =>
  (rule.maxDurationMs === null || rule.maxDurationMs >= longestMs) &&
  !rule.ticketRequired &&
  rule.reasonMinLength === null &&
  rule.limit === undefined &&
  rule.hours === undefined &&
  rule.extensions === undefined &&
  (rule.approve === "automatically" || rule.approve.some((step) => step.if === undefined));
