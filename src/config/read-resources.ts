/** `resources:` — what there is in production, how to reach it, and what may be asked for on it. */

import type { JsonObject } from "../base/canonical.ts";
import { hashOf } from "../base/hash.ts";
import { suggest } from "../base/nearest.ts";
import type { Connector } from "../connector/connector.ts";
import { DRIFT_POLICIES } from "../domain/drift.ts";
import { type Entitlement, entitlementRef, RISKS } from "../domain/entitlement.ts";
import type { Source } from "../domain/policy.ts";
import type { Resource } from "../domain/resource.ts";
import { FORMAT } from "./format.ts";
import { EMERGENCY_SWITCH, keysOf, LABEL_CHARS_MAX, TITLE_CHARS_MAX } from "./format-words.ts";
import { reportIssues } from "./issues.ts";
import { readConnection } from "./read-connection.ts";
import { readSources } from "./read-sources.ts";
import type { Reading, Value } from "./reading.ts";
import type { ReferenceSources } from "./references.ts";

export type Connectors = ReadonlyMap<string, Connector>;

/** The resources that could be read; owners carry their place for the warnings that need to know everybody. */
export function readResources(
  reading: Reading,
  value: Value,
  connectors: Connectors,
  sources: ReferenceSources,
): Record<string, Resource> {
  const resources: Record<string, Resource> = {};
  for (const [name, member] of reading.named(value, "a resource") ?? []) {
    const resource = readResource(reading, name, member, connectors, sources);
    if (resource !== null) resources[name] = resource;
  }
  return resources;
}

function readResource(
  reading: Reading,
  name: string,
  value: Value,
  connectors: Connectors,
  sources: ReferenceSources,
): Resource | null {
  const fields = reading.fields(value, keysOf(FORMAT.resource));
  if (fields === null) return null;
  const kindValue = fields.required("connector");
  const kind = kindValue && reading.text(kindValue);
  const connector = kind === null ? undefined : connectors.get(kind);
  if (kind !== null && kindValue !== null && connector === undefined) {
    reading.wrong(
      kindValue.tree.start,
      `${kindValue.path}: there is no connector ${kind.slice(0, 60)}`,
      suggest(kind, [...connectors.keys()], "connectors"),
    );
  }
  const titleValue = fields.optional("title");
  const title = titleValue && reading.filled(titleValue, TITLE_CHARS_MAX);
  const labelsValue = fields.optional("labels");
  const ownersValue = fields.optional("owners");
  const owners = ownersValue ? readSources(reading, ownersValue, "owners") : [];
  const connectionValue = fields.required("connection");
  const connection = connectionValue && readConnection(reading, connectionValue, connector, sources);
  const driftValue = fields.optional("drift");
  const drift = driftValue && reading.choice(driftValue, DRIFT_POLICIES);
  const emergencyValue = fields.optional("emergency");
  const emergency = emergencyValue && reading.choice(emergencyValue, EMERGENCY_SWITCH);
  const entitlementsValue = fields.required("entitlements");
  const entitlements = entitlementsValue ? readEntitlements(reading, name, entitlementsValue, connector) : {};
  return {
    name,
    connector: kind ?? "",
    title: title ?? name,
    labels: labelsValue ? readLabels(reading, labelsValue) : {},
    owners: owners as Source[],
    connection: connection ?? {},
    ...(drift === null ? {} : { drift }),
    ...(emergency === "off" ? { emergency } : {}),
    entitlements,
  };
}

function readLabels(reading: Reading, value: Value): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [name, member] of reading.named(value, "a label") ?? []) {
    // A label that cannot be read still exists: otherwise every condition that names it would be reported too.
    labels[name] = reading.text(member, LABEL_CHARS_MAX) ?? "";
  }
  return labels;
}

function readEntitlements(
  reading: Reading,
  resource: string,
  value: Value,
  connector: Connector | undefined,
): Record<string, Entitlement> {
  const members = reading.named(value, "an entitlement") ?? [];
  if (members.length === 0 && value.tree.kind === "map") {
    reading.warn(value.at, `${value.path} is empty: nothing can be asked for here`, "add an entitlement");
  }
  const read = members
    .map(([name, member]) => readEntitlement(reading, resource, name, member, connector))
    .filter((one) => one !== null);
  // A scope that was not understood is a mistake already, and must not be shown to the connector again.
  const understood = read.filter((one) => one.parsed !== null);
  const includes = (outer: ReadEntitlement, inner: ReadEntitlement): boolean =>
    connector !== undefined &&
    outer !== inner &&
    outer.parsed !== null &&
    connector.includes(outer.parsed.scope, inner.parsed?.scope);
  return Object.fromEntries(
    read.map((outer) => {
      const narrower = understood.filter((inner) => includes(outer, inner)).map((inner) => inner.entitlement.name);
      return [outer.entitlement.name, { ...outer.entitlement, narrower }];
    }),
  );
}

/** An entitlement, and its scope as the connector's own type, where it was understood. */
type ReadEntitlement = { readonly entitlement: Entitlement; readonly parsed: { readonly scope: unknown } | null };

function readEntitlement(
  reading: Reading,
  resource: string,
  name: string,
  value: Value,
  connector: Connector | undefined,
): ReadEntitlement | null {
  const fields = reading.fields(value, keysOf(FORMAT.entitlement), ["via", "activation"]);
  if (fields === null) return null;
  const titleValue = fields.optional("title");
  const riskValue = fields.optional("risk");
  const durationValue = fields.required(
    "max_duration",
    "every access ends: write the longest that may be asked for, such as 8h",
  );
  const scopeValue = fields.required("scope");
  const title = titleValue && reading.filled(titleValue, TITLE_CHARS_MAX);
  const risk = riskValue ? reading.choice(riskValue, RISKS) : "medium";
  const maxDurationMs = durationValue && reading.duration(durationValue);
  const scope = scopeValue && readScope(reading, scopeValue, connector);
  const entitlement: Entitlement = {
    ref: entitlementRef(resource, name),
    resource,
    name,
    title: title ?? name,
    risk: risk ?? "medium",
    maxDurationMs: maxDurationMs ?? 0,
    scope: scope?.stored ?? {},
    scopeHash: connector === undefined ? "" : hashOf({ connector: connector.kind, scope: scope?.stored ?? {} }),
    narrower: [],
    describe: scope?.describe ?? [],
  };
  return { entitlement, parsed: scope && { scope: scope.parsed } };
}

type ReadScope = { readonly stored: JsonObject; readonly parsed: unknown; readonly describe: readonly string[] };

/** The scope as the connector understood it, with its defaults: that is what approvals and leases bind to. */
function readScope(reading: Reading, value: Value, connector: Connector | undefined): ReadScope | null {
  if (reading.members(value) === null) return null;
  const written = reading.json(value);
  if (written === undefined || connector === undefined) return null;
  const result = connector.scope.safeParse(written);
  if (!result.success) return reportIssues(reading, value, connector.scope, result.error.issues);
  // Plain JSON: it is hashed, stored and read back, and must mean the same afterwards.
  const stored = JSON.parse(JSON.stringify(result.data)) as JsonObject;
  return { stored, parsed: result.data, describe: connector.describe(result.data) };
}
