/**
 * Hours of the week in a time zone: `mon` to `fri` from 08:00 to 18:00 in Berlin. A window whose end is not after its
 * start goes past midnight, and belongs to the day on which it starts.
 */

import { wallOf } from "./zone.ts";

export const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
export type Day = (typeof DAYS)[number];

export type Hours = {
  /** IANA name, as in the tz database. */
  readonly zone: string;
  readonly days: readonly Day[];
  /** Minutes after midnight; `to` is not included, 1440 is the end of the day. */
  readonly fromMinute: number;
  readonly toMinute: number;
};

const DAY_MINUTES = 1_440;

/** False for what is not a time. Throws for a zone that is not known: the reader of the configuration refuses those. */
export function isWithin({ zone, days, fromMinute, toMinute }: Hours, atMs: number): boolean {
  const local = localTime(zone, atMs);
  if (local === null) return false;
  const { day, minute } = local;
  if (toMinute > fromMinute) return days.includes(day) && minute >= fromMinute && minute < toMinute;
  const before = DAYS[(DAYS.indexOf(day) + 6) % 7] as Day;
  return (days.includes(day) && minute >= fromMinute) || (days.includes(before) && minute < toMinute);
}

const MINUTE_MS = 60_000;

/** When a window opens next, to the minute; null where it is open, or that is not a time. */
export function opensMs(hours: Hours, fromMs: number): number | null {
  if (Number.isNaN(new Date(fromMs).getTime()) || isWithin(hours, fromMs)) return null;
  let atMs = Math.floor(fromMs / MINUTE_MS) * MINUTE_MS;
  // From one day's opening to the next; a day too many, because the first may have gone by.
  for (let day = 0; day <= DAYS.length; day += 1) {
    const ahead = (hours.fromMinute - minuteOf(hours, atMs) + DAY_MINUTES) % DAY_MINUTES || DAY_MINUTES;
    atMs += ahead * MINUTE_MS;
    // Clocks may have been set meanwhile. A time that they leave out is the moment after.
    const off = ((hours.fromMinute - minuteOf(hours, atMs) + DAY_MINUTES * 1.5) % DAY_MINUTES) - DAY_MINUTES / 2;
    if (isWithin(hours, atMs + off * MINUTE_MS)) return atMs + off * MINUTE_MS;
    if (isWithin(hours, atMs)) return atMs;
  }
  return null;
}

const minuteOf = ({ zone }: Hours, atMs: number): number => localTime(zone, atMs)?.minute ?? 0;

function localTime(timeZone: string, atMs: number): { day: Day; minute: number } | null {
  if (Number.isNaN(new Date(atMs).getTime())) return null;
  const wall = new Date(wallOf(timeZone, atMs));
  return { day: DAYS[wall.getUTCDay()] as Day, minute: wall.getUTCHours() * 60 + wall.getUTCMinutes() };
}

/** `08:00–18:00 on mon, tue (Europe/Berlin)`. */
export const hoursInWords = ({ zone, days, fromMinute, toMinute }: Hours): string =>
  `${clock(fromMinute)}–${clock(toMinute)}${days.length === DAYS.length ? "" : ` on ${days.join(", ")}`} (${zone})`;

const clock = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;

/** `18:30` → 1110; null where it is no time of a day. `24:00` is the end of the day. */
export function parseClock(text: string): number | null {
  const [, hours, minutes] = /^(\d{2}):(\d{2})$/.exec(text) ?? [];
  const minute = Number(hours) * 60 + Number(minutes);
  return Number(minutes) < 60 && minute <= DAY_MINUTES ? minute : null;
}
