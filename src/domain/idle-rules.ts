/**
 * Rules that can never decide anything, as far as that is certain from the configuration alone: no entitlement fits
 * their condition, a deny rule refuses all that they could allow, or earlier rules always come first.
 */
import { suggest } from "../base/nearest.ts";
import type { Offered } from "./circumstances.ts";
import type { Configuration } from "./configuration.ts";
import { conditionOf, offeredBy, type PartialCondition, partialConditions, type Rest } from "./partial-condition.ts";
import type { ApproveRule, Rule } from "./policy.ts";

/** `index` counts the rules of the configuration from 0. */
export type IdleRule = { readonly index: number; readonly what: string; readonly hint: string };

/** Beyond it nobody waits for a warning; the policy itself is checked all the same. */
const COMPARISONS_MAX = 5_000_000;

type Looked = {
  readonly index: number;
  readonly rule: Rule;
  readonly condition: PartialCondition;
  /** One for each entitlement. */
  readonly rests: readonly Rest[];
};

export function idleRules({ resources, policies }: Pick<Configuration, "resources" | "policies">): IdleRule[] {
  const offered = offeredBy(resources);
  if (offered.length === 0 || policies.length ** 2 * offered.length > COMPARISONS_MAX) return [];
  const partial = partialConditions(resources);
  const looked = policies.map((rule, index): Looked => {
    const condition = partial(conditionOf(rule));
    return { index, rule, condition, rests: offered.map((one) => condition.restFor(one)) };
  });
  return looked.flatMap((one) => whyIdle(one, looked, offered) ?? []);
}

function whyIdle(one: Looked, all: readonly Looked[], offered: readonly Offered[]): IdleRule | null {
  const { index, rule, rests } = one;
  if (rests.every((rest) => rest === "never")) return { index, ...whyNever(one, offered) };
  const off = switchedOff(one, offered);
  if (off !== null) return { index, ...off };
  if (rule.kind === "deny") {
    if (!rests.every(isAlways)) return null;
    const what = `${rule.name} denies every request: its condition is true for all that can be asked for`;
    return { index, what, hint: "narrow it, or remove it" };
  }
  const by = new Set<string>();
  let denied = true;
  for (const [at, rest] of rests.entries()) {
    if (rest === "never") continue;
    const deny = all.find((other) => other.rule.kind === "deny" && isAlways(other.rests[at]));
    const earlier = deny ?? all.slice(0, index).find((other) => comesFirst(other, rule, rest, at, offered[at]));
    if (earlier === undefined) return null;
    by.add(earlier.rule.name);
    denied &&= deny !== undefined;
  }
  const names = [...by].join(" and ");
  return denied
    ? { index, what: `${rule.name} never decides: ${names} denies all that it fits`, hint: "change one of them" }
    : {
        index,
        what: `${rule.name} is never reached: ${names} before it always ${by.size === 1 ? "applies" : "apply"} where it would`,
        hint: "put it first, or narrow the earlier rule",
      };
}

/** Steps that no request ever needs: their `if` is false for everything that their rule is for. */
export function idleSteps({ resources, policies }: Pick<Configuration, "resources" | "policies">): IdleRule[] {
  const offered = offeredBy(resources);
  const partial = partialConditions(resources);
  return policies.flatMap((rule, index) => {
    if (rule.kind === "deny" || rule.approve === "automatically") return [];
    const conditional = rule.approve.flatMap((step) => (step.if === undefined ? [] : [{ ...step, if: step.if }]));
    if (conditional.length === 0) return [];
    const whole = partial(rule.when);
    const fits = offered.filter((one) => whole.restFor(one) !== "never");
    return conditional
      .filter((step) => fits.length > 0 && fits.every((one) => partial(step.if).restFor(one) === "never"))
      .map((step) => ({
        index,
        what: `${rule.name}: nobody is ever asked of ${step.by.join(", ")}: ${shortened(step.if)} is true of nothing that the rule is for`,
        hint: "mend the condition of the step, or remove the step",
      }));
  });
}

/** A rule for emergencies whose condition fits only where they are switched off. */
function switchedOff({ rule, rests }: Looked, offered: readonly Offered[]): { what: string; hint: string } | null {
  if (rule.kind === "deny" || rule.emergency === undefined) return null;
  const fits = offered.filter((_, at) => rests[at] !== "never").map(({ resource }) => resource);
  if (fits.some(({ emergency }) => emergency !== "off")) return null;
  const names = [...new Set(fits.map(({ name }) => name))].join(", ");
  const what = `${rule.name} never applies: emergencies are switched off where it would (${names})`;
  return { what, hint: "remove emergency: off there, or the rule" };
}

const isAlways = (rest: Rest | undefined): boolean => rest !== undefined && rest !== "never" && rest.length === 0;

/** Whether the earlier rule applies to this entitlement whenever the later one does. */
function comesFirst(
  earlier: Looked,
  later: ApproveRule,
  restOfLater: readonly string[],
  at: number,
  offered: Offered | undefined,
): boolean {
  const { rule, rests } = earlier;
  const rest = rests[at];
  if (rule.kind !== "approve" || rest === undefined || rest === "never" || offered === undefined) return false;
  // Emergencies and all else never meet; what runs out, or sleeps at night, leaves something to the next.
  if ((rule.emergency === undefined) !== (later.emergency === undefined)) return false;
  if (rule.limit !== undefined || rule.hours !== undefined || rule.extensions !== undefined) return false;
  // Steps that are all conditional may all fall away, and the rule with them.
  if (rule.approve !== "automatically" && rule.approve.every((step) => step.if !== undefined)) return false;
  const longestMs = Math.min(offered.entitlement.maxDurationMs, later.maxDurationMs ?? Number.POSITIVE_INFINITY);
  return (
    rest.every((part) => restOfLater.includes(part)) &&
    (rule.maxDurationMs === null || rule.maxDurationMs >= longestMs) &&
    (!rule.ticketRequired || later.ticketRequired) &&
    (rule.reasonMinLength === null || (later.reasonMinLength ?? 0) >= rule.reasonMinLength)
  );
}

function whyNever({ rule, condition }: Looked, offered: readonly Offered[]): { what: string; hint: string } {
  const verb = rule.kind === "deny" ? "never denies anything" : "never applies";
  const part = condition.known.find((one) => offered.every((other) => one.holdsFor(other) === false));
  if (part === undefined)
    return { what: `${rule.name} ${verb}: no entitlement fits its whole condition`, hint: "look at what it names" };
  const text = shortened(part.text);
  if (!/\b(resource|entitlement)\b/.test(part.text))
    return { what: `${rule.name} ${verb}: ${text} is never true`, hint: "mend the condition, or remove the rule" };
  return {
    what: `${rule.name} ${verb}: ${text} fits nothing that can be asked for`,
    hint: hintFor(part.text, offered),
  };
}
const SHOWN_MAX = 120;
const shortened = (text: string): string => (text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}…`);

/** Of a simple equality the nearest value that there is: the usual cause is a typo. */
function hintFor(text: string, offered: readonly Offered[]): string {
  const [, field, label, quoted, wanted] =
    /^(?:(resource\.(?:name|title|connector)|entitlement\.(?:name|ref|title|risk))|resource\.labels(?:\.(\w+)|\["([^"]+)"\])) == "([^"\\]*)"$/.exec(
      text,
    ) ?? [];
  if (wanted === undefined) return "look at what it names";
  const value = ({ resource, entitlement }: Offered): string => {
    const name = label ?? quoted;
    if (name !== undefined) return resource.labels[name] ?? "";
    const [root, key = ""] = (field ?? "").split(".");
    return String((root === "resource" ? resource : entitlement)[key as "name"]);
  };
  const values = [...new Set(offered.map(value))].filter((one) => one !== "").sort();
  return suggest(wanted, values, "there is");
}
