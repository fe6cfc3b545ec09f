/** What is to happen in one history: who asks for what and when, what fails and for how long. All of it comes from the seed. */
import { Dice } from "./dice.ts";
import { ENTITLEMENTS, OWNERS, PEOPLE, SERVERS, VARIANTS } from "./setting.ts";

/** Grants, requests and replicas are named by number; beyond what there is they go round. */
export type Happening =
  | {
      readonly do: "ask";
      readonly who: string;
      readonly entitlement: string;
      readonly forMs: number;
      readonly atOnce: boolean;
      readonly startsInMs: number | null;
      readonly onUse: boolean;
    }
  | { readonly do: "review"; readonly request: number; readonly who: string; readonly verdict: "approve" | "deny" }
  | { readonly do: "cancel"; readonly request: number }
  /** `fromEndMs`: not now, but so long after (before) its end; null: now. */
  | { readonly do: "extend"; readonly grant: number; readonly byMs: number; readonly fromEndMs: number | null }
  | { readonly do: "revoke"; readonly grant: number; readonly who: string | null }
  | { readonly do: "activate"; readonly grant: number }
  | { readonly do: "credential"; readonly grant: number; readonly rotate: boolean; readonly times: number }
  | { readonly do: "sign-in"; readonly grant: number }
  | { readonly do: "configure"; readonly variant: number }
  | { readonly do: "deactivate"; readonly who: string }
  | { readonly do: "crash"; readonly replica: number; readonly forMs: number }
  | { readonly do: "stand-still"; readonly replica: number; readonly forMs: number }
  | { readonly do: "store-away"; readonly forMs: number }
  | { readonly do: "store-shaky"; readonly forMs: number; readonly rate: number }
  | { readonly do: "deaf"; readonly forMs: number }
  | { readonly do: "target-down" | "target-hangs"; readonly server: string; readonly forMs: number }
  | { readonly do: "target-shaky"; readonly forMs: number; readonly rate: number }
  | { readonly do: "target-restart"; readonly server: string };

export type Planned = { readonly atMs: number; readonly number: number; readonly what: Happening };

export type Plan = {
  readonly seed: number;
  /** Which way it is disturbed, for people. */
  readonly kind: string;
  /** How wrong the clock of each replica is. */
  readonly shiftsMs: readonly number[];
  readonly events: readonly Planned[];
};

/** Everything happens within this time; then all faults cease. */
export const FAULTS_MS = 40_000;
const HOUR_MS = 3_600_000;

type Kind = { readonly name: string; readonly weight: number; readonly faults: readonly Happening["do"][]; readonly many: number };

/** Disturbed in one way only, so that bounds are tight, or in every way at once. */
const KINDS: readonly Kind[] = [
  { name: "calm", weight: 2, faults: [], many: 0 },
  { name: "crashes", weight: 3, faults: ["crash"], many: 4 },
  { name: "pauses", weight: 3, faults: ["stand-still"], many: 4 },
  { name: "store", weight: 3, faults: ["store-away", "store-shaky", "deaf"], many: 3 },
  { name: "targets", weight: 4, faults: ["target-down", "target-hangs", "target-shaky", "target-restart"], many: 4 },
  {
    name: "everything",
    weight: 6,
    faults: [
      "crash",
      "stand-still",
      "store-away",
      "store-shaky",
      "deaf",
      "target-down",
      "target-hangs",
      "target-shaky",
      "target-restart",
    ],
    many: 8,
  },
];

const PEOPLE_DO: readonly (readonly [Happening["do"], number])[] = [
  ["ask", 8],
  ["review", 4],
  ["cancel", 1],
  ["extend", 4],
  ["revoke", 4],
  ["activate", 2],
  ["credential", 4],
  ["sign-in", 3],
  ["configure", 1],
  ["deactivate", 1],
];

function weighted<T>(dice: Dice, from: readonly (readonly [T, number])[]): T {
  let left = dice.fraction() * from.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [one, weight] of from) {
    left -= weight;
    if (left < 0) return one;
  }
  return (from[0] as readonly [T, number])[0];
}

export function planOf(seed: number, steps: number): Plan {
  const dice = new Dice(`plan/${seed}`);
  const kind = weighted(dice, KINDS.map((it) => [it, it.weight] as const));
  const shiftsMs = Array.from({ length: dice.whole(2, 3) }, () => (dice.happens(0.5) ? 0 : dice.pick([-HOUR_MS, HOUR_MS])));
  const whats: [number, Happening][] = [[dice.whole(0, 1_000), happening(dice, "ask")]];
  for (let i = 1; i < steps; i += 1)
    whats.push([dice.whole(0, FAULTS_MS), happening(dice, weighted(dice, PEOPLE_DO))]);
  const many = kind.faults.length === 0 ? 0 : dice.whole(1, kind.many);
  for (let i = 0; i < many; i += 1) whats.push([dice.whole(0, FAULTS_MS), happening(dice, dice.pick(kind.faults))]);
  const events = whats.sort(([a], [b]) => a - b).map(([atMs, what], number) => ({ atMs, number, what }));
  return { seed, kind: kind.name, shiftsMs, events };
}

function happening(dice: Dice, what: Happening["do"]): Happening {
  const nth = (): number => dice.whole(0, 7);
  const forMs = dice.pick([50, 500, 2_000, 5_000, 9_000, 20_000]);
  switch (what) {
    case "ask":
      return {
        do: what,
        who: dice.pick(PEOPLE),
        entitlement: dice.pick(ENTITLEMENTS),
        forMs: dice.pick([1_000, 2_000, 4_000, 8_000, 15_000]),
        atOnce: dice.happens(0.7),
        startsInMs: dice.happens(0.15) ? dice.whole(500, 5_000) : null,
        onUse: dice.happens(0.15),
      };
    case "review":
      return { do: what, request: nth(), who: dice.pick(OWNERS), verdict: dice.happens(0.9) ? "approve" : "deny" };
    case "cancel":
      return { do: what, request: nth() };
    case "extend":
      return {
        do: what,
        grant: nth(),
        byMs: dice.pick([1_000, 3_000, 6_000]),
        fromEndMs: dice.happens(0.5) ? dice.whole(-30, 5) : null,
      };
    case "revoke":
      return { do: what, grant: nth(), who: dice.happens(0.5) ? null : dice.pick(OWNERS) };
    case "activate":
    case "sign-in":
      return { do: what, grant: nth() };
    case "credential":
      return { do: what, grant: nth(), rotate: dice.happens(0.3), times: dice.whole(1, 2) };
    case "configure":
      return { do: what, variant: dice.whole(0, VARIANTS - 1) };
    case "deactivate":
      return { do: what, who: dice.pick(PEOPLE) };
    case "crash":
    case "stand-still":
      return { do: what, replica: nth(), forMs };
    case "store-away":
    case "deaf":
      return { do: what, forMs };
    case "store-shaky":
    case "target-shaky":
      return { do: what, forMs, rate: dice.pick([0.05, 0.2, 0.5]) };
    case "target-down":
    case "target-hangs":
      return { do: what, server: dice.pick(SERVERS), forMs };
    case "target-restart":
      return { do: what, server: dice.pick(SERVERS) };
  }
}
