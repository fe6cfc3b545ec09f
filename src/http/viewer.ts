import type { PrincipalId } from "../base/ids.ts";
import { isEligible } from "../domain/approvers.ts";
import { hasRole, type Principal, sourcesOf } from "../domain/principal.ts";
import type { Catalog } from "../operations/context.ts";
import type { Viewer } from "../store/visible.ts";

const NOBODY = "" as PrincipalId;

/** Somebody who looks, by the configuration that holds now. */
export function viewerOf(principal: Principal, catalog: Catalog): Viewer {
  const approves = principal.active && principal.kind === "user";
  const resources = Object.values(catalog.configuration.resources);
  return {
    principal,
    sources: approves ? sourcesOf(principal) : [],
    owned: resources
      .filter((resource) => isEligible(principal, { by: ["owners"], count: 1 }, resource, NOBODY))
      .map((resource) => resource.name),
    seesAll: hasRole(principal, "admin", "auditor", "operator"),
  };
}
