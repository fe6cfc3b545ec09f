import type { Clock } from "../base/clock.ts";
import type { Rate } from "./limits.ts";

/** So many are remembered; of more, those that were not heard of longest are forgotten, which only does them good. */
const KEYS_MAX = 20_000;

type Bucket = { tokens: number; atMs: number };

/** What came of a call: how much is left, and when all of it is there again; or how long to wait. */
export type Taken = {
  readonly ok: boolean;
  readonly left: number;
  readonly fullInSeconds: number;
  readonly waitSeconds: number;
};

/** A bucket of tokens for each key: a call takes one, time puts them back. In memory: each replica counts for itself. */
export class TokenBuckets {
  readonly rate: Rate;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate, clock: Pick<Clock, "monotonicMs">) {
    this.rate = rate;
    this.#clock = clock;
  }

  take(key: string): Taken {
    const { perSecond, burst } = this.rate;
    const nowMs = this.#clock.monotonicMs();
    const before = this.#buckets.get(key);
    const refilled = before === undefined ? burst : before.tokens + ((nowMs - before.atMs) / 1_000) * perSecond;
    const tokens = Math.min(burst, refilled);
    const ok = tokens >= 1;
    const left = ok ? tokens - 1 : tokens;
    // Taken out and put back: the order of the map is the order of their last calls.
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: left, atMs: nowMs });
    if (this.#buckets.size > KEYS_MAX) this.#forgetOne();
    return {
      ok,
      left: Math.floor(left),
      fullInSeconds: Math.ceil((burst - left) / perSecond),
      waitSeconds: ok ? 0 : Math.max(1, Math.ceil((1 - left) / perSecond)),
    };
  }

  #forgetOne(): void {
    const { value } = this.#buckets.keys().next();
    if (value !== undefined) this.#buckets.delete(value);
  }
}

/** Whoever has an IPv6 address has the whole network of it. */
export function addressKey(address: string): string {
  if (!address.includes(":")) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = "", tail] = (address.split("%")[0] ?? "").split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - groups.length - after.length)).fill("0");
  return `${[...groups, ...zeros, ...after]
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}
