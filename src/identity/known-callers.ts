/**
 * Who was looked up a moment ago is not looked up again, as when a page or a command makes several calls: the question is
 * most of what a small call costs (docs/rfd/0003-how-fast.md). Whatever changes, by whichever process, makes all of them
 * unknown, but for requests, by which nobody is let in or kept out; and so does a fifth of a second: where a process does not
 * hear of changes, nobody is let in for longer.
 */
import type { Clock } from "../base/clock.ts";
import { isRefusal, type Refusal } from "../base/problem.ts";
import { Recent } from "../base/recent.ts";
import { hashToken } from "../base/token.ts";
import type { Caller } from "./authenticate.ts";

export const KNOWN_FOR_MS = 200;

export class KnownCallers {
  readonly #known: Recent<Caller>;

  constructor(clock: Clock) {
    this.#known = new Recent(clock, { keptMs: KNOWN_FOR_MS, most: 1_000 });
  }

  /** Whoever shows this, by `look` where that is not known. */
  caller<No extends Refusal | null>(shown: string, look: () => Promise<Caller | No>): Promise<Caller | No> {
    // Without the secret: nothing that lets somebody in lies about here.
    return this.#known.of(hashToken(shown), look, isNobody);
  }

  /** Something has changed: perhaps who somebody is. */
  forget(): void {
    this.#known.forget();
  }
}

const isNobody = <No extends Refusal | null>(found: Caller | No): found is No => found === null || isRefusal(found);
