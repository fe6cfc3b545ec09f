/** Figures of what keeps Tidegate from being well; the same facts as the health page's. */
import type { Gauge } from "prom-client";
import { DRIFT_KINDS } from "../domain/drift.ts";
import { worst } from "../domain/health-check.ts";
import { type Health, type HealthFacts, LEVELS, type LedgerFacts, UNREACHED } from "../domain/health-facts.ts";

export type MakeGauge = (name: string, help: string, ...labelNames: string[]) => Gauge;

/** What is not known is not told: an old figure would look like a good one. */
function set(gauge: Gauge, value: number | null): void {
  if (value === null) gauge.remove();
  else gauge.set(value);
}

export function healthGauges(gauge: MakeGauge): (facts: HealthFacts, health: Health) => void {
  const verdict = gauge("tidegate_health", "Each check of the health page: 0 green, 1 yellow, 2 red.", "check");
  const configuration = gauge(
    "tidegate_configuration_bad",
    "1 while the files are bad and the last good version goes on.",
  );
  const head = gauge("tidegate_audit_head_age_seconds", "Since the head of the log that is kept here was signed.");
  const journal = {
    age: gauge("tidegate_journal_age_seconds", "Since the journal last read what ends soon."),
    grants: gauge("tidegate_journal_grants", "Grants that the journal could shut while the store is away."),
    atWork: gauge("tidegate_journal_at_work", "1 while the store is away and the journal ends access."),
    unkept: gauge("tidegate_journal_unkept", "1 while the file of the journal cannot be kept."),
  };
  const showSources = sourceGauges(gauge);
  const showLedger = ledgerGauges(gauge);
  return (facts, { checks }) => {
    for (const check of new Set(checks.map(({ name }) => name))) {
      const level = worst(checks.filter(({ name }) => name === check).map((one) => one.level));
      verdict.set({ check }, LEVELS.indexOf(level));
    }
    configuration.set(facts.configurationTrouble === null ? 0 : 1);
    set(head, facts.headAgeMs === null ? null : facts.headAgeMs / 1_000);
    set(journal.age, facts.journal === null ? null : facts.journal.ageMs / 1_000);
    set(journal.grants, facts.journal?.grants ?? null);
    set(journal.atWork, facts.journal === null ? null : Number(facts.journal.atWork));
    set(journal.unkept, facts.journal === null ? null : Number(facts.journal.unkept));
    showSources(facts);
    showLedger(facts.ledger);
  };
}

function sourceGauges(gauge: MakeGauge): (facts: HealthFacts) => void {
  const failing = gauge(
    "tidegate_fact_source_failing",
    "1 while the last question to a source of facts failed.",
    "role",
    "source",
  );
  const age = gauge(
    "tidegate_fact_source_last_success_seconds",
    "Since a source of facts last answered; left out where it never has.",
    "role",
    "source",
  );
  const failures = gauge(
    "tidegate_fact_source_failures",
    "Questions to a source of facts that failed since this process started.",
    "role",
    "source",
    "fault",
  );
  return ({ nowMs, sources }) => {
    for (const one of [failing, age, failures]) one.reset();
    for (const { role, name: source, failing: trouble, lastSuccessMs, failures: byFault } of sources) {
      failing.set({ role, source }, trouble === null ? 0 : 1);
      if (lastSuccessMs !== null) age.set({ role, source }, Math.max(0, nowMs - lastSuccessMs) / 1_000);
      for (const [fault, count] of Object.entries(byFault)) failures.set({ role, source, fault }, count);
    }
  };
}

/** What sweeps found, and how old that is. A target that was never seen is infinitely old: no finding there means nothing. */
function driftGauges(gauge: MakeGauge): (drift: LedgerFacts["drift"] | null) => void {
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

function channelGauges(gauge: MakeGauge): (channels: LedgerFacts["channels"]) => void {
  const pending = gauge("tidegate_messages_pending", "Messages that wait to go out.", "channel");
  const oldest = gauge(
    "tidegate_messages_pending_oldest_seconds",
    "How long the oldest of them has waited.",
    "channel",
  );
  return (channels) => {
    pending.reset();
    oldest.reset();
    for (const { channel, count, oldestMs } of channels) {
      pending.set({ channel }, count);
      oldest.set({ channel }, oldestMs / 1_000);
    }
  };
}

function sinkGauges(gauge: MakeGauge): (sinks: LedgerFacts["sinks"]) => void {
  const of = (name: string, help: string): Gauge => gauge(`tidegate_audit_sink_${name}`, help, "sink");
  const position = of("position", "Up to which position a sink has the log.");
  const lag = of("lag_seconds", "How long the first entry that it has not has waited; 0 where none does.");
  const late = of("late", "1 while that is longer than the configuration says.");
  return (sinks) => {
    for (const one of [position, lag, late]) one.reset();
    for (const { sink, facts } of sinks) {
      if (facts === null) continue;
      const labels = { sink: sink.name };
      position.set(labels, facts.position);
      lag.set(labels, facts.lagMs / 1_000);
      late.set(labels, Number(facts.lagMs > sink.withinMs));
    }
  };
}

function ledgerGauges(gauge: MakeGauge): (ledger: LedgerFacts | null) => void {
  const single: readonly [Gauge, (ledger: LedgerFacts) => number][] = [
    [
      gauge("tidegate_clean_up_pending", "Grants whose access is gone and of which something is left."),
      ({ cleanUps }) => cleanUps.count,
    ],
    [
      gauge(
        "tidegate_clean_up_pending_oldest_seconds",
        "How long the oldest of them has been in trouble; 0 where none is.",
      ),
      ({ cleanUps }) => cleanUps.oldestMs / 1_000,
    ],
    [
      gauge("tidegate_second_looks_late", "Closed grants whose second look should have been done."),
      ({ lateLooks }) => lateLooks.count,
    ],
    [
      gauge("tidegate_second_looks_late_oldest_seconds", "How late the oldest of them is; 0 where none is."),
      ({ lateLooks }) => lateLooks.oldestMs / 1_000,
    ],
    [gauge("tidegate_quarantine", "1 while the store is in quarantine."), (it) => Number(it.quarantine !== null)],
    [gauge("tidegate_panics_in_force", "Panics that nobody has lifted."), ({ panics }) => panics.count],
    [
      gauge("tidegate_emergencies_open", "Emergencies that nobody has reviewed."),
      ({ emergencies }) => emergencies.open,
    ],
    [
      gauge("tidegate_emergency_reviews_overdue", "Emergencies that nobody has reviewed in time."),
      ({ emergencies }) => emergencies.overdue.count,
    ],
    [
      gauge("tidegate_emergency_reviews_overdue_oldest_seconds", "Since the oldest of them was due; 0 where none is."),
      ({ emergencies }) => emergencies.overdue.oldestMs / 1_000,
    ],
    [
      gauge("tidegate_audit_positions_behind_oldest_seconds", "How long the oldest entry waits for its position."),
      ({ unsequenced }) => unsequenced.oldestMs / 1_000,
    ],
    [gauge("tidegate_tokens_ending", "Tokens of services that end within a week."), (it) => it.endingTokens],
  ];
  const targets = {
    up: gauge(
      "tidegate_target_up",
      "1 unless what was last tried there went unanswered or was not let in.",
      "resource",
    ),
    troubled: gauge("tidegate_target_grants_in_trouble", "Grants in trouble there, by code.", "resource", "code"),
    since: gauge("tidegate_target_trouble_oldest_seconds", "Since the oldest trouble there began.", "resource"),
    attempts: gauge("tidegate_target_attempts", "The most attempts of one grant in trouble there.", "resource"),
  };
  const showDrift = driftGauges(gauge);
  const showChannels = channelGauges(gauge);
  const showSinks = sinkGauges(gauge);
  return (ledger) => {
    showDrift(ledger?.drift ?? null);
    showChannels(ledger?.channels ?? []);
    showSinks(ledger?.sinks ?? []);
    for (const [one, value] of single) set(one, ledger === null ? null : value(ledger));
    for (const one of Object.values(targets)) one.reset();
    for (const { resource, troubles } of ledger?.targets ?? []) {
      targets.up.set({ resource }, Number(!troubles.some(({ code }) => UNREACHED.has(code))));
      targets.since.set({ resource }, Math.max(0, ...troubles.map(({ ageMs }) => ageMs)) / 1_000);
      targets.attempts.set({ resource }, Math.max(0, ...troubles.map(({ attempts }) => attempts)));
      for (const { code, grants } of troubles) targets.troubled.set({ resource, code }, grants);
    }
  };
}
