import type { InstallationId } from "../base/ids.ts";
import { compilePolicy, type Policy } from "../domain/evaluate.ts";
import { activeConfig, type ConfigVersion } from "../store/catalog.ts";
import type { Db, Tx } from "../store/db.ts";
import type { KeyRing } from "../store/sealed.ts";

/** What every operation works with. */
export type Context = {
  readonly db: Db;
  readonly installation: InstallationId;
  readonly sealing: KeyRing;
  readonly catalog: CatalogCache;
  /** Tells the reconciler of this process that something is due; the others hear it from the store. */
  readonly wake: () => void;
};

/** A configuration with its policy compiled. */
export type Catalog = ConfigVersion & { readonly policy: Policy };

/** Compiles each version once. Which one is active is read from the store, in the transaction that uses it. */
export class CatalogCache {
  readonly #compiled = new Map<number, Catalog>();

  /** The active configuration; null before the first one was activated. */
  async active(db: Db | Tx): Promise<Catalog | null> {
    const current = await db.selectFrom("config_active").select("version_id").executeTakeFirst();
    if (current === undefined) return null;
    const known = this.#compiled.get(current.version_id);
    if (known !== undefined) return known;
    const version = await activeConfig(db);
    return version === null ? null : this.add(version);
  }

  /** The same, and no other becomes active before the transaction ends: whoever activates one then sees what was decided by this. */
  async held(tx: Tx): Promise<Catalog | null> {
    await tx.selectFrom("config_active").select("singleton").forShare().execute();
    return this.active(tx);
  }

  add(version: ConfigVersion): Catalog {
    const catalog = { ...version, policy: compilePolicy(version.configuration) };
    this.#compiled.set(version.id, catalog);
    return catalog;
  }
}
