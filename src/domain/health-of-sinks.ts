/** The checks of where the audit log goes outside, and of how long it stays. */
import { bad, green, levelAt, many, seconds } from "./health-check.ts";
import { type HealthCheck, type LedgerFacts, THRESHOLDS } from "./health-facts.ts";

/** A sink that takes a fifth of the time that it has is one to look at. */
const EARLY = 5;

/** One for each sink; one that is green where there is none. */
export function sinkChecks({ sinks }: Pick<LedgerFacts, "sinks">, nowMs: number): HealthCheck[] {
  if (sinks.length === 0) return [green("sink", "The log is sent nowhere.")];
  return sinks.map(({ sink: { name, withinMs, holdsUp }, facts }) => {
    if (facts === null) return green("sink", `${name} begins.`, name);
    const { position, waiting, lagMs, lastError } = facts;
    const level = levelAt(lagMs, { yellow: withinMs / EARLY, red: withinMs });
    if (level === "green") return green("sink", `${name} has the log up to ${position}.`, name);
    const held =
      level === "yellow" || holdsUp === "nothing"
        ? ""
        : ` Nothing new is granted${holdsUp === "ordinary" ? " but emergencies" : ""} until it has.`;
    const says = `${name} has the log up to ${position}; ${many(waiting, "entry waits", "entries wait")}, the first for ${seconds(lagMs)} (${lastError ?? "nothing failed"}).${held}`;
    const todo = "Mend the receiver, or the sink under audit: in the configuration. It goes on where it was.";
    return bad("sink", nowMs, { level, says, ageMs: lagMs, todo, runbook: "tidegateauditsinklate" }, name);
  });
}

/** One for each anchor; one that is green where there is none. */
export function anchorChecks({ anchors }: Pick<LedgerFacts, "anchors">, nowMs: number): HealthCheck[] {
  if (anchors.length === 0) return [green("anchor", "The log is anchored nowhere.")];
  return anchors.map(({ anchor: { name, everyMs, withinMs }, facts }) => {
    if (facts === null) return green("anchor", `${name} begins.`, name);
    const { size, ageMs, lastError } = facts;
    const says = `Anchored at ${name} to size ${size}, age ${seconds(ageMs)}`;
    // What fails when it is due is told then, and not days later: the first time is the one that is set up wrongly.
    const yellow = lastError === null ? withinMs / 2 : size === 0 ? 0 : Math.min(everyMs, withinMs / 2);
    const level = levelAt(ageMs, { yellow, red: withinMs });
    if (level === "green") return green("anchor", `${says}.`, name);
    const todo = "Mend what is at the other end, or the anchor under audit: in the configuration.";
    const more = { level, says: `${says} (${lastError ?? "nothing failed"}).`, ageMs, todo };
    return bad("anchor", nowMs, { ...more, runbook: "tidegateanchorstale" }, name);
  });
}

export function retentionCheck({ retention }: Pick<LedgerFacts, "retention">, nowMs: number): HealthCheck {
  if (retention === null) return green("retention", "The log is kept for ever.");
  const { droppedTo, overdueMs: ageMs, lagging } = retention;
  const says = droppedTo === 0 ? "Nothing of the log is dropped" : `The log up to position ${droppedTo} is dropped`;
  const level = levelAt(ageMs, THRESHOLDS.retention);
  const late = ageMs > 0 && lagging.length > 0 ? `; ${lagging.join(" and ")} must have the rest first` : "";
  if (level === "green") return green("retention", `${says}${late}.`);
  const why = late || "; something of what comes next is not over: a request, a grant, a review, a panic, a finding";
  const todo = "Mend the sink or anchor, or end what is open.";
  return bad("retention", nowMs, { level, says: `${says}${why}.`, ageMs, todo, runbook: "retention" });
}
