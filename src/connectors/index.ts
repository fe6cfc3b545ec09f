import type { Connector } from "../connector/connector.ts";
import { loadConnectors } from "./load-connectors.ts";
import { memory } from "./memory.ts";
import { postgres } from "./postgres/postgres.ts";

/** Every connector that comes with Tidegate; a new one is added here and nowhere else. */
const included: readonly Connector[] = [postgres, memory];

/** Those, and the operator's own. */
export const connectors: readonly Connector[] = [
  ...included,
  ...(await loadConnectors(process.env["TIDEGATE_CONNECTORS"], included)),
];

export const connectorsByKind: ReadonlyMap<string, Connector> = new Map(
  connectors.map((connector) => [connector.kind, connector]),
);
