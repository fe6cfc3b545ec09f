/** Rows in memory, as transactions see them: one's own writes, and of others what is committed. */

/** One kind of row. Its committed rows are in the map; what a transaction has written lies in the transaction. */
export class Table<K extends string, V> {
  readonly name: string;
  readonly rows = new Map<K, V>();

  constructor(name: string) {
    this.name = name;
  }
}

type Waiting = {
  readonly by: Writes;
  readonly share: boolean;
  readonly go: () => void;
  readonly stop: (error: Error) => void;
};
type Lock = { readonly holders: Set<Writes>; share: boolean; readonly queue: Waiting[] };

/** A transaction that lost: it met another, waited for too long, or its connection is gone. */
export class TransactionLost extends Error {
  override readonly name = "TransactionLost";
  /** It may simply go again. */
  readonly again: boolean;

  constructor(message: string, again: boolean) {
    super(message);
    this.again = again;
  }
}

/** Who holds which row, and who waits for it, first come first served. */
export class Locks {
  readonly #locks = new Map<string, Lock>();
  readonly #after: (ms: number, act: () => void) => () => void;
  readonly #timeoutMs: number;

  constructor(after: (ms: number, act: () => void) => () => void, timeoutMs: number) {
    this.#after = after;
    this.#timeoutMs = timeoutMs;
  }

  /** Whether somebody else holds it. */
  isHeld(key: string, by: Writes | null): boolean {
    const lock = this.#locks.get(key);
    return lock !== undefined && [...lock.holders].some((holder) => holder !== by);
  }

  async take(key: string, by: Writes, share = false): Promise<void> {
    if (by.over !== null) throw new TransactionLost(by.over, false);
    const lock = this.#locks.get(key) ?? { holders: new Set(), share, queue: [] };
    this.#locks.set(key, lock);
    by.held.add(key);
    if (lock.holders.has(by) && (share || (lock.holders.size === 1 && !lock.share))) return;
    if (lock.holders.has(by) && lock.holders.size === 1) {
      lock.share = false;
      return;
    }
    if (lock.holders.size === 0 || (lock.share && share && lock.queue.length === 0)) {
      lock.share = share;
      lock.holders.add(by);
      return;
    }
    if (this.#meets(lock, by, new Set())) throw new TransactionLost(`deadlock at ${key}`, true);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const inTime = this.#after(this.#timeoutMs, () =>
      waiting.stop(new TransactionLost(`lock timeout at ${key}`, false)),
    );
    const waiting: Waiting = {
      by,
      share,
      go: () => {
        inTime();
        resolve();
      },
      stop: (error) => {
        inTime();
        lock.queue.splice(lock.queue.indexOf(waiting), 1);
        reject(error);
      },
    };
    by.waiting = { key, stop: waiting.stop };
    lock.queue.push(waiting);
    await promise.finally(() => {
      by.waiting = null;
    });
  }

  releaseAll(by: Writes): void {
    for (const key of by.held) {
      const lock = this.#locks.get(key);
      if (lock === undefined) continue;
      lock.holders.delete(by);
      this.#letIn(key, lock);
    }
    by.held.clear();
  }

  #letIn(key: string, lock: Lock): void {
    for (;;) {
      const [next] = lock.queue;
      if (next === undefined) break;
      const alone = [...lock.holders].every((holder) => holder === next.by);
      if (!alone && !(next.share && lock.share)) break;
      lock.queue.shift();
      lock.share = next.share && (lock.holders.size === 0 || lock.share);
      lock.holders.add(next.by);
      next.go();
    }
    if (lock.holders.size === 0 && lock.queue.length === 0) this.#locks.delete(key);
  }

  /** Whether somebody who is in the way waits, over whatever corners, for `by`. */
  #meets(lock: Lock, by: Writes, seen: Set<Writes>): boolean {
    const inTheWay = [...lock.holders, ...lock.queue.map((it) => it.by)].filter((it) => it !== by || seen.size > 0);
    return inTheWay.some((holder) => {
      if (holder === by) return true;
      if (seen.has(holder)) return false;
      seen.add(holder);
      const waits = holder.waiting === null ? undefined : this.#locks.get(holder.waiting.key);
      return waits !== undefined && this.#meets(waits, by, seen);
    });
  }
}

/** What one transaction has written and locked. */
export class Writes {
  readonly held = new Set<string>();
  waiting: { readonly key: string; readonly stop: (error: Error) => void } | null = null;
  /** Why nothing more can be done in it; null while it is open. */
  over: string | null = null;
  readonly #written = new Map<Table<string, unknown>, Map<string, unknown>>();

  get<K extends string, V>(table: Table<K, V>, key: K): V | undefined {
    const own = this.#of(table);
    if (own?.has(key) === true) return own.get(key) as V | undefined;
    return table.rows.get(key);
  }

  all<K extends string, V>(table: Table<K, V>): V[] {
    const own = this.#of(table);
    if (own === undefined) return [...table.rows.values()];
    return [...new Map<string, V>([...table.rows, ...(own as Map<string, V>)]).values()].filter(
      (row) => row !== undefined,
    );
  }

  /** `undefined` deletes. */
  put<K extends string, V>(table: Table<K, V>, key: K, row: V | undefined): void {
    let own = this.#of(table);
    if (own === undefined) {
      own = new Map();
      this.#written.set(table as unknown as Table<string, unknown>, own);
    }
    own.set(key, row);
  }

  commit(): void {
    for (const [table, rows] of this.#written)
      for (const [key, row] of rows) {
        if (row === undefined) table.rows.delete(key);
        else table.rows.set(key, row);
      }
  }

  #of<K extends string, V>(table: Table<K, V>): Map<string, unknown> | undefined {
    return this.#written.get(table as unknown as Table<string, unknown>);
  }
}
