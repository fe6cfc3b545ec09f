/** What was looked up a moment ago is not looked up again, unless something may have changed meanwhile. */
import type { Clock } from "./clock.ts";

export type Keeping = { readonly keptMs: number; readonly most: number };

export class Recent<V> {
  readonly #clock: Clock;
  readonly #keeping: Keeping;
  readonly #kept = new Map<string, { readonly value: V; readonly untilMs: number }>();
  #changes = 0;

  constructor(clock: Clock, keeping: Keeping) {
    this.#clock = clock;
    this.#keeping = keeping;
  }

  /** By `look` where it is not kept. What `isNone` of is answered and not kept. */
  async of<None = never>(
    key: string,
    look: () => Promise<V | None>,
    isNone: (found: V | None) => found is None,
  ): Promise<V | None> {
    // From before the look on, which may see things as they were then.
    const [changes, nowMs] = [this.#changes, this.#clock.monotonicMs()];
    const known = this.#kept.get(key);
    if (known !== undefined && nowMs < known.untilMs) return known.value;
    const found = await look();
    if (isNone(found) || changes !== this.#changes) return found;
    if (this.#kept.size >= this.#keeping.most) this.#kept.clear();
    this.#kept.set(key, { value: found, untilMs: nowMs + this.#keeping.keptMs });
    return found;
  }

  /** Something has changed. */
  forget(): void {
    this.#changes += 1;
    this.#kept.clear();
  }
}
