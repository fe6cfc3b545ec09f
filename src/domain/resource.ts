import type { JsonObject } from "../base/canonical.ts";
import type { DriftPolicy } from "./drift.ts";
import type { Entitlement } from "./entitlement.ts";
import type { Source } from "./policy.ts";

/** A system in production. */
export type Resource = {
  readonly name: string;
  /** Kind of the connector that reaches it. */
  readonly connector: string;
  readonly title: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Who answers for it; `owners` in an approval step means these. Never `owners` itself. */
  readonly owners: readonly Source[];
  /** How to reach it; secrets stand here only as references (`${env:NAME}`, `${file:PATH}`). */
  readonly connection: JsonObject;
  /** What is done about drift; left out: it is reported. */
  readonly drift?: DriftPolicy;
  /** Nobody gets anything here as an emergency, whatever the rules say. */
  readonly emergency?: "off";
  readonly entitlements: Readonly<Record<string, Entitlement>>;
};
