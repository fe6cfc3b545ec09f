/**
 * The end of the log, read once for all who follow it. New entries are given their positions and kept for a while in
 * memory; who is further behind reads from the store. Nobody follows: nothing is read.
 */
import type { Message } from "../domain/message.ts";
import { headPosition, type Leaf, readLeaves, sequenceAll } from "../store/audit.ts";
import type { Db } from "../store/db.ts";
import { messagesAbout } from "../store/messages.ts";

/** A change is a hint that may be lost, so it also looks by itself this often. */
const RECHECK_MS = 2_000;
/** Many changes at once are read together. */
const PAUSE_MS = 50;
const STORE_PAUSE_MS = 1_000;
const KEPT_MAX = 1_000;
const BATCH_MAX = 500;

/** An entry, and the messages that it brought. */
export type Told = Leaf & { readonly messages: readonly Message[] };

type Deps = { readonly db: Db; readonly changes: { next(timeoutMs: number): Promise<void> } };

export class LogTail {
  readonly #deps: Deps;
  readonly #waiting = new Set<() => void>();
  #followers = 0;
  #kept: Told[] = [];
  #head = 0;
  #running: Promise<void> | null = null;
  /** Resolved when the last follower has left. */
  #idle = Promise.withResolvers<void>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Begins to follow; answers the position at which the log ends now. Whoever calls this calls `leave` once. */
  async follow(): Promise<number> {
    this.#followers += 1;
    try {
      await sequenceAll(this.#deps.db);
      const head = await headPosition(this.#deps.db);
      if (this.#running === null) {
        this.#head = head;
        this.#kept = [];
        this.#running = this.#run();
      }
      return head;
    } catch (error) {
      this.leave();
      throw error;
    }
  }

  leave(): void {
    this.#followers -= 1;
    if (this.#followers === 0) this.#idle.resolve();
  }

  /** What comes after this position, as far as it is there; no more than a batch. */
  async read(afterSeq: number): Promise<readonly Told[]> {
    const oldest = this.#kept[0]?.seq ?? this.#head + 1;
    if (afterSeq < oldest - 1) return this.#load(afterSeq);
    const first = this.#kept.findLastIndex(({ seq }) => seq <= afterSeq) + 1;
    return this.#kept.slice(first, first + BATCH_MAX);
  }

  /** Resolves when there is something after this position, when the time is over, or when it is told to. */
  async next(afterSeq: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#head > afterSeq || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    const abort = () => resolve();
    signal.addEventListener("abort", abort);
    this.#waiting.add(resolve);
    await promise;
    signal.removeEventListener("abort", abort);
    this.#waiting.delete(resolve);
    clearTimeout(timer);
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  async #run(): Promise<void> {
    const { changes } = this.#deps;
    while (this.#followers > 0) {
      this.#idle = Promise.withResolvers<void>();
      // Listens before it looks, so that nothing is missed between.
      const changed = changes.next(RECHECK_MS);
      const ok = await this.#look().catch(() => false);
      await Promise.race([changed, this.#idle.promise]);
      if (this.#followers > 0) await pause(ok ? PAUSE_MS : STORE_PAUSE_MS);
    }
    this.#running = null;
  }

  async #load(afterSeq: number): Promise<Told[]> {
    const leaves = await readLeaves(this.#deps.db, afterSeq, BATCH_MAX);
    const messages = await messagesAbout(
      this.#deps.db,
      leaves.map(({ leaf }) => leaf.id),
    );
    return leaves.map((one) => ({ ...one, messages: messages.get(one.leaf.id) ?? [] }));
  }

  async #look(): Promise<true> {
    await sequenceAll(this.#deps.db);
    for (;;) {
      const more = await this.#load(this.#head);
      const last = more.at(-1);
      if (last === undefined) return true;
      this.#kept = [...this.#kept, ...more].slice(-KEPT_MAX);
      this.#head = last.seq;
      this.#wakeAll();
    }
  }
}

async function pause(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, ms);
  await promise;
}
