/** Moments as people read them: the clock's time, and how far away it is. In the reader's own time zone. */
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `40s`, `12m`, `1h 5m`, `2d 3h`: two units at most, rounded down. */
export function roughly(ms: number): string {
  const rest = Math.max(0, ms);
  if (rest < MINUTE_MS) return `${Math.floor(rest / 1000)}s`;
  if (rest < HOUR_MS) return `${Math.floor(rest / MINUTE_MS)}m`;
  if (rest < DAY_MS) return twoUnits(Math.floor(rest / HOUR_MS), "h", Math.floor((rest % HOUR_MS) / MINUTE_MS), "m");
  return twoUnits(Math.floor(rest / DAY_MS), "d", Math.floor((rest % DAY_MS) / HOUR_MS), "h");
}

const twoUnits = (big: number, bigUnit: string, small: number, smallUnit: string): string =>
  small === 0 ? `${big}${bigUnit}` : `${big}${bigUnit} ${small}${smallUnit}`;

/** `in 12m`, `3m ago`, `now`. */
export function away(atMs: number, nowMs: number): string {
  const ms = atMs - nowMs;
  if (Math.abs(ms) < 1000) return "now";
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
