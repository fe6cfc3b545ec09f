import { refuse } from "../base/problem.ts";
import type { PolicyView } from "../contract/policy.ts";
import { hasRole, readsAll } from "../domain/principal.ts";
import type { Resource } from "../domain/resource.ts";
import { configVersion } from "../store/catalog.ts";
import { recordedRequests } from "../store/recorded-requests.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { NOT_FOR_YOU, noSuchVersion } from "./config.ts";
import { nextCursor } from "./page.ts";

/** Rules and what was asked of them, for those who try other rules. */
export function policyHandlers({ context }: ServerDeps): Handlers<"policy"> {
  const { db } = context;
  return {
    async read({ query: { version } }, { principal }) {
      if (!readsAll(principal)) return NOT_FOR_YOU;
      const found =
        version === undefined ? await context.catalog.active(context.ledger) : await configVersion(db, version);
      if (found === null) return noSuchVersion(version);
      const { id, hash, configuration } = found;
      const resources = Object.fromEntries(
        Object.entries(configuration.resources).map(([name, resource]) => [name, asPolicySees(resource)]),
      );
      return {
        status: 200,
        body: { version: id, hash, resources, policies: configuration.policies.map((rule) => ({ ...rule })) },
      };
    },

    async requests({ query: { from, until, cursor, limit } }, { principal }) {
      if (!hasRole(principal, "admin", "auditor", "operator")) return NOT_YOUR_REQUESTS;
      const page = await recordedRequests(db, { fromMs: from, untilMs: until, cursor, limit });
      const requests = page.map(({ recorded }) => ({
        ...recorded,
        user: { ...recorded.user, groups: [...recorded.user.groups] },
      }));
      return { status: 200, body: { requests, next: nextCursor(page, limit) } };
    },
  };
}

const NOT_YOUR_REQUESTS = refuse(
  "forbidden",
  "What everybody asked of policy is for admins, auditors and operators. Ask one of them for an export.",
);

/** No rule looks at how a resource is reached, nor into a scope. */
function asPolicySees(stored: Resource): PolicyView["resources"][string] {
  const { connection: _, entitlements, ...resource } = stored;
  return {
    ...resource,
    entitlements: Object.fromEntries(
      Object.entries(entitlements).map(([name, { scope: _scope, ...entitlement }]) => [name, entitlement]),
    ),
  };
}
