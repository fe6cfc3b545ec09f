/** Where figures come from in tests: a store, and all else quiet. */
import { systemClock } from "../../src/base/clock.ts";
import { NO_OUTLETS } from "../../src/domain/sink.ts";
import type { MetricsSource } from "../../src/metrics/metrics.ts";

export const quietSource = (given: Pick<MetricsSource, "db"> & Partial<MetricsSource>): MetricsSource => ({
  pool: { totalCount: 0, idleCount: 0, waitingCount: 0 },
  clock: systemClock,
  resources: async () => [],
  outlets: async () => NO_OUTLETS,
  reconciler: () => ({ running: true, lastTickMs: null, inFlight: 0, silent: [] }),
  configurationTrouble: () => null,
  factSources: async () => [],
  headAgeMs: async () => 1_000,
  journal: () => null,
  ...given,
});
