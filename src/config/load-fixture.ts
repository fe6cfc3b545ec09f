/** What a text says as a configuration, for tests of what is read from it. */
import assert from "node:assert/strict";
import type { Configuration } from "../domain/configuration.ts";
import { fakeConnectors } from "./fake-connector.ts";
import { loadConfiguration } from "./load-configuration.ts";

type Env = Readonly<Record<string, string>>;

export const loadText = (text: string, env: Env) =>
  loadConfiguration({ path: "tidegate.yaml", text, connectors: fakeConnectors, env });

export function configurationIn(text: string, env: Env): Configuration {
  const found = loadText(text, env);
  assert.ok(found.ok, JSON.stringify(found));
  return found.configuration;
}
