import { loadConfiguration } from "../config/load-configuration.ts";
import { showMistake } from "../config/mistake.ts";
import type { Ruleset } from "../domain/policy-replay.ts";
import type { CheckOptions } from "./check.ts";

/** The rules of a configuration on disk, with the resources that they may look at; or every mistake, as it is shown. */
export function loadRuleset(
  options: Pick<CheckOptions, "path" | "connectors" | "env">,
): { readonly ruleset: Ruleset } | { readonly mistakes: readonly string[] } {
  const loaded = loadConfiguration(options);
  return loaded.ok
    ? { ruleset: loaded.configuration }
    : { mistakes: loaded.mistakes.map((one) => showMistake(one, "error")) };
}
