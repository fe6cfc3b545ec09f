/**
 * Who is on call by turns that the configuration itself holds. People take over from each other at a time of the day, as
 * the clocks of the schedule's zone show it: where those are set meanwhile, one turn is an hour shorter or longer, and the
 * next hand-over is at the same time of the day as ever.
 */
import type { OnCallFact } from "./facts.ts";
import { instantOf, wallOf } from "./zone.ts";

export type Rotation = {
  readonly name: string;
  /** 1: the first line. */
  readonly tier: number;
  /** Handles, in the order of their turns. */
  readonly people: readonly string[];
  /** `2026-01-05`: the day of the first hand-over; nobody is on call before it. */
  readonly startDay: string;
  readonly handoverMinute: number;
  /** Of a turn, as clocks show it. */
  readonly lengthMs: number;
};

/** Somebody stands in for whoever's turn it is. Those of one rotation do not overlap. */
export type Override = {
  readonly rotation: string;
  readonly person: string;
  readonly fromMs: number;
  /** Not included. */
  readonly toMs: number;
};

export type Schedule = {
  readonly name: string;
  readonly zone: string;
  readonly rotations: readonly Rotation[];
  readonly overrides: readonly Override[];
};

export type OnDuty = {
  readonly rotation: string;
  readonly tier: number;
  readonly person: string;
  /** When that may change. */
  readonly untilMs: number;
};

const MINUTE_MS = 60_000;
/** A request that waits keeps the fact for so long, as it would that of a service. */
const GOOD_FOR_MS = 30_000;

/** Who is on call then: at most one of each rotation. */
export function onDutyAt({ zone, rotations, overrides }: Schedule, atMs: number): OnDuty[] {
  return rotations.flatMap((rotation): OnDuty[] => {
    const { name, tier, people } = rotation;
    const own = overrides.filter((one) => one.rotation === name);
    const instead = own.find(({ fromMs, toMs }) => fromMs <= atMs && atMs < toMs);
    if (instead !== undefined) return [{ rotation: name, tier, person: instead.person, untilMs: instead.toMs }];
    const turn = turnAt(zone, rotation, atMs);
    const person = turn === null ? undefined : people[turn.number % people.length];
    if (turn === null || person === undefined) return [];
    const ahead = own.map(({ fromMs }) => fromMs).filter((fromMs) => fromMs > atMs);
    return [{ rotation: name, tier, person, untilMs: Math.min(turn.toMs, ...ahead) }];
  });
}

/** The turn that it is then, counted from 0, and when the next one begins; null before the first. */
function turnAt(zone: string, rotation: Rotation, atMs: number): { number: number; toMs: number } | null {
  const { startDay, handoverMinute, lengthMs } = rotation;
  const firstWallMs = Date.parse(`${startDay}T00:00:00Z`) + handoverMinute * MINUTE_MS;
  const begins = (turn: number): number => instantOf(zone, firstWallMs + turn * lengthMs);
  let number = Math.floor((wallOf(zone, atMs) - firstWallMs) / lengthMs);
  // Clocks that are set back show a hand-over twice, and it was the first time: nobody's turn comes back with them.
  while (number >= 0 && begins(number) > atMs) number -= 1;
  while (begins(number + 1) <= atMs) number += 1;
  return number < 0 ? null : { number, toMs: begins(number + 1) };
}

/** The nearest line that the schedule has this person in. */
export function scheduledFact(schedule: Schedule, handle: string, nowMs: number): OnCallFact {
  const theirs = onDutyAt(schedule, nowMs).filter(({ person }) => person === handle);
  const [nearest] = theirs.sort((a, b) => a.tier - b.tier);
  return {
    ...{ tier: nearest?.tier ?? 0, source: schedule.name, ageMs: 0 },
    goodForMs: Math.min(GOOD_FOR_MS, (nearest?.untilMs ?? Number.POSITIVE_INFINITY) - nowMs),
  };
}
