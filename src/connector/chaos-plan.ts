/** What can go wrong with a target, and when: by a seed and rates, or as somebody has written it down. */
import { assert, defined } from "../base/assert.ts";
import type { GrantId } from "../base/ids.ts";
import type { Target } from "./connector.ts";

/** Every call of a connector that chaos gets in the way of. Closing always works: the host does not wait for it anyway. */
export type ChaosVerb = "open" | Exclude<keyof Target<unknown>, "close">;

/** Fault → what happens. Chaos never makes a probe lie about the target that it names: then nothing could be proven. */
export const FAULTS = {
  "error-before": "nothing is done, and the answer is an error that may mend itself",
  "refused-for-good": "nothing is done, and the answer is an error that cannot mend itself",
  "lost-reply": "all is done, and the answer is an error",
  delay: "all is done, late, and the answer comes late",
  duplicate: "all is done twice, and the answer is the second one's",
  cut: "the connection breaks half-way: some of it is done, or nothing, or all",
  forget: "what was to be remembered on the way cannot be, and the connector must stop there",
  nothing: "nothing is done, and the answer is success",
  blind: "it could not be looked at: unknown",
  restart: "nothing is done, and every connection to this target dies",
  "another-server": "the address leads to another server, on which nothing of ours is",
  "older-copy": "the address leads to an older copy of the server, on which nothing of ours is",
  hang: "nothing is done, and no answer comes until the signal aborts",
  "hang-after": "all is done, and no answer comes until the signal aborts",
} as const satisfies Record<string, string>;
export type Fault = keyof typeof FAULTS;

const ANYWHERE: readonly Fault[] = ["error-before", "lost-reply", "delay", "duplicate", "hang", "hang-after"];
const ON_A_CONNECTION: readonly Fault[] = [...ANYWHERE, "cut", "restart"];

/** The faults that make sense for a verb. */
export function faultsOf(verb: ChaosVerb): readonly Fault[] {
  switch (verb) {
    case "open":
      return [...ANYWHERE, "another-server", "older-copy"];
    case "provision":
      return [...ON_A_CONNECTION, "refused-for-good", "forget", "nothing"];
    case "revoke":
      return [...ON_A_CONNECTION, "forget", "nothing"];
    case "extend":
    case "disable":
    case "mend":
      return [...ON_A_CONNECTION, "nothing"];
    case "probe":
    case "remove":
      return [...ON_A_CONNECTION, "blind"];
    case "identify":
    case "standing":
    case "observe":
    case "others":
      return ON_A_CONNECTION;
  }
}

/** One call that is about to be made. */
export type ChaosCall = {
  /** From 1, over all calls. */
  readonly number: number;
  readonly verb: ChaosVerb;
  readonly grant: GrantId | null;
  readonly fence: number;
  /** From 1: which of the grants that chaos has met, in the order of meeting. 0 where there is none. */
  readonly grantNumber: number;
  /** From 1: how often this verb was called for this grant. */
  readonly nth: number;
};

/** One call and what became of it. */
export type ChaosEvent = ChaosCall & {
  readonly fault: Fault | null;
  /** How often the real connector did it; `some`: it was stopped on the way, or failed by itself. */
  did: "nothing" | "some" | "once" | "twice";
  /** What the caller got: `ok`, or the error's code and message; null while there is no answer. */
  answer: string | null;
};

/** Chances from 0 to 1. */
export type FaultRates = Partial<Record<Fault, number>>;
/** One chance for every call, shared evenly by the faults that make sense for it; or chances by verb. */
export type ChaosRates = number | Partial<Record<ChaosVerb, number | FaultRates>>;

export type ChaosPlan = {
  /** Decides everything that is left to chance: the same seed and the same calls of each grant give the same faults. */
  readonly seed: number;
  readonly rates?: ChaosRates;
  /** Asked first: a fault, null for none, or undefined to leave it to the rates. */
  readonly script?: (call: ChaosCall) => Fault | null | undefined;
};

/** The fault of a call, or null. */
export function faultFor(plan: ChaosPlan, call: ChaosCall): Fault | null {
  const possible = faultsOf(call.verb);
  const written = plan.script?.(call);
  if (written !== undefined) {
    assert(written === null || possible.includes(written), `${written} makes no sense for ${call.verb}`);
    return written;
  }
  const rates = ratesOf(plan.rates ?? 0, call.verb);
  let left = chance(plan, call, "fault");
  for (const [fault, rate] of rates) {
    assert(possible.includes(fault), `${fault} makes no sense for ${call.verb}`);
    left -= rate;
    if (left < 0) return fault;
  }
  return null;
}

function ratesOf(rates: ChaosRates, verb: ChaosVerb): readonly (readonly [Fault, number])[] {
  const of = typeof rates === "number" ? rates : (rates[verb] ?? 0);
  if (typeof of !== "number") return Object.entries(of) as [Fault, number][];
  const faults = faultsOf(verb);
  return faults.map((fault) => [fault, of / faults.length] as const);
}

/**
 * From 0 to below 1, decided by the seed and the call alone. By which call of which grant it is, not by the order in which
 * calls of several grants meet: so a history that loses a step keeps the faults of all others.
 */
export function chance({ seed }: ChaosPlan, { verb, grantNumber, nth }: ChaosCall, what: string): number {
  return hash32(`${seed}/${grantNumber}/${verb}/${nth}/${what}`) / 2 ** 32;
}

export const pick = <T>(plan: ChaosPlan, call: ChaosCall, what: string, from: readonly T[]): T =>
  defined(from[Math.floor(chance(plan, call, what) * from.length)], "one of them");

/** FNV-1a with the finish of MurmurHash3: spreads texts that differ in one digit evenly. Not for secrets. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
