import type { Connector } from "../connector/connector.ts";
import { loadConnectors } from "./load-connectors.ts";
import { postgres } from "./postgres/postgres.ts";

/** Every connector that comes with Tidegate; a new one is added here and nowhere else. `memory` serves tests and documentation. */
const included: readonly Connector[] = [postgres];

/** Those that a configuration may name: ours, and the operator's own. */
const connectors = [...included, ...(await loadConnectors(process.env["TIDEGATE_CONNECTORS"], included))];

export const connectorsByKind: ReadonlyMap<string, Connector> = new Map(
  connectors.map((connector) => [connector.kind, connector]),
);
