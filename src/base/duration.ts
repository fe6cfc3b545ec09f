/** Durations as people write them: `90s`, `15m`, `8h`, `2d`, `1h30m`. Always whole seconds, more than none, at most a year. */
import type { Brand } from "./ids.ts";

/** Milliseconds; a whole number of seconds between one second and 366 days. */
export type DurationMs = Brand<number, "duration">;

const UNITS = { d: 86_400, h: 3_600, m: 60, s: 1 } as const;
const DAYS_MAX = 366;

export type ParsedDuration = { ok: true; value: DurationMs } | { ok: false; why: string };

/** Reads a duration from anything that came over an edge; the answer says what is wrong and how to write it. */
export function parseDuration(input: unknown, daysMax = DAYS_MAX): ParsedDuration {
  if (typeof input !== "string") return wrong(`a duration is a text such as "1h", not ${shown(input)}`);
  const match = /^(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?$/.exec(input.trim());
  if (input.trim() === "" || match === null)
    return wrong(`"${input.slice(0, 40)}" is not a duration; write 90s, 15m, 8h, 2d or 1h30m`);
  const [, d, h, m, s] = match;
  const seconds = Number(d ?? 0) * UNITS.d + Number(h ?? 0) * UNITS.h + Number(m ?? 0) * UNITS.m + Number(s ?? 0);
  if (seconds === 0) return wrong("a duration must be longer than zero");
  if (seconds > daysMax * UNITS.d)
    return wrong(
      `a duration must be at most ${daysMax} days${daysMax === DAYS_MAX ? "; access is always for a limited time" : ""}`,
    );
  return { ok: true, value: (seconds * 1000) as DurationMs };
}

/** `1h30m` for 5,400,000; the shortest exact way to write it. Less than a second is shown as `0s`. */
export function formatDuration(ms: number): string {
  let seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds === 0) return "0s";
  let text = "";
  for (const [unit, size] of Object.entries(UNITS)) {
    const count = Math.floor(seconds / size);
    if (count > 0) text += `${count}${unit}`;
    seconds -= count * size;
  }
  return text;
}

const wrong = (why: string): ParsedDuration => ({ ok: false, why });
const shown = (input: unknown): string =>
  input === undefined ? "nothing" : (JSON.stringify(input)?.slice(0, 40) ?? typeof input);
