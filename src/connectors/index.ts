import type { Connector } from "../connector/connector.ts";
import { postgres } from "./postgres/postgres.ts";

/** Every connector that a configuration may name; a new one is added here and nowhere else. `memory` serves tests and documentation. */
const connectors: readonly Connector[] = [postgres];

export const connectorsByKind: ReadonlyMap<string, Connector> = new Map(
  connectors.map((connector) => [connector.kind, connector]),
);
