/** What Prometheus is told. The names are API: dashboards and alarms are built on them. */
import type { Pool } from "pg";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Clock } from "../base/clock.ts";
import { DRIFT_KINDS } from "../domain/drift.ts";
import type { Grant } from "../domain/grant.ts";
import type { Db } from "../store/db.ts";
import { type DriftFigures, driftFigures } from "../store/drift.ts";
import { countGrants, type Figures, readFigures, revokingSinceMs } from "../store/figures.ts";

/** The store is asked at most this often, however many ask us. */
const KEPT_MS = 1_000;
/** Counting all grants takes longer the more there are: it may take a hundredth of the store's time, and is not repeated sooner. */
const COUNTING_SHARE = 100;
const STORE_ANSWERS_WITHIN_MS = 3_000;
const GRANT_STATES = ["scheduled", "provisioning", "active", "revoking", "revoked", "cancelled", "failed"];

export type MetricsSource = {
  readonly db: Db;
  readonly pool: Pick<Pool, "totalCount" | "idleCount" | "waitingCount">;
  readonly reconciler: () => {
    readonly running: boolean;
    readonly lastTickMs: number | null;
    readonly inFlight: number;
  };
  readonly clock: Clock;
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
  answered(answer: Answered): void;
  performed(action: Performed): void;
  /** A grant was closed with proof by this process. */
  closed(grant: Grant): Promise<void>;
  streams(change: 1 | -1): void;
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

type Counts = Awaited<ReturnType<typeof countGrants>>;
type Seen = { readonly figures: Figures; readonly counts: Counts; readonly drift: DriftFigures };

/** What is read when somebody asks. */
function ledgerIn(registry: Registry, source: MetricsSource) {
  const gauge = (name: string, help: string, ...labelNames: string[]) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
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

  const showDrift = driftIn(gauge);

  function show(seen: Seen | null): void {
    up.set(seen === null ? 0 : 1);
    const { grants, ...single } = ofStore;
    grants.reset();
    showDrift(seen?.drift ?? null);
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

  let counted: { readonly counts: Counts; readonly untilMs: number } | null = null;
  async function read(clock: Clock): Promise<Seen> {
    const figures = await readFigures(source.db);
    const startMs = clock.monotonicMs();
    if (counted === null || startMs >= counted.untilMs) {
      const counts = await countGrants(source.db);
      const endMs = clock.monotonicMs();
      counted = { counts, untilMs: endMs + (endMs - startMs) * COUNTING_SHARE };
    }
    return { figures, counts: counted.counts, drift: await driftFigures(source.db) };
  }

  let last: { readonly atMs: number; readonly done: Promise<void> } | null = null;
  return {
    refresh(): Promise<void> {
      const nowMs = source.clock.monotonicMs();
      if (last === null || nowMs - last.atMs >= KEPT_MS)
        last = { atMs: nowMs, done: inTime(read(source.clock)).then(show) };
      return last.done;
    },
  };
}

type MakeGauge = (name: string, help: string, ...labelNames: string[]) => Gauge;

/** What sweeps found, and how old that is. A target that was never seen is infinitely old: no finding there means nothing. */
function driftIn(gauge: MakeGauge): (drift: DriftFigures | null) => void {
  const findings = gauge("tidegate_drift_findings", "Open findings of sweeps.", "resource", "kind");
  const age = gauge("tidegate_drift_sweep_age_seconds", "Since the target was last seen whole.", "resource");
  return (drift) => {
    findings.reset();
    age.reset();
    for (const { resource, ageSeconds } of drift?.sweeps ?? []) {
      age.set({ resource }, ageSeconds ?? Number.POSITIVE_INFINITY);
      for (const kind of DRIFT_KINDS) findings.set({ resource, kind }, 0);
    }
    for (const { resource, kind, count } of drift?.findings ?? []) findings.set({ resource, kind }, count);
  };
}

/** The figures, or null where the store does not give them, or not in time. */
async function inTime(asked: Promise<Seen>): Promise<Seen | null> {
  const { promise: late, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), STORE_ANSWERS_WITHIN_MS);
  try {
    return await Promise.race([asked.catch(() => null), late]);
  } finally {
    clearTimeout(timer);
  }
}
