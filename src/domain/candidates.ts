/**
 * Of whom a question about approval has to know. Of everybody in a large organisation only a few can be meant by what a
 * decision names, or are told of it; whoever else there is changes nothing in the answer.
 */
import type { PrincipalId } from "../base/ids.ts";
import type { Circumstances } from "./circumstances.ts";
import type { ApproveRule, Decision, Source, Step } from "./policy.ts";
import { type Principal, type Role, sourcesOf } from "./principal.ts";
import type { Review } from "./request.ts";
import type { Resource } from "./resource.ts";

/**
 * Active people that are looked for, by any of these. Besides them always: who named one of `ids` to decide in their place,
 * and whom one of all these named.
 */
export type Sought = {
  /** `group:` and `user:`. */
  readonly sources: readonly Source[];
  readonly roles: readonly Role[];
  readonly ids: readonly PrincipalId[];
};

/** Who operates Tidegate. */
export const OPERATORS: Sought = { sources: [], roles: ["operator", "admin"], ids: [] };

/** As much of a resource as tells who is meant. */
type Owned = Pick<Resource, "owners">;

/** `people` are those who have a part in it already: who has reviewed and for whom, who reviews now. */
export function soughtFor(
  resource: Owned | null,
  decisions: readonly Pick<Decision, "steps" | "emergency">[],
  people: readonly PrincipalId[] = [],
): Sought {
  const asksSomebody = decisions.some(({ steps, emergency }) => steps.length > 0 || emergency !== undefined);
  const named = decisions.flatMap(({ steps, emergency }) => [
    ...steps.flatMap(namedBy),
    ...(emergency === undefined ? [] : [...emergency.reviewBy, ...emergency.skipped]),
  ]);
  // Admins are told where nobody can approve, and review emergencies that nobody else can.
  return { sources: meant(named, resource), roles: asksSomebody ? ["admin"] : [], ids: [...new Set(people)] };
}

/** For what these rules could ask of somebody about this resource. */
export const soughtByRules = (
  rules: readonly ApproveRule[],
  resource: Owned,
  { manager = "" }: Circumstances["user"],
): Sought => {
  const named = rules.flatMap(({ approve }) => (approve === "automatically" ? [] : approve.flatMap(namedBy)));
  const theirs: Source[] = manager !== "" && named.includes("manager") ? [`user:${manager}`] : [];
  return { sources: meant([...named, ...theirs], resource), roles: [], ids: [] };
};

export const anyOf = (all: readonly Sought[]): Sought => ({
  sources: [...new Set(all.flatMap(({ sources }) => sources))],
  roles: [...new Set(all.flatMap(({ roles }) => roles))],
  ids: [...new Set(all.flatMap(({ ids }) => ids))],
});

/** Who has a part in these reviews. */
export const peopleIn = (reviews: readonly Review[]): PrincipalId[] =>
  reviews.flatMap(({ reviewerId, standsFor = [] }) => [reviewerId, ...standsFor]);

const namedBy = ({ by, escalate, fallback }: Step): Source[] => [...by, ...(escalate?.to ?? []), ...(fallback ?? [])];

const meant = (named: readonly Source[], resource: Owned | null): Source[] => [
  ...new Set(
    named
      .flatMap((source) => (source === "owners" ? (resource?.owners ?? []) : [source]))
      .filter((source) => source !== "owners" && source !== "manager"),
  ),
];

/** What the store looks up by its indexes, as it is meant. */
export function candidatesAmong(everybody: readonly Principal[], { sources, roles, ids }: Sought): Principal[] {
  const wanted = new Set<string>(sources);
  const known = new Set(ids);
  const active = everybody.filter((one) => one.active);
  const sought = active.filter(
    (one) =>
      known.has(one.id) ||
      sourcesOf(one).some((source) => wanted.has(source)) ||
      one.roles.some((role) => roles.includes(role)) ||
      (one.away?.delegateId != null && known.has(one.away.delegateId)),
  );
  const those = new Set(sought.flatMap(({ id, away }) => [id, ...(away?.delegateId == null ? [] : [away.delegateId])]));
  return active.filter(({ id }) => those.has(id));
}
