/** When to look next: at once when nothing is under way, and not at every step of what is. */
import type { Timers } from "../base/clock.ts";

/**
 * While work is under way every step of it wakes us, and so many looks would take the store away from the work itself. So
 * then the next look waits this long, or until something lands and makes room; and what lands together is looked after
 * together.
 */
const LOOK_EVERY_MS = 20;
const LAND_TOGETHER_MS = 8;

export type Pace = {
  /** Something may be due. */
  wake(): void;
  /** A flight has landed and made room. */
  landed(): void;
  /** A look begins: what wakes us from now on, it may have missed. */
  looking(): void;
  /** After a look: waits a moment and answers true when something woke us meanwhile; false when there is no hurry. */
  busy(): Promise<boolean>;
  /** Until something wakes us, or the time has passed. */
  sleep(ms: number): Promise<void>;
};

export function createPace(clock: Timers, inFlight: () => number): Pace {
  let [woken, landed] = [false, false];
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
    async busy() {
      if (!woken) return false;
      if (inFlight() === 0) return true;
      await waitFor(LOOK_EVERY_MS, () => landed);
      if (landed && inFlight() > 0) await waitFor(LAND_TOGETHER_MS, () => inFlight() === 0);
      return true;
    },
    sleep: (ms) => waitFor(ms, () => woken),
  };
}
