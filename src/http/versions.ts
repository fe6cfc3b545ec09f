import type { z } from "zod";
import type { offer } from "../contract/access.ts";
import type { Configuration } from "../domain/configuration.ts";
import type { Entitlement } from "../domain/entitlement.ts";
import { configVersion } from "../store/catalog.ts";
import type { Db } from "../store/db.ts";

export type Offer = z.infer<typeof offer>;

const KEPT_MAX = 20;

/** What an entitlement was when it was asked for or granted: a configuration edited later does not change what is read here. */
export class Versions {
  readonly #db: Db;
  readonly #kept = new Map<number, Configuration>();

  constructor(db: Db) {
    this.#db = db;
  }

  /** Loads these versions; the answer tells an entitlement of one of them, by the scope that it must have. */
  async load(
    ids: readonly number[],
    active: Configuration,
  ): Promise<(ref: string, scopeHash: string, version: number) => Offer> {
    const loaded = new Map<number, Configuration>();
    for (const id of new Set(ids)) {
      const configuration = await this.#get(id);
      if (configuration !== null) loaded.set(id, configuration);
    }
    return (ref, scopeHash, version) => {
      const then = entitlementIn(loaded.get(version), ref);
      const now = entitlementIn(active, ref);
      const found = [then, now].find((entitlement) => entitlement?.scopeHash === scopeHash) ?? then ?? now;
      return found === undefined ? { entitlement: ref, title: ref, risk: "high", describe: [] } : toOffer(found);
    };
  }

  async #get(id: number): Promise<Configuration | null> {
    const kept = this.#kept.get(id);
    if (kept !== undefined) return kept;
    const version = await configVersion(this.#db, id);
    if (version === null) return null;
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    this.#kept.set(id, version.configuration);
    return version.configuration;
  }
}

function entitlementIn(configuration: Configuration | undefined, ref: string): Entitlement | undefined {
  const [resourceName = "", name = ""] = ref.split(":");
  const resources = configuration?.resources ?? {};
  const resource = Object.hasOwn(resources, resourceName) ? resources[resourceName] : undefined;
  return resource !== undefined && Object.hasOwn(resource.entitlements, name) ? resource.entitlements[name] : undefined;
}

export const toOffer = ({ ref, title, risk, describe }: Entitlement): Offer => ({
  entitlement: ref,
  title,
  risk,
  describe: [...describe],
});
