/** What the store says about itself, read when somebody asks, and not more often than once a second however many ask. */
import type { Clock } from "../base/clock.ts";
import type { LedgerFacts } from "../domain/health-facts.ts";
import type { AuditOutlets } from "../domain/sink.ts";
import type { Db } from "../store/db.ts";
import { countGrants, type Figures, readFigures } from "../store/figures.ts";
import { readLedgerFacts } from "../store/health-figures.ts";

const KEPT_MS = 1_000;
/** Counting all grants takes longer the more there are: it may take a hundredth of the store's time, and is not repeated sooner. */
const COUNTING_SHARE = 100;
const STORE_ANSWERS_WITHIN_MS = 3_000;

export type ReadingsSource = {
  readonly db: Db;
  readonly clock: Clock;
  /** Names of the resources of the active configuration. */
  readonly resources: () => Promise<readonly string[]>;
  /** Where the active configuration sends the log. */
  readonly outlets: () => Promise<AuditOutlets>;
};

type Counts = Awaited<ReturnType<typeof countGrants>>;
export type Reading = { readonly figures: Figures; readonly counts: Counts; readonly ledger: LedgerFacts };

export type Readings = {
  /** Null where the store does not answer, or not in time. */
  latest(): Promise<Reading | null>;
  /** For how long it has not answered, as far as somebody asked; null while it does. */
  awayMs(): number | null;
};

export function createReadings({ db, clock, resources, outlets }: ReadingsSource): Readings {
  let counted: { readonly counts: Counts; readonly untilMs: number } | null = null;
  async function read(): Promise<Reading> {
    const figures = await readFigures(db);
    const ledger = await readLedgerFacts(db, figures, { resources: await resources(), outlets: await outlets() });
    const startMs = clock.monotonicMs();
    if (counted === null || startMs >= counted.untilMs) {
      const counts = await countGrants(db);
      const endMs = clock.monotonicMs();
      counted = { counts, untilMs: endMs + (endMs - startMs) * COUNTING_SHARE };
    }
    return { figures, counts: counted.counts, ledger };
  }

  let reading: Promise<Reading | null> | null = null;
  /** One at a time: a store that hangs is not asked again by everybody who wants to know whether it does. */
  function readOnce(): Promise<Reading | null> {
    reading ??= read()
      .catch(() => null)
      .finally(() => {
        reading = null;
      });
    return reading;
  }

  let awaySinceMs: number | null = null;
  async function ask(): Promise<Reading | null> {
    const startMs = clock.monotonicMs();
    const seen = await inTime(readOnce());
    awaySinceMs = seen === null ? (awaySinceMs ?? startMs) : null;
    return seen;
  }

  let last: { readonly atMs: number; readonly done: Promise<Reading | null> } | null = null;
  return {
    latest() {
      const nowMs = clock.monotonicMs();
      if (last === null || nowMs - last.atMs >= KEPT_MS) last = { atMs: nowMs, done: ask() };
      return last.done;
    },
    awayMs: () => (awaySinceMs === null ? null : clock.monotonicMs() - awaySinceMs),
  };
}

async function inTime(asked: Promise<Reading | null>): Promise<Reading | null> {
  const { promise: late, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), STORE_ANSWERS_WITHIN_MS);
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}
