/**
 * A process's connection to the ledger: every call takes a while, the store may be away, a commit may fail before or after
 * it was done. What a dead process had open is rolled back; what it does not use for long as well.
 */
import type { Ledger, LedgerTx } from "../../../src/store/ledger.ts";
import type { Dice } from "./dice.ts";
import type { MemoryLedger, OpenTransaction } from "./memory-ledger.ts";
import type { MemoryTx } from "./memory-tx.ts";
import type { Process } from "./process.ts";
import { TransactionLost } from "./tables.ts";

const LATENCY_MS = [0, 3] as const;
/** `idle_in_transaction_session_timeout` of the real one. */
const IDLE_MS_MAX = 30_000;
const ATTEMPTS_MAX = 5;

/** What is wrong with the store just now, for everybody. */
export class StoreWeather {
  away = false;
  /** How often a transaction fails, and whether the failure comes after it was committed. */
  commitsFail: { readonly rate: number; readonly dice: Dice } | null = null;
  readonly open = new Set<OpenTransaction>();
  readonly #ledger: MemoryLedger;

  constructor(ledger: MemoryLedger) {
    this.#ledger = ledger;
  }

  goAway(): void {
    this.away = true;
    for (const open of this.open) this.#ledger.rollBack(open, "the store went away");
    this.open.clear();
  }
}

export class StoreAway extends Error {
  override readonly name = "StoreAway";
}

type Methods = Readonly<Record<string, (...inputs: readonly unknown[]) => unknown>>;

/** The thing with every method called over there. */
function overThere<T extends object>(thing: T, call: (name: string, work: () => unknown) => Promise<unknown>): T {
  return new Proxy(thing, {
    get: (target, name) => {
      const method = (target as unknown as Methods)[String(name)];
      if (typeof method !== "function") return method;
      return (...inputs: readonly unknown[]) => call(String(name), () => method.apply(target, [...inputs]));
    },
  });
}

export function linkLedger(process: Process, ledger: MemoryLedger, weather: StoreWeather): Ledger {
  const mine = new Set<OpenTransaction>();
  const call = <T>(name: string, work: () => T | Promise<T>): Promise<T> =>
    process.call(
      name,
      () => {
        if (weather.away) throw new StoreAway("the store does not answer");
        return work();
      },
      LATENCY_MS,
    );
  process.onDeath(() => {
    for (const open of mine) ledger.rollBack(open, "its process is gone");
  });

  const attempt = async <T>(body: (tx: LedgerTx) => Promise<T>): Promise<T> => {
    const open = await call("begin", () => ledger.begin());
    mine.add(open);
    weather.open.add(open);
    let usedMs = process.timeline.nowMs;
    const watch = (): void => {
      const idleMs = process.timeline.nowMs - usedMs;
      if (idleMs >= IDLE_MS_MAX) ledger.rollBack(open, "it was idle for too long");
      else stop = process.timeline.after(IDLE_MS_MAX - idleMs, watch);
    };
    let stop = process.timeline.after(IDLE_MS_MAX, watch);
    const tx: MemoryTx = overThere(open.tx, (name, work) => {
      usedMs = process.timeline.nowMs;
      return call(name, work);
    });
    try {
      const result = await body(tx);
      await call("commit", () => commit(ledger, open, weather));
      return result;
    } catch (error) {
      await call("roll back", () => ledger.rollBack(open)).catch(() => ledger.rollBack(open));
      throw error;
    } finally {
      stop();
      mine.delete(open);
      weather.open.delete(open);
    }
  };

  const link = overThere(ledger, (name, work) => call(name, work));
  return new Proxy(link, {
    get: (target, name) => {
      if (name !== "transaction") return Reflect.get(target, name) as unknown;
      return async <T>(body: (tx: LedgerTx) => Promise<T>): Promise<T> => {
        for (let tries = 1; ; tries += 1) {
          try {
            return await attempt(body);
          } catch (error) {
            if (!(error instanceof TransactionLost && error.again) || tries >= ATTEMPTS_MAX) throw error;
          }
        }
      };
    },
  }) as unknown as Ledger;
}

function commit(ledger: MemoryLedger, open: OpenTransaction, { commitsFail }: StoreWeather): void {
  const fails = commitsFail?.dice.happens(commitsFail.rate) === true;
  if (fails && commitsFail.dice.happens(0.5)) throw new StoreAway("the connection broke before the commit");
  ledger.commit(open);
  if (fails) throw new StoreAway("the connection broke after the commit");
}
