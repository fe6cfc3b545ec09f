/**
 * One process of Tidegate in virtual time. Whatever it asks of the store or a target travels there and back; between the
 * two it may die (nothing is heard any more) or stand still (everything is heard late), at every await there is.
 */
import type { Timers } from "../../../src/base/clock.ts";
import type { Dice } from "./dice.ts";
import type { Timeline } from "./timeline.ts";

export class Process {
  readonly name: string;
  readonly timeline: Timeline;
  readonly clock: Timers;
  readonly dice: Dice;
  /** What is heard once it goes on; null while it does. */
  #standing: (() => void)[] | null = null;
  #dead = false;
  readonly #onDeath: (() => void)[] = [];

  constructor(name: string, timeline: Timeline, dice: Dice, shiftMs: number) {
    this.name = name;
    this.timeline = timeline;
    this.dice = dice.of(name);
    const begunMs = timeline.nowMs;
    this.clock = {
      nowMs: () => timeline.nowMs + shiftMs,
      monotonicMs: () => timeline.nowMs - begunMs,
      after: (ms, act) => timeline.after(ms, () => this.#hear(act)),
    };
  }

  get healthy(): boolean {
    return !this.#dead && this.#standing === null;
  }

  get dead(): boolean {
    return this.#dead;
  }

  onDeath(act: () => void): void {
    this.#onDeath.push(act);
  }

  /** Has something done elsewhere: it takes a while to get there, and the answer takes a while to come back. */
  call<T>(what: string, work: () => T | Promise<T>, latencyMs: readonly [number, number]): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const [there, back] = [this.dice.whole(...latencyMs), this.dice.whole(...latencyMs)];
    if (this.#dead) return promise;
    const answer = (say: () => void): void => void this.timeline.after(back, () => this.#hear(say));
    this.timeline.after(there, () => {
      this.timeline.note(`${this.name} ${what}`);
      void (async () => work())().then(
        (value) => answer(() => resolve(value)),
        (error: unknown) => answer(() => reject(error instanceof Error ? error : new Error(String(error)))),
      );
    });
    return promise;
  }

  die(): void {
    this.#dead = true;
    this.#standing = null;
    this.timeline.note(`${this.name} dies`);
    for (const act of this.#onDeath) act();
  }

  standStill(forMs: number): void {
    if (!this.healthy) return;
    this.timeline.note(`${this.name} stands still for ${forMs} ms`);
    this.#standing = [];
    this.timeline.after(forMs, () => {
      const heard = this.#standing ?? [];
      this.#standing = null;
      if (this.#dead) return;
      this.timeline.note(`${this.name} goes on`);
      for (const say of heard) say();
    });
  }

  #hear(say: () => void): void {
    if (this.#dead) return;
    if (this.#standing === null) say();
    else this.#standing.push(say);
  }
}
