/**
 * `tidegate doctor` beside a server: the configuration, the store, the keys, the data folder, the clock, and each target
 * with each right that its scopes need. Looks and changes nothing; the one thing it may start is the embedded store.
 */
import { allWell, type FindingGroup, findingLines } from "../../base/finding.ts";
import { type InstallationId, newInstallationId } from "../../base/ids.ts";
import type { Connectors } from "../../config/load-configuration.ts";
import type { KeyEnvironment } from "../../store/keys/sealing-keys.ts";
import type { StorePlace } from "../../store/local-store.ts";
import type { CommandResult } from "../check.ts";
import { checkConfiguration } from "./configuration.ts";
import { checkFactSources } from "./fact-sources.ts";
import { checkFolder } from "./folder.ts";
import { checkStore } from "./store.ts";
import { checkTargets } from "./targets.ts";

export type DoctorOptions = StorePlace & {
  readonly configPath: string;
  readonly connectors: Connectors;
  readonly env: KeyEnvironment;
  readonly json: boolean;
};

export async function doctor(options: DoctorOptions): Promise<CommandResult> {
  const { configuration, group } = checkConfiguration(options);
  const store = await checkStore(options);
  // Without a store we are nobody yet; on a target the id only names our session.
  const installation: InstallationId = store.installation ?? newInstallationId();
  const targets = configuration === null ? [] : await checkTargets(configuration, installation, options);
  const sources = configuration === null ? [] : await checkFactSources(configuration, options);
  const folder = await checkFolder(options);
  return doctorResult([group, store.group, store.keys, folder, ...targets, ...sources], options.json);
}

function doctorResult(groups: readonly FindingGroup[], json: boolean): CommandResult {
  const ok = allWell(groups);
  const text = json ? JSON.stringify({ ok, groups }, null, 2) : findingLines(groups).join("\n");
  return { exitCode: ok ? 0 : 1, text };
}
