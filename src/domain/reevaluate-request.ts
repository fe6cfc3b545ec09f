/** A pending request under a configuration that is new: decided by the rules and the people that there are from then on. */
import { canonicalJson, type Json, type JsonObject } from "../base/canonical.ts";
import type { Refusal } from "../base/problem.ts";
import type { EntryActor } from "./audit.ts";
import { authenticationIn, demandInWords, lacking } from "./authentication.ts";
import {
  approveWhenComplete,
  type Decided,
  endPending,
  grantFor,
  nameOf,
  requestEntry,
  type Subject,
} from "./decide-request.ts";
import { carryOver } from "./escalation.ts";
import { telling } from "./message.ts";
import type { Decision } from "./policy.ts";
import type { AccessRequest, Review } from "./request.ts";
import { whoIsMissing, withFallback } from "./request-approvers.ts";
import { askApprovers, tellApproved, tellNoApprovers } from "./tell.ts";
import { tellEmergency } from "./tell-emergency.ts";

/**
 * Asks again under a new configuration. Approvals of another scope are voided; the rest is counted by the new steps and
 * the people of now. Null: nothing is different.
 */
export function reevaluate(
  request: AccessRequest,
  reviews: readonly Review[],
  answer: Decision,
  configVersion: number,
  subject: Subject,
  nowMs: number,
): Decided | Refusal | null {
  const steps = carryOver(answer.steps, request.decision.steps, nowMs);
  const actor: EntryActor = { system: "config" };
  const scopeChanged = subject.entitlement.scopeHash !== request.scopeHash || !offerStands(request, subject);
  const demands = answer.authentication;
  const binding = scopeChanged
    ? []
    : reviews.filter(
        ({ voidedMs, verdict, authentication = null, createdMs }) =>
          voidedMs !== null || verdict === "deny" || lacking(demands?.review, authentication, createdMs) === null,
      );
  const { decision } = withFallback({ ...request, decision: { ...answer, steps } }, subject, binding, nowMs);
  const same = !scopeChanged && asksTheSame(decision, request.decision);
  const asks: AccessRequest = same
    ? request
    : {
        ...request,
        decision,
        activation: decision.activation ?? request.activation,
        configVersion,
        scopeHash: subject.entitlement.scopeHash,
        narrowedTo: scopeChanged ? null : request.narrowedTo,
      };
  if (subject.extended !== null && subject.extended.scopeHash !== asks.scopeHash)
    return endPending(
      asks,
      "denied",
      `what ${asks.entitlement} allows was changed after the grant began`,
      actor,
      nowMs,
    );
  if (decision.outcome === "denied") return endPending(asks, "denied", "the policy was changed", actor, nowMs);
  const unmet = lacking(demands?.request, authenticationIn(request.facts), request.editedMs ?? request.createdMs);
  if (unmet !== null) {
    const because = `the policy was changed, and demands ${demandInWords(unmet)} of whoever asks: ask again`;
    return endPending(asks, "denied", because, actor, nowMs);
  }
  const voided = reviews
    .filter((one) => one.voidedMs === null && !binding.includes(one))
    .map((one) => ({ ...one, voidedMs: nowMs }));
  const entry = requestEntry(asks, "request.reevaluated", actor, {
    scopeChanged,
    decision: decision as unknown as JsonObject,
    configVersion,
  });
  if (decision.outcome === "needs-approval") {
    const nobody = whoIsMissing(asks, subject, binding);
    if (nobody !== null)
      return endPending(asks, "denied", nobody, actor, nowMs, tellNoApprovers(asks, subject.principals, nobody));
    const decided = approveWhenComplete(asks, binding, subject, actor, nowMs);
    if ("refused" in decided || decided.request.state === "pending") {
      const entries = [telling(entry, askApprovers(asks, binding, subject))];
      return same ? null : { request: asks, changes: { requests: [asks], reviews: voided, entries } };
    }
    return { request: decided.request, changes: { ...decided.changes, reviews: voided } };
  }
  const granted = grantFor({ ...asks, state: "approved", decidedMs: nowMs }, [], subject, actor, nowMs);
  if ("refused" in granted) return granted;
  const approved = requestEntry(granted.request, "request.approved", actor, {
    decision: decision as unknown as JsonObject,
    configVersion,
  });
  return {
    request: granted.request,
    changes: {
      requests: [granted.request],
      reviews: voided,
      entries: [telling(approved, tellApproved(granted.request, []), ...tellEmergency(granted.request, [], subject))],
      grants: [granted.grant],
    },
  };
}

/** The rule, the outcome and the steps, with what was added to them; the trace may tell of other rules and means nothing here. */
const asksTheSame = (a: Decision, b: Decision): boolean => canonicalJson(essence(a)) === canonicalJson(essence(b));

const essence = ({
  rule,
  outcome,
  steps,
  counted,
  activation,
  activateWithinMs,
  emergency,
  authentication,
}: Decision): Json[] =>
  JSON.parse(
    JSON.stringify([
      ...[rule, outcome, steps, counted ?? null, activation ?? null, activateWithinMs ?? null, emergency ?? null],
      authentication ?? null,
    ]),
  );

/** Whether what an approver narrowed it to is still there, with the same scope. */
function offerStands(request: AccessRequest, subject: Subject): boolean {
  if (request.narrowedTo === null) return true;
  const { entitlement, scopeHash } = request.narrowedTo;
  return (
    subject.resource.entitlements[nameOf(entitlement)]?.scopeHash === scopeHash &&
    subject.entitlement.narrower.includes(nameOf(entitlement))
  );
}
