/** What comes while others are worked on waits, and is then worked on together: the more comes at once, the less each costs. */

export type Batches = {
  /** So many batches are worked on at once. */
  readonly atOnce: number;
  /** The most that is in one of them. */
  readonly most: number;
};

/** Puts one more. Two of the same key are never in two batches that are worked on at once. `work` does not fail. */
export function inBatches<T>(
  work: (batch: readonly T[]) => Promise<unknown>,
  { atOnce, most }: Batches,
  keyOf: (one: T) => unknown = (one) => one,
): (one: T) => void {
  const underWay = new Set<readonly T[]>();
  let waiting: T[] = [];
  let looking = false;

  function next(): T[] {
    const taken = new Set([...underWay].flatMap((batch) => batch.map(keyOf)));
    const batch = waiting.filter((one) => !taken.has(keyOf(one))).slice(0, most);
    const [left, gone] = [waiting, new Set(batch)];
    waiting = left.filter((one) => !gone.has(one));
    return batch;
  }
  function look(): void {
    looking = false;
    while (underWay.size < atOnce) {
      const batch = next();
      if (batch.length === 0) return;
      underWay.add(batch);
      void work(batch).then(() => {
        underWay.delete(batch);
        lookSoon();
      });
    }
  }
  /** What comes in the same turn goes together. */
  function lookSoon(): void {
    if (looking) return;
    looking = true;
    setImmediate(look);
  }
  return (one) => {
    waiting.push(one);
    lookSoon();
  };
}

/** Asks for many keys at once what is asked for each; of one that is not found, undefined. No answer is older than the question. */
export function askTogether<K, V>(
  ask: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>,
  batches: Batches,
): (key: K) => Promise<V | undefined> {
  const put = inBatches<{ readonly key: K; readonly asked: PromiseWithResolvers<V | undefined> }>(async (batch) => {
    try {
      const found = await ask([...new Set(batch.map(({ key }) => key))]);
      for (const { key, asked } of batch) asked.resolve(found.get(key));
    } catch (error) {
      for (const { asked } of batch) asked.reject(error);
    }
  }, batches);
  return (key) => {
    const asked = Promise.withResolvers<V | undefined>();
    put({ key, asked });
    return asked.promise;
  };
}
