/**
 * What is known of each target from how work on it went. One that has not answered several times in a row is asked by a few
 * flights only, in the hope that it has come back; all else that waits for it takes no place meanwhile. In memory: each
 * process finds out for itself, and after a start within seconds.
 */

/** So many failures to reach a target, one after the other, and it counts as silent. */
const SILENT_AFTER = 3;
/** So many flights at a time ask a silent target: with their deadline, some moment of it is always soon. */
const PROBES_MAX = 3;
/** One that hangs is asked again beside it no sooner than this; it bounds how long a target that is back is not noticed. */
const PROBE_WHILE_ASKED_MS = 5_000;
/** One that refuses at once is not asked more often than this. */
const PROBE_EVERY_MS = 1_000;

type Seen = { failures: number; probedMs: number };

export type Circuit = {
  /** How many of the resource's grants may be worked on, when so many are. */
  atMost(resource: string, inFlight: number): number;
  /** A flight took off. */
  launched(resource: string): void;
  /** The target could not be reached. */
  failed(resource: string): void;
  /** It answered, whatever. True: it had been silent. */
  answered(resource: string): boolean;
  silent(): string[];
};

export function createCircuit(perTarget: number, monotonicMs: () => number): Circuit {
  const seen = new Map<string, Seen>();
  const isSilent = (it: Seen | undefined): it is Seen => it !== undefined && it.failures >= SILENT_AFTER;
  return {
    atMost(resource, inFlight) {
      const it = seen.get(resource);
      if (!isSilent(it)) return perTarget;
      const waitMs = inFlight === 0 ? PROBE_EVERY_MS : PROBE_WHILE_ASKED_MS;
      const mayAsk = inFlight < Math.min(PROBES_MAX, perTarget) && monotonicMs() - it.probedMs >= waitMs;
      return mayAsk ? inFlight + 1 : inFlight;
    },
    launched(resource) {
      const it = seen.get(resource);
      if (it !== undefined) it.probedMs = monotonicMs();
    },
    failed(resource) {
      const it = seen.get(resource) ?? { failures: 0, probedMs: monotonicMs() };
      it.failures += 1;
      seen.set(resource, it);
    },
    answered(resource) {
      const was = isSilent(seen.get(resource));
      seen.delete(resource);
      return was;
    },
    silent: () => [...seen].filter(([, it]) => isSilent(it)).map(([resource]) => resource),
  };
}
