import type { Connector } from "../connector/connector.ts";
import { memory } from "./memory.ts";
import { postgres } from "./postgres/postgres.ts";

/** Every connector there is; a new one is added here and nowhere else. */
export const connectors: readonly Connector[] = [postgres, memory];

export const connectorsByKind: ReadonlyMap<string, Connector> = new Map(
  connectors.map((connector) => [connector.kind, connector]),
);
