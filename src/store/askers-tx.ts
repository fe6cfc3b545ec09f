/**
 * A transaction that holds those who ask from its start, and may be shared by several operations: who is sought is looked up
 * once, and what they write goes in one statement, once anything is asked of the store or all of them are done.
 */
import { defined } from "../base/assert.ts";
import type { InstallationId, PrincipalId } from "../base/ids.ts";
import type { Sought } from "../domain/candidates.ts";
import type { Principal } from "../domain/principal.ts";
import type { Tx } from "./db.ts";
import type { HeldAsker } from "./in-force.ts";
import { SqlTx } from "./sql-tx.ts";
import { joined, type Rows, rowsOf, type Written, writeRows } from "./write-changes.ts";

export class AskersTx extends SqlTx {
  readonly #held: ReadonlyMap<PrincipalId, HeldAsker>;
  readonly #found = new Map<string, Promise<Principal[]>>();
  #putOff: Rows | null = null;
  readonly #writing: Promise<void>[] = [];

  constructor(tx: Tx, held: ReadonlyMap<PrincipalId, HeldAsker>) {
    super(tx);
    this.#held = held;
  }

  /** Whatever is asked of the store sees what was put off: that is sent to it before. */
  override get sql(): Tx {
    this.#send();
    return super.sql;
  }

  #send(): void {
    const rows = this.#putOff;
    this.#putOff = null;
    if (rows === null) return;
    const writing = writeRows(super.sql, rows);
    writing.catch(() => undefined);
    this.#writing.push(writing);
  }

  override async write(installation: InstallationId, written: Written, nowMs: number): Promise<void> {
    const rows = rowsOf(installation, written, nowMs);
    const all = this.#putOff === null ? rows : joined(this.#putOff, rows);
    if (all === null) this.#send();
    this.#putOff = all ?? rows;
  }

  /** Once all of it was sent. */
  async written(): Promise<void> {
    this.#send();
    await Promise.all(this.#writing.splice(0));
  }

  override async holdAsker(id: PrincipalId): Promise<HeldAsker> {
    return defined(this.#held.get(id), "whoever the transaction is for");
  }

  override candidatesFor(sought: Sought): Promise<Principal[]> {
    const key = JSON.stringify(sought);
    const found = this.#found.get(key) ?? super.candidatesFor(sought);
    this.#found.set(key, found);
    return found;
  }
}
