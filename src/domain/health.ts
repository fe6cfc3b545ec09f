/**
 * How well Tidegate is, for those who watch over it: facts in, one list of named checks out. Pure. What turns red here is
 * what people would notice next; what turns yellow comes before that.
 */
import { bad, green, levelAt, many, seconds, worst } from "./health-check.ts";
import { CHECKS, type CheckName, type Health, type HealthCheck, type HealthFacts, THRESHOLDS } from "./health-facts.ts";
import { ledgerChecks } from "./health-of-ledger.ts";

export function healthOf(facts: HealthFacts): Health {
  const { ledger } = facts;
  const ofLedger = ledger === null ? unknown() : ledgerChecks(ledger, facts);
  const checks = [
    storeCheck(facts),
    reconcilerCheck(facts),
    configurationCheck(facts),
    ...(ledger === null ? [] : sourceChecks(facts)),
    journalCheck(facts),
    ...ofLedger,
  ];
  const order = (check: HealthCheck): number => CHECKS.indexOf(check.name);
  const sorted = checks.sort((a, b) => order(a) - order(b));
  return { level: worst(sorted.map(({ level }) => level)), atMs: facts.nowMs, checks: sorted };
}

function storeCheck({ nowMs, storeAwayMs }: HealthFacts): HealthCheck {
  if (storeAwayMs === null) return green("store", "The store answers.");
  return bad("store", nowMs, {
    level: storeAwayMs > THRESHOLDS.storeAway.red ? "red" : "yellow",
    says: "The store does not answer: nothing is decided, and only the journal ends access.",
    ageMs: storeAwayMs,
    todo: "Bring the PostgreSQL of the store back.",
    runbook: "tidegatestoreaway",
  });
}

function reconcilerCheck({ nowMs, reconciler: { running, lastLookMs }, storeAwayMs }: HealthFacts): HealthCheck {
  const stuck = { todo: "Restart this replica, and keep its log.", runbook: "tidegatereconcilerhangs" };
  if (!running) return bad("reconciler", nowMs, { level: "red", says: "The reconciler does not run.", ...stuck });
  const ageMs = lastLookMs === null ? 0 : nowMs - lastLookMs;
  const level = levelAt(ageMs, THRESHOLDS.lastLook);
  if (level === "green") return green("reconciler", "The reconciler looks for work.");
  const says = `The reconciler has not looked for work for ${seconds(ageMs)}.`;
  if (storeAwayMs === null) return bad("reconciler", nowMs, { level, says, ageMs, ...stuck });
  const { todo, runbook } = { todo: "Bring the store back: it goes on by itself.", runbook: "tidegatestoreaway" };
  return bad("reconciler", nowMs, { level, says, ageMs, todo, runbook });
}

function configurationCheck({ nowMs, configurationTrouble }: HealthFacts): HealthCheck {
  if (configurationTrouble === null) return green("configuration", "The files are in force.");
  return bad("configuration", nowMs, {
    level: "yellow",
    says: `What the files say is not in force, and the version before goes on: ${configurationTrouble}.`,
    todo: 'Run "tidegate check" on the files, and mend them; what waits to be confirmed: tidegate config waiting',
    runbook: "tidegateconfigurationbad",
  });
}

/** One for each that fails; one that is green for all the others. */
function sourceChecks({ nowMs, sources }: HealthFacts): HealthCheck[] {
  const failing = sources.flatMap(({ role, name, failing: trouble }) => {
    if (trouble === null) return [];
    const { sinceMs, why } = trouble;
    const lost = role === "oncall" ? "Who is on call is not known" : "What its tickets are is not known";
    const says = `${name} ${why}. ${lost}, and approves nothing.`;
    const todo = 'Run "tidegate doctor", and mend the service or its sign-in.';
    const more = { ageMs: nowMs - sinceMs, todo, runbook: "tidegatefactsourcefailing" };
    return [bad("facts", nowMs, { level: "yellow", says, ...more }, name)];
  });
  if (failing.length > 0) return failing;
  return [green("facts", sources.length === 0 ? "No service is asked for facts." : "Sources of facts answer.")];
}

function journalCheck({ nowMs, journal, storeAwayMs }: HealthFacts): HealthCheck {
  if (journal === null) return green("journal", "No journal is kept here.");
  const { ageMs, grants, atWork, unkept, full } = journal;
  const runbook = "tidegatejournalstale";
  const holds = `It holds ${many(grants, "grant")}`;
  if (unkept) {
    const says = `The journal's file cannot be kept. ${holds} in memory only.`;
    return bad("journal", nowMs, { level: "yellow", says, todo: "Look at the data folder's disk.", runbook });
  }
  if (full) {
    const says = `More access ends soon than the journal holds. ${holds}, the first to end.`;
    const todo = "Keep the store up: for the rest only the target's own expiry counts.";
    return bad("journal", nowMs, { level: "yellow", says, todo, runbook });
  }
  const level = levelAt(ageMs, THRESHOLDS.journal);
  if (atWork && storeAwayMs !== null) {
    const says = `The journal ends access while the store is away. ${holds}, as of ${seconds(ageMs)} ago.`;
    const todo = "Bring the store back.";
    return bad("journal", nowMs, { level: "yellow", says, ageMs, todo, runbook: "tidegatestoreaway" });
  }
  if (level === "green") return green("journal", `The journal is fresh. ${holds}.`);
  const says = `The journal has not read what ends soon for ${seconds(ageMs)}. ${holds}.`;
  return bad("journal", nowMs, { level, says, ageMs, todo: "Look for what keeps the store busy.", runbook });
}

/** What nobody can tell is not green. */
function unknown(): HealthCheck[] {
  // Which sources there are stands in the store, too.
  const names: CheckName[] = [
    "facts",
    "quarantine",
    "overdue",
    "target",
    "second-looks",
    "clean-up",
    "drift",
    "panics",
    "emergencies",
    "log",
    "sink",
    "anchor",
    "retention",
    "messages",
    "tokens",
  ];
  return names.map((name) => ({
    ...green(name, "Not known while the store does not answer."),
    ...{ level: "yellow", todo: "Bring the store back.", runbook: "tidegatestoreaway" },
  }));
}
