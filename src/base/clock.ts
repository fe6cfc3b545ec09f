/**
 * The process's clock. It wakes us up and stamps logs; whether something has expired is decided by database time alone.
 */
export type Clock = {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Milliseconds that never go back; for deadlines and waiting. */
  monotonicMs(): number;
};

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** A clock that also wakes somebody up. */
export type Timers = Clock & {
  /** Calls back once, after that long. Answers how to call that off. */
  after(ms: number, act: () => void): () => void;
};

export const systemTimers: Timers = {
  ...systemClock,
  after: (ms, act) => {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
};

/** Calls back every so often. Answers how to stop that. */
export function every(timers: Timers, ms: number, act: () => void): () => void {
  let stop = timers.after(ms, again);
  function again(): void {
    stop = timers.after(ms, again);
    act();
  }
  return () => stop();
}

/** `wake`: not before that long, but now. `stop` answers once what is under way has ended. */
export type Repeating = { readonly wake: () => void; readonly stop: () => Promise<void> };

/** Acts at once and again every so often, one after another and never sooner than `restMs` after somebody woke it. */
export function repeat(timers: Timers, everyMs: number, act: () => Promise<void>, restMs = 0): Repeating {
  let isStopped = false;
  let wake = (): void => undefined;
  const run = async (): Promise<void> => {
    while (!isStopped) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      const callOff = timers.after(everyMs, resolve);
      await act();
      await promise;
      callOff();
      if (restMs > 0) await new Promise<void>((rested) => void timers.after(restMs, rested));
    }
  };
  const running = run();
  return {
    wake: () => wake(),
    stop: async () => {
      isStopped = true;
      wake();
      await running;
    },
  };
}

/** `2026-01-31T12:00:00.000Z` */
export const toTimestamp = (ms: number): string => new Date(ms).toISOString();

/** Milliseconds since the epoch of an RFC 3339 time with a zone, or null when it is not one. */
export function parseTimestamp(text: string): number | null {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/i.test(text)) return null;
  const ms = Date.parse(text);
  return Number.isFinite(ms) ? ms : null;
}
