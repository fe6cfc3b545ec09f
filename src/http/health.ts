import { toTimestamp } from "../base/clock.ts";
import { refuse } from "../base/problem.ts";
import type { HealthView } from "../contract/health.ts";
import type { Health } from "../domain/health-facts.ts";
import { hasRole } from "../domain/principal.ts";
import type { Handlers, ServerDeps } from "./call.ts";

/** The verdict of this replica. What does not work right now is not for everybody: it tells where it is worth trying something. */
export function healthHandlers({ metrics }: ServerDeps): Handlers<"health"> {
  return {
    async read(_input, { principal }) {
      if (!hasRole(principal, "operator", "auditor", "admin"))
        return refuse("forbidden", "Only operators, auditors and admins may see how well the server is.");
      return { status: 200, body: view(await metrics.health()) };
    },
  };
}

const view = ({ level, atMs, checks }: Health): HealthView => ({
  level,
  at: toTimestamp(atMs),
  checks: checks.map(({ sinceMs, ...check }) => ({
    ...check,
    since: sinceMs === null ? null : toTimestamp(sinceMs),
  })),
});
