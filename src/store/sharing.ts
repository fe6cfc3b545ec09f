/**
 * Operations that come at the same moment share a transaction, one after the other: the way to the store, the locks that all of
 * them take and the wait for the disk are paid once (docs/rfd/0003-how-fast.md). Each sees what those before it did, as if it
 * had a transaction of its own after theirs. Where anything fails nothing of it happened, and each goes by itself: what one of
 * them does wrong, or waits for, is none of the others' business. But for a commit that is not answered: all are told so.
 */
import { AbortedTransactionError } from "kysely";
import pg from "pg";
import { inBatches } from "../base/batches.ts";
import { systemTimers } from "../base/clock.ts";
import type { PrincipalId } from "../base/ids.ts";
import { inThisTrace } from "../base/trace.ts";
import { goingAgain } from "./go-again.ts";

const MOST = 16;

/** How long whoever shares a transaction waits for others. */
export type Patience = {
  /** For all who share it: from then on each goes by itself. */
  readonly lateMs: number;
  /** For a lock: somebody may hold it for long, or wait for one of ours. */
  readonly lockWaitMs: number;
};
export const PATIENCE: Patience = { lateMs: 250, lockWaitMs: 100 };

type Member<Tx> = {
  readonly asker: PrincipalId;
  readonly body: (tx: Tx) => Promise<unknown>;
  readonly done: PromiseWithResolvers<unknown>;
};

/** `lockWaitMs`: how long it may wait for any lock; null: as long as any transaction may. */
type Held = { readonly askers: readonly PrincipalId[]; readonly lockWaitMs: number | null };
/** Runs the work in a transaction that holds all who ask from its start: whoever waits for them holds nothing else yet. */
type Holding<Tx> = <T>(held: Held, work: (tx: Tx) => Promise<T>) => Promise<T>;

export function sharing<Tx extends { written(): Promise<void> }>(holding: Holding<Tx>, patience: Patience) {
  const { lateMs, lockWaitMs } = patience;
  const sent =
    <T>(body: (tx: Tx) => Promise<T>) =>
    async (tx: Tx): Promise<T> => {
      const done = await body(tx);
      await tx.written();
      return done;
    };

  function byThemselves(all: readonly Member<Tx>[]): void {
    for (const { asker, body, done } of all)
      goingAgain(() => holding({ askers: [asker], lockWaitMs: null }, sent(body))).then(done.resolve, done.reject);
  }

  /** Answers what tells them. */
  async function together(all: readonly Member<Tx>[]): Promise<() => void> {
    const askers = [...new Set(all.map(({ asker }) => asker))];
    let committing = false;
    try {
      const results = await holding({ askers, lockWaitMs }, async (tx) => {
        const made: unknown[] = [];
        const untilMs = systemTimers.monotonicMs() + lateMs;
        for (const { body } of all) {
          made.push(await body(tx));
          // Others wait for what it holds.
          if (systemTimers.monotonicMs() > untilMs && made.length < all.length)
            throw new Error("it takes too long to share");
        }
        await tx.written();
        committing = true;
        return made;
      });
      return () => {
        for (const [i, { done }] of all.entries()) done.resolve(results[i]);
      };
    } catch (error) {
      if (!committing || isRefusedByStore(error)) return () => byThemselves(all);
      // A commit that was not answered may have happened: that is nobody's to do again.
      return () => {
        for (const { done } of all) done.reject(error);
      };
    }
  }

  const put = inBatches(together, { most: MOST, lateMs });
  return <T>(asker: PrincipalId, body: (tx: Tx) => Promise<T>): Promise<T> => {
    const done = Promise.withResolvers<unknown>();
    // In the trace of whoever asks, whoever it is that begins the batch.
    put({ asker, body: inThisTrace(body), done });
    return done.promise as Promise<T>;
  };
}

/** SQLSTATEs of a connection that has ended, or of a store that ends: what became of a commit is not said by them. */
const ENDED = /^(08|57P|25P0[34]|XX)/;
/** The store has said that the transaction is undone. By codes: what it says in words is in its own language. */
const isRefusedByStore = (error: unknown): boolean =>
  error instanceof AbortedTransactionError || (error instanceof pg.DatabaseError && !ENDED.test(error.code ?? "XX"));
