/**
 * Operations that come at the same moment share a transaction, one after the other: the way to the store, the locks that all of
 * them take and the wait for the disk are paid once (docs/rfd/0003-how-fast.md). Each sees what those before it did, as if it
 * had a transaction of its own after theirs. Where anything fails nothing of it happened, and each goes by itself: what one of
 * them does wrong, the others do not hear of.
 */
import pg from "pg";
import { type Batches, inBatches } from "../base/batches.ts";
import type { PrincipalId } from "../base/ids.ts";
import { goingAgain } from "./go-again.ts";

/** Few, so that what comes together goes together; more than one, so that one that waits for the store does not keep all. */
const BATCHES: Batches = { atOnce: 2, most: 16 };

type Member<Tx> = {
  readonly asker: PrincipalId;
  readonly body: (tx: Tx) => Promise<unknown>;
  readonly done: PromiseWithResolvers<unknown>;
};

type Of = { readonly askers: readonly PrincipalId[]; readonly shared: boolean };
/** Runs the work in a transaction that holds all who ask from its start: whoever waits for them holds nothing else yet. */
type Holding<Tx> = <T>(of: Of, work: (tx: Tx) => Promise<T>) => Promise<T>;

/** Of two operations of one person the second waits for the first, or shares its transaction: else it would wait at its lock. */
export function sharing<Tx>(holding: Holding<Tx>) {
  const byItself = ({ asker, body, done }: Member<Tx>): Promise<void> =>
    goingAgain(() => holding({ askers: [asker], shared: false }, body)).then(done.resolve, done.reject);

  async function together(all: readonly Member<Tx>[]): Promise<void> {
    let committing = false;
    try {
      const askers = [...new Set(all.map(({ asker }) => asker))];
      const results = await holding({ askers, shared: true }, async (tx) => {
        const made: unknown[] = [];
        for (const { body } of all) made.push(await body(tx));
        committing = true;
        return made;
      });
      for (const [i, { done }] of all.entries()) done.resolve(results[i]);
    } catch (error) {
      // A commit that was not answered may have happened: that is nobody's to do again.
      if (committing && !isRefusedByStore(error)) for (const { done } of all) done.reject(error);
      else await Promise.all(all.map(byItself));
    }
  }

  const work = (all: readonly Member<Tx>[]): Promise<unknown> =>
    all.length > 1 ? together(all) : Promise.all(all.map(byItself));
  const put = inBatches(work, BATCHES, ({ asker }) => asker);
  return <T>(asker: PrincipalId, body: (tx: Tx) => Promise<T>): Promise<T> => {
    const done = Promise.withResolvers<unknown>();
    put({ asker, body, done });
    return done.promise as Promise<T>;
  };
}

/** The store has said that the transaction is undone, and goes on. */
const isRefusedByStore = (error: unknown): boolean => error instanceof pg.DatabaseError && error.severity === "ERROR";
