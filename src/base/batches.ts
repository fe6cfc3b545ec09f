/** What comes while others are worked on waits, and is then worked on together: the more comes at once, the less each costs. */
import { systemTimers, type Timers } from "./clock.ts";

export type Batches = {
  /** The most that is worked on together. */
  readonly most: number;
  /** A batch that takes longer is left to itself, and the next begins beside it. */
  readonly lateMs: number;
  readonly timers?: Pick<Timers, "after">;
};

/**
 * Puts one more. `work` does not fail, and answers what tells those in the batch how it went: they are told once the next have
 * begun, so that what these wait for is under way meanwhile.
 */
export function inBatches<T>(
  work: (batch: readonly T[]) => Promise<() => void>,
  { most, lateMs, timers = systemTimers }: Batches,
): (one: T) => void {
  const waiting: T[] = [];
  let busy = false;

  function begin(): void {
    if (busy || waiting.length === 0) return;
    busy = true;
    let over = false;
    const goOn = (): void => {
      if (over) return;
      [over, busy] = [true, false];
      begin();
    };
    const inTime = timers.after(lateMs, goOn);
    void work(waiting.splice(0, most)).then((tell) => {
      inTime();
      goOn();
      setImmediate(tell);
    });
  }
  return (one) => {
    // What comes in the same turn goes together.
    if (waiting.push(one) === 1) setImmediate(begin);
  };
}

/** Asks for many keys at once what is asked for each; of one that is not found, undefined. No answer is older than the question. */
export function askTogether<K, V>(
  ask: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>,
  batches: Batches,
): (key: K) => Promise<V | undefined> {
  type Asked = { readonly key: K; readonly answer: PromiseWithResolvers<V | undefined> };
  const put = inBatches<Asked>(async (batch) => {
    try {
      const found = await ask([...new Set(batch.map(({ key }) => key))]);
      return () => {
        for (const { key, answer } of batch) answer.resolve(found.get(key));
      };
    } catch (error) {
      return () => {
        for (const { answer } of batch) answer.reject(error);
      };
    }
  }, batches);
  return (key) => {
    const answer = Promise.withResolvers<V | undefined>();
    put({ key, answer });
    return answer.promise;
  };
}
