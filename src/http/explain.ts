/** What policy would say, without anybody asking for anything. */
import { formatDuration } from "../base/duration.ts";
import type { ForMe } from "../contract/catalog.ts";
import { describeStep, missingApprovers } from "../domain/approvers.ts";
import { type Circumstances, evaluate } from "../domain/evaluate.ts";
import type { Facts } from "../domain/facts.ts";
import { type ApproveRule, type Decision, denialOf } from "../domain/policy.ts";
import type { Principal } from "../domain/principal.ts";
import type { Catalog } from "../operations/context.ts";
import { circumstancesOf, type Found } from "../operations/subject.ts";

/** A length that most rules allow: what is evaluated where nobody named one. */
const SENSIBLE_DURATION_MS = 15 * 60_000;

export const sensibleDurationMs = ({ entitlement }: Found): number =>
  Math.min(SENSIBLE_DURATION_MS, entitlement.maxDurationMs);

/** Why not, in one sentence; null where the answer is not no, and somebody could approve. */
export function whyDenied(
  decision: Decision,
  user: Principal,
  { resource }: Found,
  principals: readonly Principal[],
): string | null {
  if (decision.outcome === "needs-approval") return missingApprovers(decision.steps, resource, user.id, principals);
  return decision.outcome === "automatic" ? null : denialOf(decision);
}

type Tried = { readonly ticket: string; readonly reason: string };

/** Stands for a ticket that somebody would give. A rule that wants a ticket of a certain form is not met by it. */
const SOME_TICKET = "(a ticket)";

/** The ticket that somebody would give is a good one: open, and their own. */
const imagined = (id: string): Pick<Facts, "ticket"> =>
  id === ""
    ? {}
    : { ticket: { ...{ id, state: "open", status: "", assignee: "", mine: true }, ...{ source: "", ageMs: 0 } } };

/**
 * What policy would say to this person now, if they gave no more than it takes: first with nothing, then with a reason, a
 * ticket, both. So a rule that asks for a ticket shows as "needs a ticket" and not as "denied".
 */
export function forMe(
  catalog: Catalog,
  user: Principal,
  found: Found,
  facts: Facts,
  principals: readonly Principal[],
  nowMs: number,
): ForMe {
  const reason = "a reason ".repeat(Math.ceil(longestReason(catalog) / 9) + 1);
  const tries: Tried[] = [
    { ticket: "", reason: "" },
    { ticket: "", reason },
    { ticket: SOME_TICKET, reason: "" },
    { ticket: SOME_TICKET, reason },
  ];
  const durationMs = sensibleDurationMs(found);
  let bare: Decision | null = null;
  for (const tried of tries) {
    const request: Circumstances["request"] = { ...tried, durationMs, emergency: false, startMs: null };
    const circumstances = circumstancesOf(user, found, request, { ...facts, ...imagined(tried.ticket) }, nowMs);
    const decision = evaluate(catalog.policy, circumstances);
    bare ??= decision;
    if (decision.outcome !== "denied") return allowed(catalog, user, found, principals, decision, tried);
  }
  return denied(bare, user, found, principals);
}

function denied(decision: Decision | null, user: Principal, found: Found, principals: readonly Principal[]): ForMe {
  const why = decision === null ? "no rule allows this" : whyDenied(decision, user, found, principals);
  return { outcome: "denied", rule: decision?.rule ?? null, needs: [], maxDuration: null, why };
}

function allowed(
  catalog: Catalog,
  user: Principal,
  found: Found,
  principals: readonly Principal[],
  decision: Decision,
  tried: Tried,
): ForMe {
  const why = whyDenied(decision, user, found, principals);
  if (why !== null) return { outcome: "denied", rule: decision.rule, needs: [], maxDuration: null, why };
  const rule = approveRules(catalog).find(({ name }) => name === decision.rule);
  const needs = [
    ...(tried.ticket === "" ? [] : ["a ticket"]),
    ...(tried.reason === "" ? [] : [reasonNeeded(rule)]),
    ...decision.steps.map((step) => `approval by ${describeStep(step, found.resource)}`),
  ];
  const maxDurationMs = Math.min(found.entitlement.maxDurationMs, rule?.maxDurationMs ?? Number.POSITIVE_INFINITY);
  const { outcome } = decision;
  return { outcome, rule: decision.rule, needs, maxDuration: formatDuration(maxDurationMs), why: null };
}

const reasonNeeded = (rule: ApproveRule | undefined): string =>
  rule?.reasonMinLength == null ? "a reason" : `a reason of at least ${rule.reasonMinLength} characters`;

const approveRules = (catalog: Catalog): ApproveRule[] =>
  catalog.configuration.policies.filter((rule) => rule.kind === "approve");

const longestReason = (catalog: Catalog): number =>
  Math.max(0, ...approveRules(catalog).map((rule) => rule.reasonMinLength ?? 0));
