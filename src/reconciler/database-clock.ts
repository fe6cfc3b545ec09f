/**
 * What time it is in the database while the database is away. Nothing here is moved by somebody who sets the clock of the
 * process: since the last answer of the store it counts the machine's own time, and that goes on while a process is down.
 * Only after a restart of the whole machine is there nothing but its clock, with the distance to the database's that was
 * measured before; and never earlier than what the database has said already.
 *
 * Which error is the safe one: a clock that was set ahead while the machine was down ends access early, one that was set
 * back ends it late. Early costs somebody a new request, late breaks the promise; so that clock is believed.
 */
import type { Boot } from "../base/boot.ts";
import type { Clock } from "../base/clock.ts";

/** As it is kept with the journal. */
export type Moment = { readonly databaseMs: number; readonly wallMs: number; readonly boot: Boot | null };

type Anchor = { readonly databaseMs: number; readonly monotonicMs: number; readonly boot: Boot | null };

export class DatabaseClock {
  readonly #clock: Clock;
  readonly #bootNow: () => Boot | null;
  #anchor: Anchor | null = null;

  constructor(clock: Clock, bootNow: () => Boot | null) {
    this.#clock = clock;
    this.#bootNow = bootNow;
  }

  /** The database said so just now. */
  heard(databaseMs: number): void {
    this.#anchor = { databaseMs, monotonicMs: this.#clock.monotonicMs(), boot: this.#bootNow() };
  }

  /** Goes on from what an earlier process kept. */
  resume({ databaseMs, wallMs, boot }: Moment): void {
    const now = this.#bootNow();
    const sameBoot = boot !== null && now !== null && boot.id === now.id;
    const passedMs = sameBoot ? now.uptimeMs - boot.uptimeMs : this.#clock.nowMs() - wallMs;
    this.heard(databaseMs + Math.max(0, passedMs));
  }

  /** Null before anybody has said anything. */
  nowMs(): number | null {
    if (this.#anchor === null) return null;
    const { databaseMs, monotonicMs, boot } = this.#anchor;
    const now = this.#bootNow();
    // The process's own time may stand still while the machine sleeps; that of the machine does not.
    const slept = boot !== null && now !== null && boot.id === now.id ? now.uptimeMs - boot.uptimeMs : 0;
    return databaseMs + Math.max(this.#clock.monotonicMs() - monotonicMs, slept, 0);
  }

  /** Null before anybody has said anything. */
  moment(): Moment | null {
    const databaseMs = this.nowMs();
    return databaseMs === null ? null : { databaseMs, wallMs: this.#clock.nowMs(), boot: this.#bootNow() };
  }
}
