import { refuse } from "../base/problem.ts";
import { hasRole } from "../domain/principal.ts";
import type { Handlers, ServerDeps } from "./call.ts";

/** Figures, for those who watch over Tidegate. Names of resources and how often things fail are not for everybody. */
export function metricsHandlers({ metrics }: ServerDeps): Handlers<"metrics"> {
  return {
    async read(_input, { principal }) {
      if (!hasRole(principal, "operator", "auditor", "admin"))
        return refuse("forbidden", "Only operators, auditors and admins may read the figures.");
      return { status: 200, body: await metrics.text(), headers: { "content-type": metrics.registry.contentType } };
    },
  };
}
