import type { Configuration } from "../domain/configuration.ts";
import { handlesIn, NO_SOURCES } from "../domain/fact-sources.ts";
import { freeHandle } from "../domain/identity.ts";
import { findByHandle } from "../store/principals.ts";
import { holdName } from "../store/scim.ts";
import type { SqlTx } from "../store/sql-tx.ts";

/** Every word that may name somebody, also before a dot of it; read once for a configuration. */
const words = new WeakMap<Configuration, ReadonlySet<string>>();

function wordsOf(configuration: Configuration): ReadonlySet<string> {
  const known = words.get(configuration);
  if (known !== undefined) return known;
  const { principals, policies, resources, facts = NO_SOURCES } = configuration;
  const owners = Object.values(resources).map((resource) => resource.owners);
  const text = JSON.stringify({ principals, policies, owners, onCall: handlesIn(facts) });
  const found = new Set<string>();
  for (const [word] of text.matchAll(/[a-z0-9_.-]+/g)) {
    found.add(word);
    for (const { index } of word.matchAll(/\./g)) found.add(word.slice(0, index));
  }
  words.set(configuration, found);
  return found;
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
  !wordsOf(configuration).has(handle);
