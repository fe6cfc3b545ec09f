/**
 * Counts approvals towards steps. One person fills one place only, by one right: their own, or that of somebody in whose
 * place they decide; and each right fills one place, whoever uses it. Places are counted by a maximum flow from people
 * through rights to steps, so that the order in which people approve never decides the outcome.
 */

export type StepPlaces<Person> = {
  /** Whose right fills a place of this step. */
  readonly eligible: ReadonlySet<Person>;
  readonly count: number;
};

/** Somebody who approves, and whose rights they may use for it. */
export type Hand<Person> = { readonly by: Person; readonly rights: Iterable<Person> };

/** Everybody by their own right. */
export const inPerson = <Person>(people: Iterable<Person>): Hand<Person>[] =>
  Array.from(people, (by) => ({ by, rights: [by] }));

export type Places = {
  /** Filled places per step, in the order of the steps. */
  readonly have: readonly number[];
  readonly complete: boolean;
};

/** Augmenting paths (Ford and Fulkerson), one from each person: places are few, so the simple algorithm is the right one. */
export function fillPlaces<Person>(steps: readonly StepPlaces<Person>[], hands: Iterable<Hand<Person>>): Places {
  const rightsOf = new Map<Person, Set<Person>>();
  for (const { by, rights } of hands) rightsOf.set(by, new Set([...(rightsOf.get(by) ?? []), ...rights]));
  const userOf = new Map<Person, Person>();
  const placed = steps.map(() => new Set<Person>());
  const isComplete = (): boolean => steps.every(({ count }, i) => (placed[i]?.size ?? 0) >= count);

  /** What was looked at on the way to one more place: rights to be used, and rights to be given a place. */
  let used = new Set<Person>();
  let moved = new Set<Person>();

  /** Finds a right for this person, besides the one that they use. */
  function findRight(person: Person): boolean {
    for (const right of rightsOf.get(person) ?? []) {
      if (used.has(right) || userOf.get(right) === person) continue;
      used.add(right);
      const user = userOf.get(right);
      // Whoever uses it may have another; then it keeps its place, and has another user.
      if (user === undefined ? findPlace(right) : findRight(user)) {
        userOf.set(right, person);
        return true;
      }
    }
    return false;
  }

  function findPlace(right: Person): boolean {
    moved.add(right);
    for (const [i, { eligible, count }] of steps.entries()) {
      const here = placed[i] ?? new Set();
      if (!eligible.has(right) || here.has(right)) continue;
      if (here.size >= count && !makeRoom(here)) continue;
      here.add(right);
      return true;
    }
    return false;
  }

  /** One of these rights goes to another step, or is not used any more because its user has another. */
  function makeRoom(here: Set<Person>): boolean {
    for (const other of [...here]) {
      if (moved.has(other)) continue;
      if (findPlace(other)) return here.delete(other);
      const user = userOf.get(other);
      if (user === undefined || used.has(other)) continue;
      used.add(other);
      if (!findRight(user)) continue;
      userOf.delete(other);
      return here.delete(other);
    }
    return false;
  }

  for (const person of rightsOf.keys()) {
    if (isComplete()) break;
    [used, moved] = [new Set(), new Set()];
    findRight(person);
  }
  return { have: placed.map(({ size }) => size), complete: isComplete() };
}

/** Whether these people, all together, could ever complete the steps. */
export const canComplete = <Person>(steps: readonly StepPlaces<Person>[], people: Iterable<Person>): boolean =>
  fillPlaces(steps, inPerson(people)).complete;
