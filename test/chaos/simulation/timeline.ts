/**
 * Virtual time. What is to happen lies in one queue, ordered by time and then by when it was put there; between two events
 * every promise that can go on goes on. Nothing else moves, so the same beginning always has the same end.
 */
import { createHash, type Hash } from "node:crypto";

type Entry = { readonly atMs: number; readonly order: number; act: (() => void) | null };

/** So many events at one and the same time are a mistake: something spins. */
const AT_ONE_TIME_MAX = 20_000;

export class Timeline {
  nowMs: number;
  #order = 0;
  #queue: Entry[] = [];
  readonly #hash: Hash = createHash("sha256");
  /** What happened, line by line, where somebody wants to read it. */
  readonly lines: string[] | null;

  constructor(startMs: number, options: { keepLines: boolean }) {
    this.nowMs = startMs;
    this.lines = options.keepLines ? [] : null;
  }

  /** Something happened that a replay must repeat. */
  note(line: string): void {
    const stamped = `${this.nowMs} ${line}\n`;
    this.#hash.update(stamped);
    this.lines?.push(stamped.trimEnd());
  }

  /** Of everything that was noted. Once. */
  digest(): string {
    return this.#hash.digest("hex");
  }

  /** Answers how to call it off. */
  after(ms: number, act: () => void): () => void {
    const entry: Entry = { atMs: this.nowMs + Math.max(0, Math.ceil(ms)), order: this.#order, act };
    this.#order += 1;
    this.#push(entry);
    return () => {
      entry.act = null;
    };
  }

  sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.after(ms, resolve);
    return promise;
  }

  /** Lets events happen until then, or until `until` is true; asked after each, when everything that can go on has. */
  async run(endMs: number, until: () => boolean): Promise<void> {
    let [atMs, many] = [this.nowMs, 0];
    await settled();
    while (!until()) {
      const next = this.#pop();
      if (next === null || next.atMs > endMs) {
        if (next !== null) this.#push(next);
        this.nowMs = Math.max(this.nowMs, endMs);
        return;
      }
      if (next.act === null) continue;
      many = next.atMs === atMs ? many + 1 : 0;
      if (many > AT_ONE_TIME_MAX) throw new Error(`more than ${AT_ONE_TIME_MAX} events at ${atMs}: something spins`);
      atMs = next.atMs;
      this.nowMs = atMs;
      next.act();
      await settled();
    }
  }

  #push(entry: Entry): void {
    const queue = this.#queue;
    let at = queue.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, queue[parent] as Entry)) break;
      queue[at] = queue[parent] as Entry;
      at = parent;
    }
    queue[at] = entry;
  }

  #pop(): Entry | null {
    const queue = this.#queue;
    const first = queue[0];
    const last = queue.pop();
    if (first === undefined || last === undefined) return null;
    if (queue.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= queue.length) break;
      if (child + 1 < queue.length && before(queue[child + 1] as Entry, queue[child] as Entry)) child += 1;
      if (!before(queue[child] as Entry, last)) break;
      queue[at] = queue[child] as Entry;
      at = child;
    }
    queue[at] = last;
    return first;
  }
}

const before = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/** Every promise that can go on has gone on. */
const settled = (): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>();
  setImmediate(resolve);
  return promise;
};
