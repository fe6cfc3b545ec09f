/** Whoever acts has not shown who they are as the rule demands it. Asked once everything else would let them. */
import { formatDuration } from "../base/duration.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import { type Authentication, authenticationIn, type Demand, demandInWords, lacking } from "./authentication.ts";
import type { AccessRequest } from "./request.ts";

/** What the rule demands of who asks, and is not met. */
export const askedUnproven = (
  {
    decision,
    entitlement,
    durationMs,
    facts,
  }: Pick<AccessRequest, "decision" | "durationMs" | "facts"> & {
    readonly entitlement: string;
  },
  nowMs: number,
): Refusal | null =>
  refuseUnproven(decision.authentication?.request, authenticationIn(facts), nowMs, {
    rule: decision.rule,
    what: `ask for ${entitlement} for ${formatDuration(durationMs)}`,
  });

/** What the rule demands of who reviews, and is not met. */
export const reviewedUnproven = (
  { id, decision }: AccessRequest,
  shown: Authentication | null,
  nowMs: number,
): Refusal | null =>
  refuseUnproven(decision.authentication?.review, shown, nowMs, { rule: decision.rule, what: `review ${id}` });

/** Why this may not be done now; null: it may. `what`: the act, as in `approve rq_…`. */
function refuseUnproven(
  demand: Demand | undefined,
  shown: Authentication | null,
  nowMs: number,
  { rule, what }: { readonly rule: string | null; readonly what: string },
): Refusal | null {
  const missing = lacking(demand, shown, nowMs);
  if (missing === null) return null;
  const asks = `The rule ${rule} demands ${demandInWords(missing)} of whoever is to ${what}`;
  if (shown !== null) return refuse("step-up-required", `${asks}.`, { rule, what, demand: missing });
  return refuse(
    "step-up-impossible",
    `${asks}, and a token can show none: this takes a person who is signed in (tidegate login).`,
    { rule },
  );
}
