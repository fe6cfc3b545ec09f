/** When to look next: at once when nothing is under way, and not at every step of what is. */
import type { Timers } from "../base/clock.ts";

/**
 * While work is under way every step of it wakes us, and so many looks would take the store away from the work itself. So
 * then the next look waits this long, or until something lands and makes room; and what lands together is looked after
 * together.
 */
const LOOK_EVERY_MS = 20;
const LAND_TOGETHER_MS = 8;
/** What is due and has no place, since its target is full or silent, is looked for again after this. */
const BLOCKED_MS = 100;
/** Woken so many times in a row for nothing, as while a provider tells of thousands of people, it is not woken at every change. */
const VAIN_MAX = 3;

export type Pace = {
  /** Something may be due. */
  wake(): void;
  /** A flight has landed and made room. */
  landed(): void;
  /** A look begins: what wakes us from now on, it may have missed. */
  looking(): void;
  /**
   * After a look: waits a moment and answers true when it is time for the next. False when there is no hurry: nothing woke us,
   * and nothing that is due waits for a place.
   */
  busy(waiting: boolean): Promise<boolean>;
  /** Until something wakes us, or the time has passed. */
  sleep(ms: number): Promise<void>;
};

export function createPace(clock: Timers, inFlight: () => number): Pace {
  let [woken, landed] = [false, false];
  let vain = 0;
  let heard: () => void = () => undefined;

  const waitFor = async (ms: number, already: () => boolean): Promise<void> => {
    if (already()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = clock.after(ms, resolve);
    heard = () => {
      if (already()) resolve();
    };
    await promise;
    stop();
    heard = () => undefined;
  };

  return {
    wake() {
      woken = true;
      heard();
    },
    landed() {
      [woken, landed] = [true, true];
      heard();
    },
    looking() {
      [woken, landed] = [false, false];
    },
    async busy(waiting) {
      vain = 0;
      if (!(woken || (waiting && inFlight() > 0))) return false;
      if (inFlight() === 0) return true;
      // Being woken is a reason to look soon; that something waits for a place, only once there may be one.
      await waitFor(woken ? LOOK_EVERY_MS : BLOCKED_MS, () => landed);
      if (landed && inFlight() > 0) await waitFor(LAND_TOGETHER_MS, () => inFlight() === 0);
      return true;
    },
    async sleep(ms) {
      const together = vain < VAIN_MAX ? 0 : Math.min(ms, LOOK_EVERY_MS);
      if (together > 0) await waitFor(together, () => landed);
      await waitFor(ms - together, () => woken);
      vain = woken ? vain + 1 : 0;
    },
  };
}
