import type { Clock } from "../base/clock.ts";

const WINDOW_MS = 60_000;
const ATTEMPTS_MAX = 30;
/** So many addresses are remembered; beyond, the count starts anew for all. */
const ADDRESSES_MAX = 10_000;

/**
 * Counts failed sign-ins by address and minute. Coarse on purpose: tokens are too long to be guessed, so this only keeps
 * noise and load down. Whoever has a good token is never locked out by others behind the same address.
 */
export class FailedAttempts {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #counts = new Map<string, number>();
  #windowStartMs: number;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
    this.#windowStartMs = clock.monotonicMs();
  }

  /** Notes one more. Answers the seconds to wait when these were too many, else null. */
  note(address: string): number | null {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#windowStartMs >= WINDOW_MS || this.#counts.size >= ADDRESSES_MAX) {
      this.#counts.clear();
      this.#windowStartMs = nowMs;
    }
    const count = (this.#counts.get(address) ?? 0) + 1;
    this.#counts.set(address, count);
    return count <= ATTEMPTS_MAX ? null : Math.max(1, Math.ceil((this.#windowStartMs + WINDOW_MS - nowMs) / 1_000));
  }
}
