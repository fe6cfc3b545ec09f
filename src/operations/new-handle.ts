import type { Configuration } from "../domain/configuration.ts";
import { handlesIn, NO_SOURCES } from "../domain/fact-sources.ts";
import { freeHandle } from "../domain/identity.ts";
import { findByHandle } from "../store/principals.ts";
import { holdName } from "../store/scim.ts";
import type { SqlTx } from "../store/sql-ledger.ts";

/** Everything that names people, as one text; made once for a configuration. */
const texts = new WeakMap<Configuration, string>();

function textOf(configuration: Configuration): string {
  const { principals, policies, resources, facts = NO_SOURCES } = configuration;
  const owners = Object.values(resources).map((resource) => resource.owners);
  const text = texts.get(configuration) ?? JSON.stringify({ principals, policies, owners, onCall: handlesIn(facts) });
  texts.set(configuration, text);
  return text;
}

/** The handle, or with a number where somebody has it, or the configuration names it: that is nobody's to take by calling themselves so. */
export async function newHandle(tx: SqlTx, configuration: Configuration, wanted: string): Promise<string> {
  // Two who would be called the same come one after the other.
  await holdName(tx.sql, `handle ${wanted}`);
  const taken = new Set<string>();
  for (let handle = wanted; ; handle = freeHandle(wanted, (one) => taken.has(one))) {
    if (mayBeCalled(configuration, handle) && (await findByHandle(tx.sql, handle)) === null) return handle;
    taken.add(handle);
  }
}

/** What the configuration names is nobody's to take. */
export const mayBeCalled = (configuration: Configuration, handle: string): boolean =>
  !new RegExp(`(?<![a-z0-9_.-])${handle.replaceAll(".", "\\.")}(?![a-z0-9_-])`).test(textOf(configuration));
