/**
 * `tidegate target accept`: after a planned move of a target. Shows where access was given and who answers there now; with
 * a reason, the grants are bound to the one that answers. On the machine of the server, which has the connectors.
 */
import { userInfo } from "node:os";
import type { InstallationId } from "../base/ids.ts";
import { type Connectors, secretFiles } from "../config/load-configuration.ts";
import { resolveReferences } from "../config/references.ts";
import type { TargetIdentity } from "../domain/evidence.ts";
import type { Resource } from "../domain/resource.ts";
import { acceptTarget } from "../operations/accept-target.ts";
import { activeConfig } from "../store/catalog.ts";
import { findInstallation } from "../store/installation.ts";
import type { KeyEnvironment } from "../store/keys/sealing-keys.ts";
import { type BoundLease, leasesElsewhere } from "../store/leases.ts";
import { type StorePlace, withLocalStore } from "../store/local-store.ts";
import { SqlLedger } from "../store/sql-ledger.ts";
import type { CommandResult } from "./check.ts";

export type TargetAcceptOptions = StorePlace & {
  readonly resource: string;
  /** Where file references are looked up from. */
  readonly configPath: string;
  readonly connectors: Connectors;
  readonly env: KeyEnvironment;
  /** Why it was moved; without one it is only shown. */
  readonly reason: string | null;
  readonly json: boolean;
};

const ANSWERS_WITHIN_MS = 30_000;
const REASON_CHARS_MIN = 10;

export const targetAccept = (options: TargetAcceptOptions): Promise<CommandResult> =>
  withLocalStore(options, async ({ db }) => {
    const installation = await findInstallation(db);
    const resource = (await activeConfig(db))?.configuration.resources[options.resource];
    if (installation === null || resource === undefined)
      throw new Error(`There is no resource ${options.resource} in the active configuration.`);
    const seen = await whoAnswers(resource, installation, options);
    const elsewhere = await leasesElsewhere(db, resource.name, seen);
    if (elsewhere.length === 0) return said(options, seen, elsewhere, "Nothing is to be accepted.", 0);
    const no = refusal(options);
    if (no !== null) return said(options, seen, elsewhere, no, 1);
    const context = { ledger: new SqlLedger(db), installation, wake: () => undefined };
    const bound = await acceptTarget(context, {
      resource: resource.name,
      seen,
      reason: options.reason ?? "",
      osUser: userInfo().username,
    });
    const many = bound.length === 1 ? "1 grant is" : `${bound.length} grants are`;
    return said(
      options,
      seen,
      bound,
      `${many} looked for there from now on: an access that is absent there counts as gone. Whatever is left on the server of before is nobody's to see: shut that down.`,
      0,
    );
  });

async function whoAnswers(
  resource: Resource,
  installation: InstallationId,
  { connectors, env, configPath }: TargetAcceptOptions,
): Promise<TargetIdentity> {
  const connector = connectors.get(resource.connector);
  if (connector === undefined)
    throw new Error(`There is no connector ${resource.connector}: name it in TIDEGATE_CONNECTORS.`);
  const resolved = resolveReferences(resource.connection, { env, readFile: secretFiles(configPath) });
  if (!resolved.ok)
    throw new Error(`The connection of ${resource.name} needs what is missing here: ${resolved.missing.join(", ")}.`);
  const target = await connector.open(connector.connection.parse(resolved.connection), {
    signal: AbortSignal.timeout(ANSWERS_WITHIN_MS),
    actor: { installation, grant: null, fence: 0 },
  });
  try {
    return await target.identify();
  } finally {
    await target.close();
  }
}

function refusal({ reason, resource }: TargetAcceptOptions): string | null {
  if (reason === null)
    return `Nothing was changed. If you moved it there, and everything with it: tidegate target accept ${resource} --reason "what was moved, and how"`;
  if (reason.trim().length >= REASON_CHARS_MIN) return null;
  return `Nothing was changed. The reason goes into the audit log: write at least ${REASON_CHARS_MIN} characters.`;
}

const shown = ({ identity, position }: TargetIdentity): string =>
  position === null ? identity : `${identity}, at ${position}`;

function said(
  { json, resource }: TargetAcceptOptions,
  seen: TargetIdentity,
  leases: readonly BoundLease[],
  last: string,
  exitCode: CommandResult["exitCode"],
): CommandResult {
  if (json) return { exitCode, text: JSON.stringify({ resource, seen, elsewhere: leases, said: last }) };
  const lines = leases.map(
    ({ grant, state, identity, position }) => `  ${grant}  ${state.padEnd(12)}  ${shown({ identity, position })}`,
  );
  const given = leases.length === 0 ? [] : ["Access was given on:", ...lines];
  return { exitCode, text: [`${resource} answers as ${shown(seen)}.`, ...given, last].join("\n") };
}
