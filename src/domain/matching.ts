/**
 * Counts approvals towards steps. One person fills one place only, whichever step it helps most: places are counted by
 * maximum matching between people and places, so that the order in which people approve never decides the outcome.
 */

export type StepPlaces<Person> = {
  /** Who may fill a place of this step. */
  readonly eligible: ReadonlySet<Person>;
  readonly count: number;
};

export type Places = {
  /** Filled places per step, in the order of the steps. */
  readonly have: readonly number[];
  readonly complete: boolean;
};

/** Kuhn's augmenting paths: steps × people are few, so the simple algorithm is the right one. */
export function fillPlaces<Person>(steps: readonly StepPlaces<Person>[], approvers: Iterable<Person>): Places {
  const filledBy: (Person | null)[][] = steps.map((step) => Array.from({ length: step.count }, () => null));

  function place(person: Person, seen: Set<string>): boolean {
    for (const [s, step] of steps.entries()) {
      if (!step.eligible.has(person)) continue;
      const places = filledBy[s] ?? [];
      for (const [p, holder] of places.entries()) {
        const key = `${s}.${p}`;
        if (seen.has(key)) continue;
        seen.add(key);
        if (holder === null || place(holder, seen)) {
          places[p] = person;
          return true;
        }
      }
    }
    return false;
  }

  for (const person of new Set(approvers)) place(person, new Set());
  const have = filledBy.map((places) => places.filter((holder) => holder !== null).length);
  return { have, complete: steps.every((step, i) => (have[i] ?? 0) >= step.count) };
}

/** Whether these people, all together, could ever complete the steps. */
export const canComplete = <Person>(steps: readonly StepPlaces<Person>[], people: Iterable<Person>): boolean =>
  fillPlaces(steps, people).complete;
