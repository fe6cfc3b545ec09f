/** Steps that have been open for too long: more people may fill them. They only ever gain. */
import { canonicalJson, type Json } from "../base/canonical.ts";
import type { Addition, Source, Step } from "./policy.ts";
import type { AccessRequest } from "./request.ts";

export const hasEscalated = ({ added }: Step): boolean => (added ?? []).some(({ why }) => why === "escalated");

/** Who may fill it by the rule itself, without what was added. */
export function asWritten({ by, added }: Step): Source[] {
  const later = new Set((added ?? []).flatMap((addition) => addition.by));
  return by.filter((source) => !later.has(source));
}

export const withMore = (step: Step, addition: Addition): Step => ({
  ...step,
  by: [...step.by, ...addition.by],
  added: [...(step.added ?? []), addition],
});

/** When it escalates; null where it never will, or has. */
function escalatesMs(step: Step, createdMs: number): number | null {
  if (step.escalate === undefined || hasEscalated(step)) return null;
  return (step.openedMs ?? createdMs) + step.escalate.afterMs;
}

/** When a pending request must be looked at for this; null where nothing will escalate. */
export function nextEscalationMs({ state, decision, createdMs }: AccessRequest): number | null {
  if (state !== "pending") return null;
  const dues = decision.steps.flatMap((step) => escalatesMs(step, createdMs) ?? []);
  return dues.length === 0 ? null : Math.min(...dues);
}

/** The steps with those added who may fill them by now. The very same steps where none is due. */
export function escalate(steps: readonly Step[], createdMs: number, nowMs: number): readonly Step[] {
  const due = steps.map((step) => {
    const ms = escalatesMs(step, createdMs);
    return ms !== null && ms <= nowMs;
  });
  if (!due.includes(true)) return steps;
  return steps.map((step, i) => {
    if (due[i] !== true) return step;
    const more = (step.escalate?.to ?? []).filter((source) => !step.by.includes(source));
    return withMore(step, { by: more, why: "escalated", atMs: nowMs });
  });
}

/**
 * The steps of a new decision. One that asks for what a step asked for before is that step: it has been open since then, and
 * keeps who was added to it. Every other one opens now.
 */
export function carryOver(steps: readonly Step[], before: readonly Step[], nowMs: number): readonly Step[] {
  const left = before.map((step) => ({ step, asks: whatItAsks(step) }));
  return steps.map((step) => {
    const asks = whatItAsks(step);
    const known = left.findIndex((one) => one.asks === asks);
    if (known < 0) return step.escalate === undefined ? step : { ...step, openedMs: nowMs };
    return left.splice(known, 1)[0]?.step ?? step;
  });
}

const whatItAsks = (step: Step): string => {
  const { count, escalate: later, fallback } = step;
  return canonicalJson(JSON.parse(JSON.stringify([asWritten(step), count, later ?? null, fallback ?? null])) as Json);
};
