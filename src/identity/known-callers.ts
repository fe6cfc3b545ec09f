/**
 * Who was looked up a moment ago is not looked up again, as when a page or a command makes several calls: the question is
 * most of what a small call costs (docs/rfd/0003-how-fast.md). Any change, of whatever and by whichever process, makes all of
 * them unknown, and so does a fifth of a second: where a process does not hear of changes, nobody is let in for longer.
 */
import type { Clock } from "../base/clock.ts";
import { isRefusal, type Refusal } from "../base/problem.ts";
import { hashToken } from "../base/token.ts";
import type { Caller } from "./authenticate.ts";

export const KNOWN_FOR_MS = 200;
const KNOWN_MAX = 1_000;

type Known = { readonly caller: Caller; readonly untilMs: number };

export class KnownCallers {
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();
  #changes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whoever shows this, by `look` where that is not known. */
  async caller<No extends Refusal | null>(shown: string, look: () => Promise<Caller | No>): Promise<Caller | No> {
    // Without the secret: nothing that lets somebody in lies about here.
    const key = hashToken(shown);
    // From before the look on, which may see the store as it was then.
    const [changes, nowMs] = [this.#changes, this.#clock.monotonicMs()];
    const known = this.#known.get(key);
    if (known !== undefined && nowMs < known.untilMs) return known.caller;
    const found = await look();
    if (found === null || isRefusal(found) || changes !== this.#changes) return found;
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.set(key, { caller: found, untilMs: nowMs + KNOWN_FOR_MS });
    return found;
  }

  /** Something has changed: perhaps who somebody is. */
  forget(): void {
    this.#changes += 1;
    this.#known.clear();
  }
}
