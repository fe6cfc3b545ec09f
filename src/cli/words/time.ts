/** Moments as people read them: the clock's time, and how far away it is. In the reader's own time zone. */
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Nearer than this is "now". */
const NOW_MS = 1_000;

/** `40s`, `12m`, `1h 5m`, `2d 3h`: two units at most, rounded to the smaller one. */
export function roughly(ms: number): string {
  const seconds = Math.round(Math.max(0, ms) / 1000) * 1000;
  if (seconds < MINUTE_MS) return `${seconds / 1000}s`;
  const minutes = Math.round(seconds / MINUTE_MS) * MINUTE_MS;
  if (minutes < HOUR_MS) return `${minutes / MINUTE_MS}m`;
  if (minutes < DAY_MS) return twoUnits(minutes, HOUR_MS, "h", MINUTE_MS, "m");
  return twoUnits(Math.round(seconds / HOUR_MS) * HOUR_MS, DAY_MS, "d", HOUR_MS, "h");
}

function twoUnits(ms: number, big: number, bigUnit: string, small: number, smallUnit: string): string {
  const rest = Math.round((ms % big) / small);
  return `${Math.floor(ms / big)}${bigUnit}${rest === 0 ? "" : ` ${rest}${smallUnit}`}`;
}

/** `in 12m`, `3m ago`, `now`. */
export function away(atMs: number, nowMs: number): string {
  const ms = atMs - nowMs;
  if (Math.abs(ms) < NOW_MS) return "now";
  return ms > 0 ? `in ${roughly(ms)}` : `${roughly(-ms)} ago`;
}

/** `14:05`, with seconds where the moment is near enough for them to matter, with the date where it is another day. */
export function clockTime(atMs: number, nowMs: number, timeZone?: string): string {
  const at = new Date(atMs);
  const near = Math.abs(atMs - nowMs) < 2 * MINUTE_MS;
  const zone = timeZone === undefined ? {} : { timeZone };
  const time = at.toLocaleTimeString("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    ...(near ? { second: "2-digit" as const } : {}),
    ...zone,
  });
  const day = (date: Date): string =>
    date.toLocaleDateString("en-GB", { year: "numeric", month: "short", day: "numeric", ...zone });
  const [today, that] = [day(new Date(nowMs)), day(at)];
  if (today === that) return time;
  const year = today.slice(-4) === that.slice(-4) ? that.slice(0, -5) : that;
  return `${year} ${time}`;
}

/** `14:05, in 12m` for an RFC 3339 time; the text itself where it is none. */
export function moment(time: string, nowMs: number, timeZone?: string): string {
  const atMs = Date.parse(time);
  return Number.isFinite(atMs) ? `${clockTime(atMs, nowMs, timeZone)}, ${away(atMs, nowMs)}` : time;
}
