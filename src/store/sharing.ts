/**
 * Operations that come at the same moment share a transaction, one after the other: the way to the store, the locks that all of
 * them take and the wait for the disk are paid once (docs/rfd/0003-how-fast.md). Each sees what those before it did, as if it
 * had a transaction of its own after theirs. Where anything fails nothing of it happened, and each goes by itself: what one of
 * them does wrong, the others do not hear of.
 */
import pg from "pg";
import { type Batches, inBatches } from "../base/batches.ts";
import type { PrincipalId } from "../base/ids.ts";

/** Few, so that what comes together goes together; more than one, so that one that waits for the store does not keep all. */
const BATCHES: Batches = { atOnce: 2, most: 16 };

type Body<Tx> = (tx: Tx) => Promise<unknown>;
type Member<Tx> = {
  readonly asker: PrincipalId;
  readonly body: Body<Tx>;
  readonly done: PromiseWithResolvers<unknown>;
};

type Ways<Tx> = {
  /** Runs the work in a transaction that holds all who ask. */
  readonly shared: <T>(askers: readonly PrincipalId[], work: (tx: Tx) => Promise<T>) => Promise<T>;
  readonly alone: <T>(body: (tx: Tx) => Promise<T>) => Promise<T>;
};

/** Of two operations of one person the second waits for the first, or shares its transaction: they would wait for each other's lock. */
export function sharing<Tx>({ shared, alone }: Ways<Tx>) {
  const byItself = async ({ body, done }: Member<Tx>): Promise<void> => alone(body).then(done.resolve, done.reject);

  async function together(all: readonly Member<Tx>[]): Promise<void> {
    let committing = false;
    try {
      const results = await shared([...new Set(all.map(({ asker }) => asker))], async (tx) => {
        const made: unknown[] = [];
        for (const { body } of all) made.push(await body(tx));
        committing = true;
        return made;
      });
      for (const [i, { done }] of all.entries()) done.resolve(results[i]);
    } catch (error) {
      // Whose commit was not answered may have happened: that is nobody's to do again.
      if (committing && !isRefusedByStore(error)) for (const { done } of all) done.reject(error);
      else await Promise.all(all.map(byItself));
    }
  }

  const work = (all: readonly Member<Tx>[]): Promise<unknown> =>
    all.length > 1 ? together(all) : Promise.all(all.map(byItself));
  const put = inBatches<Member<Tx>>(work, BATCHES, ({ asker }) => asker);
  return <T>(asker: PrincipalId, body: (tx: Tx) => Promise<T>): Promise<T> => {
    const done = Promise.withResolvers<unknown>();
    put({ asker, body, done });
    return done.promise as Promise<T>;
  };
}

/** The store has said that the transaction is undone, and goes on. */
const isRefusedByStore = (error: unknown): boolean => error instanceof pg.DatabaseError && error.severity === "ERROR";
