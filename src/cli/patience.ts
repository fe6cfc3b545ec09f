/** Waiting that survives a server that is restarted, a network that hiccups, a rate limit. */
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../base/clock.ts";

const FIRST_PAUSE_MS = 250;
const PAUSE_MS_MAX = 5_000;

export type Patience = {
  /** Breaks it off. */
  readonly signal?: AbortSignal;
  /** How long failures in a row are borne. */
  readonly withinMs: number;
  /** Told of each failure that is borne, in the words of the error. */
  readonly onTrouble?: (why: string) => void;
};

/** Asks until the server answers: with what was asked for, or with a no. What is passing is borne for a while. */
export async function patiently<T>(ask: () => Promise<T>, { signal, withinMs, onTrouble }: Patience): Promise<T> {
  const sinceMs = systemClock.monotonicMs();
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
    try {
      return await ask();
    } catch (error) {
      signal?.throwIfAborted();
      if (!isPassing(error) || systemClock.monotonicMs() - sinceMs + pauseMs > withinMs) throw error;
      onTrouble?.(error instanceof Error ? error.message : String(error));
      await pause(pauseMs, signal);
    }
  }
}

/** Whether the same call may well succeed in a moment. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === "CannotReach") return true;
  const status = "status" in error ? Number(error.status) : 0;
  return (error.name === "ProblemError" || error.name === "UnexpectedAnswer") && (status === 429 || status >= 500);
}

export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  sleep(ms, undefined, signal === undefined ? {} : { signal });
