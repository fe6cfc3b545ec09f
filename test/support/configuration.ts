/** Builds valid configurations for tests: directories of the memory connector, people and rules. */
import { randomBytes } from "node:crypto";
import { hashOf } from "../../src/base/hash.ts";
import { memory } from "../../src/connectors/memory.ts";
import type { Configuration, DeclaredPrincipal } from "../../src/domain/configuration.ts";
import { type Entitlement, entitlementRef } from "../../src/domain/entitlement.ts";
import type { ApproveRule, DenyRule, Rule, Source, Step } from "../../src/domain/policy.ts";
import type { Resource } from "../../src/domain/resource.ts";

const HOUR_MS = 3_600_000;

/** A name that no other test uses: directories of the memory connector are shared by the whole process. */
export const freshName = (what: string): string => `${what}-${randomBytes(4).toString("hex")}`;

export const person = (
  handle: string,
  more: Partial<Omit<DeclaredPrincipal, "handle">> = {},
): DeclaredPrincipal & { handle: string } => ({
  kind: "user",
  handle,
  name: `${handle.charAt(0).toUpperCase()}${handle.slice(1)}`,
  email: `${handle}@example.test`,
  type: "employee",
  groups: [],
  roles: [],
  onCallTier: 0,
  active: true,
  tokens: [],
  ...more,
});

export type WantedEntitlement = {
  readonly group: string;
  readonly maxDurationMs?: number;
  readonly narrower?: readonly string[];
};

/** A resource of the memory connector; its entitlements are groups of the directory. */
export function directoryResource(
  name: string,
  directory: string,
  entitlements: Readonly<Record<string, WantedEntitlement>>,
  more: Partial<Pick<Resource, "connector" | "labels" | "owners" | "title">> = {},
): Resource {
  const connector = more.connector ?? memory.kind;
  const made = Object.entries(entitlements).map(([key, wanted]): [string, Entitlement] => {
    const scope = { group: wanted.group };
    return [
      key,
      {
        ref: entitlementRef(name, key),
        resource: name,
        name: key,
        title: key,
        risk: "low",
        maxDurationMs: wanted.maxDurationMs ?? 8 * HOUR_MS,
        scope,
        scopeHash: hashOf({ connector, scope }),
        narrower: wanted.narrower ?? [],
        describe: memory.describe(scope),
      },
    ];
  });
  return {
    name,
    connector,
    title: name,
    labels: {},
    owners: [],
    connection: { directory },
    entitlements: Object.fromEntries(made),
    ...more,
  };
}

export const automatically = (name: string, more: Partial<Omit<ApproveRule, "kind" | "name">> = {}): ApproveRule => ({
  kind: "approve",
  name,
  when: null,
  approve: "automatically",
  maxDurationMs: null,
  ticketRequired: false,
  reasonMinLength: null,
  ...more,
});

/** A rule that asks for people: `needs("two", ["group:leads"], ["group:security"])` is one of each. */
export const needs = (name: string, ...steps: readonly (readonly Source[] | Step)[]): ApproveRule =>
  automatically(name, { approve: steps.map((step) => ("by" in step ? step : { by: step, count: 1 })) });

export const denies = (name: string, condition: string): DenyRule => ({ kind: "deny", name, condition });

export type WantedConfiguration = {
  readonly resources: readonly Resource[];
  readonly principals: readonly DeclaredPrincipal[];
  readonly policies: readonly Rule[];
  readonly defaults?: Partial<Configuration["defaults"]>;
  readonly facts?: Configuration["facts"];
};

export const configuration = (wanted: WantedConfiguration): Configuration => ({
  version: 1,
  resources: Object.fromEntries(wanted.resources.map((resource) => [resource.name, resource])),
  policies: wanted.policies,
  tests: [],
  principals: wanted.principals,
  ...(wanted.facts === undefined ? {} : { facts: wanted.facts }),
  defaults: { requestExpiresAfterMs: 24 * HOUR_MS, activateWithinMs: HOUR_MS, ...wanted.defaults },
});
