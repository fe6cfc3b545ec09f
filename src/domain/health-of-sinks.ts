/** The checks of where the audit log goes outside. */
import { bad, green, levelAt, many, seconds } from "./health-check.ts";
import type { HealthCheck, LedgerFacts } from "./health-facts.ts";

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
