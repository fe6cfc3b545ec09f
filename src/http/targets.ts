import { toTimestamp } from "../base/clock.ts";
import { refuse } from "../base/problem.ts";
import { hasRole } from "../domain/principal.ts";
import { unreachableTargets } from "../store/figures.ts";
import type { Handlers, ServerDeps } from "./call.ts";

/** Targets by name. What is away right now is not for everybody: it tells where it is worth trying something. */
export function targetHandlers({ context }: ServerDeps): Handlers<"targets"> {
  return {
    async list(_input, { principal }) {
      if (!hasRole(principal, "operator", "auditor", "admin"))
        return refuse("forbidden", "Only operators, auditors and admins may see which targets answer.");
      const catalog = await context.catalog.active(context.ledger);
      const away = new Map((await unreachableTargets(context.db)).map((one) => [one.resource, one]));
      // A resource that is out of the configuration may still hold grants that must be taken back.
      const names = new Set([...Object.keys(catalog?.configuration.resources ?? {}), ...away.keys()]);
      const targets = [...names].sort().map((resource) => {
        const found = away.get(resource);
        const unreachable = found === undefined ? null : { since: toTimestamp(found.sinceMs), grants: found.grants };
        return { resource, unreachable };
      });
      return { status: 200, body: { targets } };
    },
  };
}
