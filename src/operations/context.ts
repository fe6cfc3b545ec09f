import type { InstallationId } from "../base/ids.ts";
import { compilePolicy, type Policy } from "../domain/evaluate.ts";
import type { ConfigVersion } from "../store/catalog.ts";
import type { Changed } from "../store/changes.ts";
import type { Db } from "../store/db.ts";
import type { Ledger, LedgerReader, LedgerTx } from "../store/ledger.ts";
import type { KeyRing } from "../store/sealed.ts";
import type { SqlLedger } from "../store/sql-ledger.ts";

/** What an operation around grants, and the reconciler, work with: any ledger will do. */
export type LedgerContext = {
  readonly ledger: Ledger;
  readonly installation: InstallationId;
  readonly sealing: KeyRing;
  readonly catalog: CatalogCache;
  /** Tells the reconciler of this process that something is due; the others hear it from the store. */
  readonly wake: (changed?: Changed) => void;
};

/** What every operation works with: the ledger in PostgreSQL, and PostgreSQL itself for what is read to be shown. */
export type Context = LedgerContext & { readonly db: Db; readonly ledger: SqlLedger };

/** A configuration with its policy compiled. */
export type Catalog = ConfigVersion & { readonly policy: Policy };

/** Compiles each version once. Which one is active is read from the store, in the transaction that uses it. */
export class CatalogCache {
  readonly #compiled = new Map<number, Catalog>();
  readonly #compile: typeof compilePolicy;

  constructor(compile = compilePolicy) {
    this.#compile = compile;
  }

  /** The active configuration; null before the first one was activated. */
  async active(ledger: Pick<LedgerReader, "activeVersion" | "activeConfig">): Promise<Catalog | null> {
    return this.#ofVersion(await ledger.activeVersion(), ledger);
  }

  /** The active one, where its id was read in one look with something else. */
  async withId(id: number | null, ledger: Pick<LedgerReader, "activeConfig">): Promise<Catalog | null> {
    return this.#ofVersion(id, ledger);
  }

  /** The same, and no other becomes active before the transaction ends: whoever activates one then sees what was decided by this. */
  async held(tx: LedgerTx): Promise<Catalog | null> {
    return this.#ofVersion(await tx.holdConfig(), tx);
  }

  async #ofVersion(current: number | null, ledger: Pick<LedgerReader, "activeConfig">): Promise<Catalog | null> {
    if (current === null) return null;
    const known = this.#compiled.get(current);
    if (known !== undefined) return known;
    const version = await ledger.activeConfig();
    return version === null ? null : this.add(version);
  }

  add(version: ConfigVersion): Catalog {
    const catalog = { ...version, policy: this.#compile(version.configuration) };
    this.#compiled.set(version.id, catalog);
    return catalog;
  }
}
