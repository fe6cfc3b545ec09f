/** A pending request as time passes and people come and go: who else may approve it, and whether anybody still can. */
import type { EntryActor, EntryDraft } from "./audit.ts";
import { approveWhenComplete, type Decided, endPending, requestEntry, type Subject } from "./decide-request.ts";
import { escalate } from "./escalation.ts";
import { telling } from "./message.ts";
import type { AccessRequest, Review } from "./request.ts";
import { whoIsMissing, whoMayApprove, withFallback } from "./request-approvers.ts";
import { askApprovers, tellEscalated, tellNoApprovers } from "./tell.ts";

/**
 * Adds who may approve by now: those whom a step escalates to, and those whom it falls back on where too few are left.
 * Nobody left: denied, and the requester is told. Null: nothing is different.
 */
export function lookAgain(
  request: AccessRequest,
  reviews: readonly Review[],
  subject: Subject,
  nowMs: number,
): Decided | null {
  const actor: EntryActor = { system: "jobs" };
  const steps = escalate(request.decision.steps, request.createdMs, nowMs);
  const escalated =
    steps === request.decision.steps ? request : { ...request, decision: { ...request.decision, steps } };
  const next = withFallback(escalated, subject, reviews, nowMs);
  const nobody = whoIsMissing(next, subject, reviews);
  if (nobody !== null)
    return endPending(next, "denied", nobody, actor, nowMs, tellNoApprovers(next, subject.principals, nobody));
  const entries = next === request ? [] : [escalatedEntry(request, next, reviews, subject, actor)];
  const decided = approveWhenComplete(next, reviews, subject, actor, nowMs);
  if ("refused" in decided || decided.request.state === "pending")
    return next === request ? null : { request: next, changes: { requests: [next], entries } };
  const { changes } = decided;
  return { request: decided.request, changes: { ...changes, entries: [...entries, ...(changes.entries ?? [])] } };
}

function escalatedEntry(
  before: AccessRequest,
  now: AccessRequest,
  reviews: readonly Review[],
  subject: Subject,
  actor: EntryActor,
): EntryDraft {
  const added = now.decision.steps.flatMap((step, i) =>
    (step.added ?? [])
      .slice(before.decision.steps[i]?.added?.length ?? 0)
      .map(({ by, why }) => ({ step: i, by: [...by], why })),
  );
  const also = [...new Set(added.flatMap(({ by }) => by))];
  return telling(
    requestEntry(now, "request.escalated", actor, { added }),
    askApprovers(now, reviews, subject, whoMayApprove(before, reviews, subject)),
    tellEscalated(now, also),
  );
}
