import type { Clock } from "../base/clock.ts";

/** A change is a hint that may be lost, so it also looks by itself this often. */
const RECHECK_MS = 2_000;

/**
 * Looks until `done` says that what it saw will do, the time is over, or nobody waits for the answer any more. It listens
 * before it looks, so that a change between the two is not missed. Holds no connection while it waits.
 */
export async function hold<T>(
  look: () => Promise<T>,
  done: (seen: T) => boolean,
  options: {
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
    readonly clock: Pick<Clock, "monotonicMs">;
    readonly next: (timeoutMs: number) => Promise<void>;
  },
): Promise<T> {
  const { signal, clock } = options;
  const deadlineMs = clock.monotonicMs() + options.timeoutMs;
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  for (;;) {
    const leftMs = deadlineMs - clock.monotonicMs();
    if (leftMs <= 0 || signal.aborted) return look();
    const changed = options.next(Math.min(leftMs, RECHECK_MS));
    const seen = await look();
    if (done(seen)) return seen;
    await Promise.race([changed, aborted]);
  }
}
