/** What Prometheus is told. The names are API: dashboards and alarms are built on them. */
import type { Pool } from "pg";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Grant } from "../domain/grant.ts";
import { healthOf } from "../domain/health.ts";
import type { Health, HealthFacts, JournalFacts, SourceFacts } from "../domain/health-facts.ts";
import { revokingSinceMs } from "../store/figures.ts";
import { healthGauges, type MakeGauge } from "./health-gauges.ts";
import { createReadings, type Reading, type ReadingsSource } from "./readings.ts";

const GRANT_STATES = ["scheduled", "provisioning", "active", "revoking", "revoked", "cancelled", "failed"];

export type ReconcilerFacts = {
  readonly running: boolean;
  readonly lastTickMs: number | null;
  readonly inFlight: number;
  /** Resources whose target has not answered several times in a row. */
  readonly silent: readonly string[];
};

export type MetricsSource = ReadingsSource & {
  readonly pool: Pick<Pool, "totalCount" | "idleCount" | "waitingCount">;
  readonly reconciler: () => ReconcilerFacts;
  /** What is wrong with the configuration's files; null where nothing is. */
  readonly configurationTrouble: () => string | null;
  /** Of the active configuration; throws while the store does not answer. */
  readonly factSources: () => Promise<readonly SourceFacts[]>;
  /** Of the signed head of the log that is kept here; null where there is none. */
  readonly headAgeMs: () => Promise<number | null>;
  /** Null where none is kept. */
  readonly journal: () => JournalFacts | null;
};

export type Answered = {
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly seconds: number;
};
export type Performed = {
  readonly resource: string;
  readonly action: string;
  readonly seconds: number;
  /** Why it did not work; null where it did. */
  readonly failure: string | null;
};

export type Metrics = {
  readonly registry: Registry;
  /** Everything, in the text form of Prometheus. Answers also while the store does not. */
  text(): Promise<string>;
  /** The verdict on the same facts. Answers also while the store does not. */
  health(): Promise<Health>;
  answered(answer: Answered): void;
  performed(action: Performed): void;
  /** A grant was closed with proof by this process. */
  closed(grant: Grant): Promise<void>;
  streams(change: 1 | -1): void;
  /** A message was tried through a channel. */
  attempted(channel: string, outcome: "delivered" | "missed" | "given-up"): void;
};

export function createMetrics(source: MetricsSource): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const counted = countedIn(registry);
  const ledger = ledgerIn(registry, source);
  return {
    registry,
    async text() {
      await ledger.refresh();
      return registry.metrics();
    },
    health: () => ledger.refresh(),
    answered: ({ route, method, status, seconds }) =>
      counted.requests.observe({ route, method, status: String(status) }, seconds),
    performed({ resource, action, seconds, failure }) {
      counted.actions.inc({ resource, action });
      counted.actionSeconds.observe({ action }, seconds);
      if (failure !== null) counted.failures.inc({ resource, action, code: failure });
    },
    async closed(grant) {
      if (grant.state !== "revoked" && grant.state !== "failed") return;
      const fromMs = grant.ending.cause === "expired" ? grant.expiresMs : await revokingSinceMs(source.db, grant.id);
      if (fromMs !== null) counted.lag.observe(Math.max(0, grant.revokedMs - fromMs) / 1_000);
    },
    streams: (change) => counted.streams.inc(change),
    attempted: (channel, outcome) => counted.attempts.inc({ channel, outcome }),
  };
}

/** What this process counts as it happens. */
function countedIn(registry: Registry) {
  const registers = [registry];
  return {
    requests: new Histogram({
      name: "tidegate_http_request_duration_seconds",
      help: "Answers by route, method and status; those that wait on purpose are left out.",
      labelNames: ["route", "method", "status"],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers,
    }),
    streams: new Gauge({ name: "tidegate_event_streams", help: "Streams of events that are open here.", registers }),
    attempts: new Counter({
      name: "tidegate_message_attempts_total",
      help: "Attempts to send a message through a channel: delivered, missed (tried again), given-up.",
      labelNames: ["channel", "outcome"],
      registers,
    }),
    actions: new Counter({
      name: "tidegate_reconciler_actions_total",
      help: "What the reconciler did, by resource and action, whether or not it worked.",
      labelNames: ["resource", "action"],
      registers,
    }),
    failures: new Counter({
      name: "tidegate_reconciler_failures_total",
      help: "What did not work, by resource, action and code of the error.",
      labelNames: ["resource", "action", "code"],
      registers,
    }),
    actionSeconds: new Histogram({
      name: "tidegate_reconciler_action_duration_seconds",
      help: "How long an action took.",
      labelNames: ["action"],
      buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15],
      registers,
    }),
    lag: new Histogram({
      name: "tidegate_revocation_lag_seconds",
      help: "From the end of a grant to the proof that its access is gone.",
      buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200],
      registers,
    }),
  };
}

/** What is read when somebody asks. */
function ledgerIn(registry: Registry, source: MetricsSource) {
  const gauge: MakeGauge = (name, help, ...labelNames) => new Gauge({ name, help, labelNames, registers: [registry] });
  const up = gauge("tidegate_store_up", "1 while the store answers, else 0.");
  const connections = gauge("tidegate_store_connections", "Connections to the store, by what they do.", "state");
  const inFlight = gauge("tidegate_reconciler_claims_in_flight", "Grants that this process works on now.");
  const look = gauge("tidegate_reconciler_last_look_seconds", "How long ago the reconciler last looked for work.");
  const ofStore = {
    grants: gauge("tidegate_grants", "Grants by state.", "state"),
    overdue: gauge("tidegate_grants_overdue", "Grants past their end whose access is not proven gone."),
    oldest: gauge("tidegate_grants_overdue_oldest_seconds", "How long the oldest of them is overdue; 0 where none is."),
    trouble: gauge("tidegate_grants_in_trouble", "Grants that something keeps from going on."),
    pending: gauge("tidegate_requests_pending", "Requests that wait for people."),
    behind: gauge("tidegate_audit_positions_behind", "Audit entries that have no position yet."),
    position: gauge("tidegate_audit_position", "The last position in the audit log."),
  };

  function show(seen: Reading | null): void {
    up.set(seen === null ? 0 : 1);
    const { grants, ...single } = ofStore;
    grants.reset();
    // What is not known is not told: an old figure would look like a good one.
    if (seen === null) for (const one of Object.values(single)) one.remove();
    else {
      const { figures, counts } = seen;
      for (const state of GRANT_STATES) grants.set({ state }, 0);
      for (const { state, count } of counts) grants.set({ state }, count);
      ofStore.overdue.set(figures.overdue);
      ofStore.oldest.set(figures.oldestOverdueSeconds);
      ofStore.trouble.set(figures.inTrouble);
      ofStore.pending.set(figures.pendingRequests);
      ofStore.behind.set(figures.positionsBehind);
      ofStore.position.set(figures.lastPosition);
    }
    connections.set({ state: "busy" }, source.pool.totalCount - source.pool.idleCount);
    connections.set({ state: "idle" }, source.pool.idleCount);
    connections.set({ state: "waiting" }, source.pool.waitingCount);
    const health = source.reconciler();
    inFlight.set(health.inFlight);
    look.set(health.lastTickMs === null ? 0 : Math.max(0, source.clock.nowMs() - health.lastTickMs) / 1_000);
  }

  const readings = createReadings(source);
  const showHealth = healthGauges(gauge);
  return {
    async refresh(): Promise<Health> {
      const [seen, headAgeMs] = await Promise.all([readings.latest(), source.headAgeMs()]);
      const sources = seen === null ? [] : await source.factSources().catch(() => []);
      show(seen);
      const facts = factsOf(source, { ledger: seen?.ledger ?? null, headAgeMs, sources, awayMs: readings.awayMs() });
      const health = healthOf(facts);
      showHealth(facts, health);
      return health;
    },
  };
}

type Read = Pick<HealthFacts, "ledger" | "headAgeMs" | "sources"> & { readonly awayMs: number | null };

function factsOf(source: MetricsSource, { ledger, headAgeMs, sources, awayMs }: Read): HealthFacts {
  const { running, lastTickMs, silent } = source.reconciler();
  const journal = source.journal();
  // The journal asks the store all the time; we, only when we are asked.
  const longerMs = journal?.atWork === true ? journal.ageMs : 0;
  return {
    nowMs: source.clock.nowMs(),
    storeAwayMs: awayMs === null ? null : Math.max(awayMs, longerMs),
    reconciler: { running, lastLookMs: lastTickMs, silent },
    configurationTrouble: source.configurationTrouble(),
    sources,
    headAgeMs,
    journal,
    ledger,
  };
}
