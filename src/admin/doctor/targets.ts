/** Each target of the configuration, all at once: what its connector finds. */
import type { Finding, FindingGroup } from "../../base/finding.ts";
import { unknown, well, wrong } from "../../base/finding.ts";
import type { InstallationId } from "../../base/ids.ts";
import { secretFiles } from "../../config/load-configuration.ts";
import { resolveReferences } from "../../config/references.ts";
import { type Connector, TargetError } from "../../connector/connector.ts";
import type { Configuration } from "../../domain/configuration.ts";
import { entitlementRef } from "../../domain/entitlement.ts";
import type { Resource } from "../../domain/resource.ts";
import type { DoctorOptions } from "./doctor.ts";

/** A target that hangs must not keep the others from being told. */
const TARGET_ANSWERS_WITHIN_MS = 30_000;

export const checkTargets = (
  { resources }: Configuration,
  installation: InstallationId,
  options: DoctorOptions,
): Promise<FindingGroup[]> =>
  Promise.all(
    Object.values(resources).map(async (resource) => ({
      title: `Target ${resource.name} (${resource.connector})`,
      findings: await findingsOf(resource, installation, options),
    })),
  );

async function findingsOf(
  resource: Resource,
  installation: InstallationId,
  { connectors, env, configPath }: DoctorOptions,
): Promise<readonly Finding[]> {
  const connector = connectors.get(resource.connector);
  if (connector === undefined)
    return [wrong("connector", `there is none of kind ${resource.connector}`, "Name it in TIDEGATE_CONNECTORS.")];
  const resolved = resolveReferences(resource.connection, { env, readFile: secretFiles(configPath) });
  if (!resolved.ok)
    return [
      wrong("secrets of its connection", resolved.missing.join(", "), "Set them here as they are set for the server."),
    ];
  const parsed = connector.connection.safeParse(resolved.connection);
  if (!parsed.success)
    return [
      wrong(
        "connection",
        parsed.error.issues.map(({ message }) => message).join("; "),
        "Mend the secret it is made of.",
      ),
    ];
  try {
    return await ask(connector, parsed.data, resource, installation);
  } catch (error) {
    if (!(error instanceof TargetError)) throw error;
    return [wrong("answers", error.message, "Mend what the message names, then run doctor again.")];
  }
}

async function ask(
  connector: Connector,
  connection: unknown,
  resource: Resource,
  installation: InstallationId,
): Promise<readonly Finding[]> {
  const context = {
    signal: AbortSignal.timeout(TARGET_ANSWERS_WITHIN_MS),
    actor: { installation, grant: null, fence: 0 },
  };
  if (connector.diagnose !== undefined) {
    const scopes = Object.entries(resource.entitlements).map(([name, { scope }]) => ({
      entitlement: entitlementRef(resource.name, name),
      scope: connector.scope.parse(scope),
    }));
    return connector.diagnose(connection, scopes, context);
  }
  const target = await connector.open(connection, context);
  try {
    const { identity } = await target.identify();
    return [well("answers", `as ${identity}`), unknown("rights", "this connector cannot tell which it needs")];
  } finally {
    await target.close();
  }
}
