/**
 * What is wrong just now, and since when nothing is: the oracle may ask for access to be gone only where nothing stands in the
 * way. Each kind of trouble has a time after it in which it is still felt: a dead worker's claim, a deadline, a back-off.
 */

/** Felt after it is over, ms. The times are those of the reconciler: claims 4 s, looks 2 s, back-off 15 s, deadline 15 s. */
export const FELT_MS = {
  /** A dead worker's claim runs out, and the next look finds it. */
  worker: 8_000,
  store: 9_000,
  deaf: 3_000,
  /** The longest back-off. */
  refused: 20_000,
  /** A call that nobody answers, then the longest back-off. */
  unanswered: 36_000,
} as const;

export class Faults {
  /** Place → how many faults are at work there, and until when earlier ones are felt. `*` is everywhere. */
  readonly #places = new Map<string, { active: number; untilMs: number }>();
  readonly #now: () => number;
  readonly #beganMs: number;

  constructor(now: () => number) {
    this.#now = now;
    this.#beganMs = now();
  }

  /** Answers how to say that it is over. */
  begin(place: string, feltMs: number): () => void {
    const there = this.#at(place);
    there.active += 1;
    return () => {
      there.active -= 1;
      there.untilMs = Math.max(there.untilMs, this.#now() + feltMs);
    };
  }

  /** Something that is over as soon as it happens. */
  happened(place: string, feltMs: number): void {
    this.begin(place, feltMs)();
  }

  /** Since when nothing stands in the way at this place; null while something does, or is still felt. */
  clearSince(place: string): number | null {
    const [here, everywhere] = [this.#at(place), this.#at("*")];
    if (here.active > 0 || everywhere.active > 0) return null;
    const sinceMs = Math.max(here.untilMs, everywhere.untilMs);
    return sinceMs > this.#now() ? null : sinceMs;
  }

  /** Whether a fault is at work somewhere other than here, and nowhere in common. */
  elsewhere(place: string): boolean {
    return [...this.#places].some(([name, { active }]) => name !== place && name !== "*" && active > 0);
  }

  #at(place: string): { active: number; untilMs: number } {
    const known = this.#places.get(place) ?? { active: 0, untilMs: this.#beganMs };
    this.#places.set(place, known);
    return known;
  }
}
