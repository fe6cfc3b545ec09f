/** The checks of what the store knows. */
import { bad, green, levelAt, many, seconds, worst } from "./health-check.ts";
import {
  DRIFT_ALARMS,
  DRIFT_HARMLESS,
  type HealthCheck,
  type HealthFacts,
  type LedgerFacts,
  type Level,
  SWEEP_AGE_MS_MAX,
  type TargetTrouble,
  THRESHOLDS,
  UNREACHED,
} from "./health-facts.ts";
import { anchorChecks, retentionCheck, sinkChecks } from "./health-of-sinks.ts";

export function ledgerChecks(ledger: LedgerFacts, facts: HealthFacts): HealthCheck[] {
  const { nowMs } = facts;
  return [
    quarantineCheck(ledger, nowMs),
    overdueCheck(ledger, nowMs),
    ...targetChecks(ledger, facts),
    secondLookCheck(ledger, nowMs),
    cleanUpCheck(ledger, nowMs),
    driftCheck(ledger, nowMs),
    panicCheck(ledger, nowMs),
    emergencyCheck(ledger, nowMs),
    logCheck(ledger, facts),
    ...sinkChecks(ledger, nowMs),
    ...anchorChecks(ledger, nowMs),
    retentionCheck(ledger, nowMs),
    messageCheck(ledger, nowMs),
    tokenCheck(ledger, nowMs),
  ];
}

function quarantineCheck({ quarantine }: LedgerFacts, nowMs: number): HealthCheck {
  if (quarantine === null) return green("quarantine", "The store is in no quarantine.");
  return bad("quarantine", nowMs, {
    level: "red",
    says: `The store is in quarantine, and nothing is given to anybody: ${quarantine.why}.`,
    ageMs: quarantine.ageMs,
    todo: 'Run "tidegate recover" on the server.',
    runbook: "tidegatequarantine",
  });
}

function overdueCheck({ overdue: { count, oldestMs } }: LedgerFacts, nowMs: number): HealthCheck {
  const level = levelAt(oldestMs, THRESHOLDS.overdue);
  if (level === "green") return green("overdue", "No access outlives its end.");
  return bad("overdue", nowMs, {
    level,
    says: `${many(count, "grant is", "grants are")} revoking, still live: access may work ${seconds(oldestMs)} past its end.`,
    ageMs: oldestMs,
    todo: "See which, and why: tidegate grants list --state revoking",
    runbook: "tidegateaccessoverdue",
  });
}

function targetChecks({ targets }: LedgerFacts, { nowMs, reconciler: { silent } }: HealthFacts): HealthCheck[] {
  return targets.map(({ resource, troubles }) => {
    const unreached = troubles.filter(({ code }) => UNREACHED.has(code));
    const others = troubles.filter(({ code }) => !UNREACHED.has(code));
    const todo = `See why: tidegate grants list --resource ${resource}`;
    const away = levelOfTroubles(unreached, THRESHOLDS.targetUnreached);
    // What this process saw counts as long as the ledger agrees: another may have reached the target since.
    const isSilent = silent.includes(resource) && unreached.length > 0;
    if (away !== "green" || isSilent) {
      const isMoved = unreached.some(({ code }) => code === "moved");
      const says = `${resource} ${howUnreached(unreached)}${told(unreached)}.`;
      const ageMs = oldest(unreached);
      const runbook = isMoved ? "tidegatetargetmoved" : "tidegatetargetdown";
      return bad("target", nowMs, { level: worst([away, "yellow"]), says, ageMs, todo, runbook }, resource);
    }
    const level = levelOfTroubles(others, THRESHOLDS.targetTrouble);
    if (level === "green") return green("target", `${resource}: nothing went wrong there lately.`, resource);
    const codes = others.map(({ code }) => code).join(", ");
    const says = `${resource} answers, and something keeps work there from going on (${codes})${told(others)}.`;
    return bad(
      "target",
      nowMs,
      { level, says, ageMs: oldest(others), todo, runbook: "tidegatetargettrouble" },
      resource,
    );
  });
}

function howUnreached(troubles: readonly TargetTrouble[]): string {
  const codes = troubles.map(({ code }) => code);
  if (codes.includes("moved")) return "leads to another server, or to an older copy of the recorded one";
  return codes.includes("cannot-sign-in") ? "does not let Tidegate sign in" : "does not answer";
}

const oldest = (troubles: readonly TargetTrouble[]): number | null =>
  troubles.length === 0 ? null : Math.max(...troubles.map(({ ageMs }) => ageMs));
const levelOfTroubles = (troubles: readonly TargetTrouble[], threshold: { yellow: number; red: number }): Level =>
  levelAt(oldest(troubles) ?? 0, threshold);

function told(troubles: readonly TargetTrouble[]): string {
  if (troubles.length === 0) return "";
  const grants = troubles.reduce((sum, one) => sum + one.grants, 0);
  const attempts = Math.max(...troubles.map((one) => one.attempts));
  return `: ${many(grants, "grant waits", "grants wait")}, tried up to ${many(attempts, "time")}`;
}

function secondLookCheck({ lateLooks: { count, oldestMs } }: LedgerFacts, nowMs: number): HealthCheck {
  const level = levelAt(oldestMs, THRESHOLDS.secondLook);
  if (level === "green") return green("second-looks", "Every second look was done in time.");
  return bad("second-looks", nowMs, {
    level,
    says: `${many(count, "second look is", "second looks are")} late: a probe saw that access was gone, and nobody has confirmed it.`,
    ageMs: oldestMs,
    todo: "Look at the targets, above all at those that are not green here.",
    runbook: "tidegatesecondlooklate",
  });
}

function cleanUpCheck({ cleanUps: { count, oldestMs } }: LedgerFacts, nowMs: number): HealthCheck {
  const level = levelAt(oldestMs, THRESHOLDS.cleanUp);
  if (level === "green") return green("clean-up", "Nothing waits to be cleaned up.");
  return bad("clean-up", nowMs, {
    level,
    says: `Access of ${many(count, "grant")} is gone, and something of it is left that could not be cleaned up.`,
    ageMs: oldestMs,
    todo: "The trouble of each says what to run: tidegate grants list --state revoking",
    runbook: "tidegatecleanuppending",
  });
}

function driftCheck({ drift: { findings, sweeps } }: LedgerFacts, nowMs: number): HealthCheck {
  const open = findings.filter(({ kind }) => !DRIFT_HARMLESS.has(kind));
  const unseen = sweeps.filter(({ ageSeconds }) => ageSeconds === null || ageSeconds * 1_000 > SWEEP_AGE_MS_MAX);
  if (open.length > 0) {
    const count = open.reduce((sum, one) => sum + one.count, 0);
    const where = [...new Set(open.map(({ resource, kind }) => `${kind} on ${resource}`))].join(", ");
    const level = open.some(({ kind }) => DRIFT_ALARMS.has(kind)) ? "red" : "yellow";
    const says = `Targets differ from the ledger in ${many(count, "thing")}: ${where}.`;
    return bad("drift", nowMs, {
      level,
      says,
      todo: "See each, and what to do: tidegate drift",
      runbook: "tidegatedriftfound",
    });
  }
  if (unseen.length === 0) return green("drift", "No target differs from the ledger.");
  const says = `Not seen whole for half an hour, or never: ${unseen.map(({ resource }) => resource).join(", ")}.`;
  const todo = "See why its sweep fails: tidegate drift";
  return bad("drift", nowMs, { level: "yellow", says, todo, runbook: "tidegatesweepstale" });
}

function panicCheck({ panics: { count, oldestMs } }: LedgerFacts, nowMs: number): HealthCheck {
  if (count === 0) return green("panics", "No panic is in force.");
  return bad("panics", nowMs, {
    level: "yellow",
    says: `${many(count, "panic is", "panics are")} in force: nothing new is given there.`,
    ageMs: oldestMs,
    todo: "When it is over, an admin lifts it: tidegate panic list",
    runbook: "tidegatepanicinforce",
  });
}

function emergencyCheck({ emergencies: { open, overdue } }: LedgerFacts, nowMs: number): HealthCheck {
  if (overdue.count === 0) {
    const waiting = open === 0 ? "No emergency waits" : many(open, "emergency waits", "emergencies wait");
    return green("emergencies", `${waiting} for its review${open === 0 ? "" : ", none too long"}.`);
  }
  return bad("emergencies", nowMs, {
    level: "yellow",
    says: `${many(overdue.count, "emergency was", "emergencies were")} not reviewed in time: access was taken without approval, and nobody has looked at it.`,
    ageMs: overdue.oldestMs,
    todo: "See which, and who may review each: tidegate emergencies list --state overdue",
    runbook: "tidegateemergencyreviewoverdue",
  });
}

function logCheck(
  { unsequenced: { count, oldestMs, stray } }: LedgerFacts,
  { nowMs, headAgeMs }: HealthFacts,
): HealthCheck {
  if (stray !== null) {
    const says = `The log has a stray before it: ${stray} waits for a position and is no entry. Tidegate writes no such row.`;
    const todo = "Find out who writes into the store, and take it out of audit_unsequenced as its superuser.";
    return bad("log", nowMs, { level: "red", says, ageMs: oldestMs, todo, runbook: "tidegatelogbehind" });
  }
  const behind = levelAt(oldestMs, THRESHOLDS.position);
  const head = headAgeMs === null ? "yellow" : levelAt(headAgeMs, THRESHOLDS.head);
  if (behind === "green" && head === "green")
    return green("log", `The log has its positions, and its head was signed ${seconds(headAgeMs ?? 0)} ago.`);
  const level = worst([behind, head]);
  if (behind !== "green") {
    const says = `${many(count, "entry of the log waits", "entries of the log wait")} for a position for ${seconds(oldestMs)}.`;
    const todo = 'Look in the log of the server for "job failed".';
    return bad("log", nowMs, { level, says, ageMs: oldestMs, todo, runbook: "tidegatelogbehind" });
  }
  const says =
    headAgeMs === null
      ? "No signed head of the log is kept here: whether this store is the newest cannot be told."
      : `The head of the log was last signed ${seconds(headAgeMs)} ago.`;
  const todo = 'Look in the log of the server for "sign-audit-head", and at the disk of the data folder.';
  return bad("log", nowMs, { level, says, ageMs: headAgeMs, todo, runbook: "tidegateheadstale" });
}

function tokenCheck({ endingTokens }: LedgerFacts, nowMs: number): HealthCheck {
  if (endingTokens === 0) return green("tokens", "No token of a service ends within a week.");
  return bad("tokens", nowMs, {
    level: "yellow",
    says: `${many(endingTokens, "token of a service ends", "tokens of services end")} within a week.`,
    todo: "Make new ones, put their hashes into the configuration, and hand them out.",
    runbook: "tidegatetokensending",
  });
}

function messageCheck({ channels }: LedgerFacts, nowMs: number): HealthCheck {
  const late = channels.filter(({ oldestMs }) => levelAt(oldestMs, THRESHOLDS.message) !== "green");
  if (late.length === 0) return green("messages", "Messages go out.");
  const says = late.map(({ channel, count, lastError }) => {
    const error = lastError === null ? "no replica has tried" : lastError;
    return `${many(count, "message waits", "messages wait")} for the channel ${channel} (${error})`;
  });
  return bad("messages", nowMs, {
    level: "yellow",
    says: `${says.join("; ")}.`,
    ageMs: Math.max(...late.map(({ oldestMs }) => oldestMs)),
    todo: "Mend the receiver, or the channel in the configuration. Until then people are told by tidegate inbox only.",
    runbook: "tidegatemessageswait",
  });
}
