import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "../../base/clock.ts";

const POLL_MS = 15;

/**
 * Looks again and again until there is an answer; null when there was none in time. `progress` is a number that changes
 * while the awaited goes on: whenever it does, the time starts anew.
 */
export async function waitUntil<T>(
  look: () => T | null | Promise<T | null>,
  timeoutMs: number,
  progress: () => number = () => 0,
): Promise<T | null> {
  let seen = progress();
  let deadlineMs = systemClock.monotonicMs() + timeoutMs;
  for (;;) {
    const answer = await look();
    if (answer !== null) return answer;
    if (progress() !== seen) {
      seen = progress();
      deadlineMs = systemClock.monotonicMs() + timeoutMs;
    }
    if (systemClock.monotonicMs() >= deadlineMs) return null;
    await delay(POLL_MS);
  }
}
