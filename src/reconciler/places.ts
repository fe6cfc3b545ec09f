/** Who gets the next places: pure, so that fairness between targets is a property and no accident. */
import type { Urgency } from "../domain/plan.ts";
import type { Wanted } from "../store/due.ts";

/** A resource that has something due. */
export type Due = {
  readonly resource: string;
  readonly urgency: Urgency;
  /** How many of its grants are worked on now. */
  readonly inFlight: number;
  /** How many may be, as long as its target is as it is. */
  readonly atMost: number;
};

/**
 * What takes access away comes before everything else; of the same urgency, whoever has least gets the next place. A
 * resource on which nothing is under way gets one however few are left: how many targets hang is no concern of the others.
 * `spare` is what is left of all places; `turn` moves who is asked first, so that the last places go round.
 */
export function places(due: readonly Due[], spare: number, turn: number): Wanted[] {
  const given = new Map<string, number>();
  let left = spare;
  for (const urgency of [0, 1, 2] as const) {
    const alike = due.filter((it) => it.urgency === urgency);
    const first = alike.length === 0 ? 0 : turn % alike.length;
    const round = [...alike.slice(first), ...alike.slice(0, first)];
    const most = Math.max(0, ...round.map((it) => it.atMost));
    for (let load = 0; load < most; load += 1)
      for (const { resource, inFlight, atMost } of round) {
        const has = inFlight + (given.get(resource) ?? 0);
        if (has !== load || has >= atMost || (left <= 0 && has > 0)) continue;
        given.set(resource, (given.get(resource) ?? 0) + 1);
        left -= 1;
      }
  }
  return [...given].map(([resource, count]) => ({ resource, places: count }));
}
