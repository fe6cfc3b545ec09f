/**
 * Which groups may ask for what, as far as that is certain: a rule whose condition, for one entitlement, comes down to
 * nothing or to `"GROUP" in user.groups`. A group gains or loses an entitlement only where both sides are certain:
 * where the other configuration has any rule that might give it to somebody who is in that group alone, nothing is said.
 */
import { approvalInWords } from "./approvers.ts";
import type { Configuration } from "./configuration.ts";
import type { ConfigurationChange } from "./configuration-change.ts";
import { conditionOf, offeredBy, partialConditions, type Rest } from "./partial-condition.ts";
import type { ApproveRule, Rule } from "./policy.ts";

/** Beyond it the answer is only what the structure says. */
const LOOKS_MAX = 200_000;

type RuleRest<R extends Rule = Rule> = { readonly rule: R; readonly rest: readonly string[] };
/** The rules that may decide about one entitlement, what is open about each, and whether all of it is denied. */
type Reach = { readonly denied: boolean; readonly approving: readonly RuleRest<ApproveRule>[] };

/** Stands for everybody: a rule without any condition on who asks. */
const EVERYBODY = Symbol("everybody");
type Group = string | typeof EVERYBODY;

export function reachChanges(before: Configuration, after: Configuration): ConfigurationChange[] {
  const [old, now] = [reachOf(before), reachOf(after)];
  if (old === null || now === null) return [];
  const refs = [...new Set([...old.keys(), ...now.keys()])].sort();
  return refs.flatMap((ref) => {
    const [a, b] = [old.get(ref), now.get(ref)];
    return [
      ...certain(b).flatMap(({ group, rule }) => (might(a, group) ? [] : gained(ref, group, rule))),
      ...certain(a).flatMap(({ group, rule }) => (might(b, group) ? [] : lost(ref, group, rule))),
    ];
  });
}

function reachOf({ resources, policies }: Configuration): Map<string, Reach> | null {
  const offered = offeredBy(resources);
  if (offered.length * policies.length > LOOKS_MAX) return null;
  const partial = partialConditions(resources);
  const conditions = policies.map((rule) => ({ rule, condition: partial(conditionOf(rule)) }));
  return new Map(
    offered.map((one) => {
      const rests = conditions.map(({ rule, condition }) => ({ rule, rest: condition.restFor(one) as Rest }));
      const live = rests.filter((each): each is RuleRest => each.rest !== "never");
      const denied = live.some(({ rule, rest }) => rule.kind === "deny" && rest.length === 0);
      const approving = live.filter((each): each is RuleRest<ApproveRule> => each.rule.kind === "approve");
      return [one.entitlement.ref, { denied, approving }];
    }),
  );
}

/** The groups that some rule surely gives this to, each with the first such rule. */
function certain(reach: Reach | undefined): { group: Group; rule: ApproveRule }[] {
  if (reach === undefined || reach.denied) return [];
  const found = new Map<Group, ApproveRule>();
  for (const { rule, rest } of reach.approving) {
    const group = groupOf(rest);
    if (group !== null && !found.has(group)) found.set(group, rule);
  }
  // What everybody may ask for is no news about any group.
  const all = found.get(EVERYBODY);
  return all === undefined
    ? Array.from(found, ([group, rule]) => ({ group, rule }))
    : [{ group: EVERYBODY, rule: all }];
}

function groupOf(rest: readonly string[]): Group | null {
  if (rest.length === 0) return EVERYBODY;
  return rest.length === 1 ? namedIn(rest[0] ?? "") : null;
}

const namedIn = (part: string): string | null => /^"([^"\\]+)" in user\.groups$/.exec(part)?.[1] ?? null;

/** Whether any rule might give this to somebody who is in no other group. */
function might(reach: Reach | undefined, group: Group): boolean {
  if (reach === undefined || reach.denied) return false;
  return reach.approving.some(({ rest }) => rest.every((part) => [null, group].includes(namedIn(part))));
}

const gained = (ref: string, group: Group, rule: ApproveRule): ConfigurationChange => ({
  about: "access",
  kind: "gained",
  name: ref,
  what: `${group === EVERYBODY ? "everybody" : group} gains ${ref} through rule ${rule.name}, approved ${approvalInWords(rule.approve)}`,
  details: [],
});
const lost = (ref: string, group: Group, rule: ApproveRule): ConfigurationChange => ({
  about: "access",
  kind: "lost",
  name: ref,
  // Others may keep it: then it is only no longer everybody's.
  what:
    group === EVERYBODY
      ? `${ref} is no longer for everybody, as rule ${rule.name} had it`
      : `${group} loses ${ref}, which rule ${rule.name} gave`,
  details: [],
});
