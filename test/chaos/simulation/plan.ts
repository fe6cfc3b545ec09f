/** What is to happen in one history: who asks for what and when, what fails and for how long. All of it comes from the seed. */
import type { ChaosVerb } from "../../../src/connector/chaos-plan.ts";
import type { EntryKind } from "../../../src/domain/audit.ts";
import { Dice } from "./dice.ts";
import { ENTITLEMENTS, OWNERS, PEOPLE, SERVERS, VARIANTS } from "./setting.ts";

/** What people do. Grants and requests are named by number; beyond what there is they go round. */
export type Deed =
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
  /** The same person asks for the same once more. */
  | { readonly do: "ask-again"; readonly grant: number; readonly forMs: number }
  /** The same, and gives the old one back so long afterwards. */
  | { readonly do: "renew"; readonly grant: number; readonly forMs: number; readonly gapMs: number }
  | { readonly do: "extend"; readonly grant: number; readonly byMs: number }
  | { readonly do: "revoke"; readonly grant: number; readonly who: string | null }
  | { readonly do: "activate"; readonly grant: number }
  | { readonly do: "credential"; readonly grant: number; readonly rotate: boolean; readonly times: number }
  | { readonly do: "sign-in"; readonly grant: number }
  | { readonly do: "configure"; readonly variant: number }
  | { readonly do: "deactivate"; readonly who: string };

/** What goes wrong; with a replica by its number. */
export type Trouble =
  | { readonly do: "crash"; readonly replica: number; readonly forMs: number }
  | { readonly do: "stand-still"; readonly replica: number; readonly forMs: number }
  | { readonly do: "store-away"; readonly forMs: number }
  | { readonly do: "store-shaky"; readonly forMs: number; readonly rate: number }
  | { readonly do: "deaf"; readonly forMs: number }
  | { readonly do: "target-down" | "target-hangs"; readonly server: string; readonly forMs: number }
  | {
      readonly do: "target-shaky";
      readonly forMs: number;
      readonly rate: number;
      /** Only these; null: every call. */
      readonly verbs: readonly ChaosVerb[] | null;
    }
  | { readonly do: "target-restart"; readonly server: string };

export type Happening = Deed | Trouble;

const TROUBLES: readonly string[] = [
  "crash",
  "stand-still",
  "store-away",
  "store-shaky",
  "deaf",
  "target-down",
  "target-hangs",
  "target-shaky",
  "target-restart",
] satisfies Trouble["do"][];

export const isTrouble = (what: Happening): what is Trouble => TROUBLES.includes(what.do);

/**
 * Waits for a moment that matters: so long after the log has told this for the `nth` time, or so long from the end of that
 * grant. What happens then is about that grant, and befalls the replica that works on it.
 */
export type Moment = {
  readonly after: EntryKind | "end";
  readonly nth: number;
  /** From the end also before it. */
  readonly ms: number;
};

export type Planned = {
  readonly atMs: number;
  readonly number: number;
  readonly what: Happening;
  /** Null: at its time. */
  readonly moment: Moment | null;
};

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

const WINDOWS_MS = [3_000, 15_000, 40_000] as const;
/** Where everything fails, nothing gets far enough to fail in an interesting way. */
const SHAKEN: readonly (readonly ChaosVerb[] | null)[] = [
  null,
  ["open", "identify"],
  ["standing", "provision", "extend"],
  ["revoke"],
  ["revoke", "probe"],
  ["revoke", "probe"],
];

type Kind = {
  readonly name: string;
  readonly weight: number;
  readonly faults: readonly Happening["do"][];
  readonly many: number;
};

const OF_TARGETS: readonly Happening["do"][] = ["target-down", "target-hangs", "target-shaky", "target-restart"];
const OF_STORE: readonly Happening["do"][] = ["store-away", "store-shaky", "deaf"];

/** Disturbed in one way only, so that bounds are tight, or in every way at once. */
const KINDS: readonly Kind[] = [
  { name: "calm", weight: 2, faults: [], many: 0 },
  { name: "crashes", weight: 3, faults: ["crash"], many: 5 },
  { name: "pauses", weight: 3, faults: ["stand-still"], many: 5 },
  { name: "store", weight: 3, faults: OF_STORE, many: 4 },
  { name: "targets", weight: 3, faults: OF_TARGETS, many: 4 },
  { name: "shaky", weight: 6, faults: ["target-shaky"], many: 6 },
  {
    name: "everything",
    weight: 5,
    faults: [
      "crash",
      "crash",
      "stand-still",
      "stand-still",
      "target-shaky",
      "target-shaky",
      ...OF_STORE,
      ...OF_TARGETS,
    ],
    many: 10,
  },
];

/** When two things meet. */
const MOMENTS: readonly Moment["after"][] = [
  "end",
  "end",
  "end",
  "grant.created",
  "grant.provisioning",
  "lease.written",
  "grant.active",
  "grant.extended",
  "grant.revoking",
  "grant.access-gone",
  "grant.revoked",
  "credential.rotation-asked",
];

const PEOPLE_DO: readonly (readonly [Happening["do"], number])[] = [
  ["ask", 10],
  ["ask-again", 3],
  ["renew", 2],
  ["review", 4],
  ["cancel", 0.5],
  ["extend", 4],
  ["revoke", 3],
  ["activate", 1],
  ["credential", 4],
  ["sign-in", 3],
  ["configure", 0.7],
  ["deactivate", 0.3],
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
  const kind = weighted(
    dice,
    KINDS.map((it) => [it, it.weight] as const),
  );
  const shiftsMs = Array.from({ length: dice.whole(2, 3) }, () =>
    dice.happens(0.5) ? 0 : dice.pick([-HOUR_MS, HOUR_MS]),
  );
  const events: Omit<Planned, "number">[] = [{ atMs: dice.whole(0, 500), what: happening(dice, "ask"), moment: null }];
  const add = (what: Happening): void => {
    const meets = what.do !== "ask" && what.do !== "review" && dice.happens(0.4);
    events.push({ atMs: dice.whole(0, FAULTS_MS), what, moment: meets ? momentOf(dice) : null });
  };
  for (let i = 1; i < steps; i += 1) add(happening(dice, weighted(dice, PEOPLE_DO)));
  const many = kind.faults.length === 0 ? 0 : dice.whole(1, kind.many);
  for (let i = 0; i < many; i += 1) add(happening(dice, dice.pick(kind.faults)));
  const inOrder = events.sort((a, b) => a.atMs - b.atMs).map((event, number) => ({ ...event, number }));
  return { seed, kind: kind.name, shiftsMs, events: inOrder };
}

function momentOf(dice: Dice): Moment {
  const after = dice.pick(MOMENTS);
  const nth = dice.whole(1, 5);
  return { after, nth, ms: after === "end" ? dice.whole(-90, 60) : dice.whole(0, 90) };
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
      };
    case "ask-again":
      return { do: what, grant: nth(), forMs: dice.pick([1_000, 2_000, 4_000, 8_000]) };
    case "renew":
      return { do: what, grant: nth(), forMs: dice.pick([2_000, 4_000, 8_000]), gapMs: dice.whole(0, 300) };
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
      return { do: what, forMs: dice.pick(WINDOWS_MS), rate: dice.pick([0.05, 0.15, 0.4]) };
    case "target-shaky": {
      const verbs = dice.pick(SHAKEN);
      const rate = dice.pick(verbs === null ? [0.05, 0.15, 0.3] : [0.2, 0.5, 0.8]);
      return { do: what, forMs: dice.pick(WINDOWS_MS), rate, verbs };
    }
    case "target-down":
    case "target-hangs":
      return { do: what, server: dice.pick(SERVERS), forMs };
    case "target-restart":
      return { do: what, server: dice.pick(SERVERS) };
  }
}
