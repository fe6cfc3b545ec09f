/** What policy would say, without anybody asking for anything. */
import { formatDuration } from "../base/duration.ts";
import type { ForMe } from "../contract/catalog.ts";
import { type approversAmong, describeStep, missingApprovers } from "../domain/approvers.ts";
import { evaluate, policyFor } from "../domain/evaluate.ts";
import type { Facts } from "../domain/facts.ts";
import { type Bringing, foresee, longestMs, NOTHING, needsOf, triesOf, type Way } from "../domain/foresee.ts";
import { type Decision, denialOf } from "../domain/policy.ts";
import type { Principal } from "../domain/principal.ts";
import type { Catalog } from "../operations/context.ts";
import { circumstancesOf, type Found } from "../operations/subject.ts";
import type { Standing } from "./standing.ts";

/** A length that most rules allow: what is evaluated where nobody named one. */
const SENSIBLE_DURATION_MS = 15 * 60_000;

export const sensibleDurationMs = ({ entitlement }: Found): number =>
  Math.min(SENSIBLE_DURATION_MS, entitlement.maxDurationMs);

/** Who may approve, among everybody. */
export type Among = ReturnType<typeof approversAmong>;

/** Why not, in one sentence; null where the answer is not no, and somebody could approve. */
export function whyDenied(decision: Decision, user: Principal, { resource }: Found, among: Among): string | null {
  const { outcome, steps } = decision;
  if (outcome === "needs-approval") return missingApprovers(steps, resource, user.id, among(steps, resource));
  return outcome === "automatic" ? null : denialOf(decision);
}

/** Somebody about whom is asked, with what is known of them. */
export type Asker = {
  readonly catalog: Catalog;
  readonly user: Principal;
  readonly facts: Facts;
  readonly standing: Standing;
  readonly nowMs: number;
};

/** What policy would say to them if they brought this. */
function decisionOn({ catalog, user, facts, standing, nowMs }: Asker, found: Found): (bringing: Bringing) => Decision {
  const policy = policyFor(catalog.policy, found);
  const theirs = standing.factsOf(user, found.resource.name, facts);
  const durationMs = sensibleDurationMs(found);
  return ({ ticket, reason, emergency, onCall }) => {
    const request = { ticket, reason, durationMs, emergency, startMs: null };
    const imagined = {
      ...theirs,
      ...(onCall ? ON_DUTY : {}),
      ...(ticket === "" ? {} : { ticket: goodTicket(ticket) }),
    };
    return evaluate(policy, circumstancesOf(user, found, request, imagined, nowMs), standing.uses);
  };
}

const ON_DUTY: Pick<Facts, "oncall"> = { oncall: { tier: 1, source: "file", ageMs: 0 } };
/** The ticket that somebody would give is a good one: open, and their own. */
const goodTicket = (id: string): NonNullable<Facts["ticket"]> => ({
  ...{ id, state: "open", status: "", assignee: "", mine: true },
  ...{ source: "", ageMs: 0 },
});

/** The ways in which they could get it. */
export const waysFor = (asker: Asker, found: Found, tries: readonly Bringing[]): Generator<Way, undefined, undefined> =>
  foresee(policyFor(asker.catalog.policy, found), tries, decisionOn(asker, found));

/**
 * What policy would say to this person now, if they gave no more than it takes: first with nothing, then with a reason, a
 * ticket, both. So a rule that asks for a ticket shows as "needs a ticket" and not as "denied".
 */
export function forMe(asker: Asker, found: Found, among: Among): ForMe {
  const { catalog, user } = asker;
  const tries = triesOf(policyFor(catalog.policy, found), { emergencies: false, callsToDuty: false });
  const way = waysFor(asker, found, tries).next().value;
  const decision = way?.decision ?? decisionOn(asker, found)(NOTHING);
  const why = whyDenied(decision, user, found, among);
  const { outcome, rule, steps } = decision;
  if (way === undefined || why !== null) return { outcome: "denied", rule, needs: [], maxDuration: null, why };
  const needs = [...needsOf(way), ...steps.map((step) => `approval by ${describeStep(step, found.resource)}`)];
  return { outcome, rule, needs, maxDuration: formatDuration(longestMs(found, way.rule)), why: null };
}
