import type { PrincipalId } from "../base/ids.ts";
import { isEligible } from "../domain/approvers.ts";
import { hasRole, type Principal, sourcesOf } from "../domain/principal.ts";
import type { Catalog } from "../operations/context.ts";
import type { Place, Viewer } from "../store/visible.ts";

const NOBODY = "" as PrincipalId;

/** Somebody who looks, by the configuration that holds now. `standsFor` are those who are away and named them. */
export function viewerOf(principal: Principal, catalog: Catalog, standsFor: readonly Principal[] = []): Viewer {
  const approves = principal.active && principal.kind === "user";
  const resources = Object.values(catalog.configuration.resources);
  const placeOf = (who: Principal, notFor: readonly PrincipalId[]): Place => ({
    notFor: [principal.id, ...notFor],
    sources: sourcesOf(who),
    owned: resources
      .filter((resource) => isEligible(who, { by: ["owners"] }, resource, NOBODY))
      .map((resource) => resource.name),
  });
  return {
    principal,
    places: approves
      ? [
          placeOf(principal, []),
          ...standsFor.map((one) => placeOf(one, [one.id, ...(one.away ? [one.away.setBy] : [])])),
        ]
      : [],
    standsFor,
    seesAll: hasRole(principal, "admin", "auditor", "operator"),
  };
}
