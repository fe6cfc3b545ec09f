/**
 * What the clocks of a time zone show, and when. A *wall time* is what they show, counted in milliseconds as if they showed
 * UTC: between two of them lie as many hours as anybody reads off, whether or not the clocks were set meanwhile.
 */

const DAY_MS = 86_400_000;

export function wallOf(zone: string, atMs: number): number {
  const parts = formatOf(zone).formatToParts(atMs);
  const part = (type: Intl.DateTimeFormatPartTypes): number =>
    Number(parts.find((one) => one.type === type)?.value ?? Number.NaN);
  const seconds = Date.UTC(
    ...([part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second")] as const),
  );
  return seconds + (((atMs % 1_000) + 1_000) % 1_000);
}

/**
 * When the clocks first show it. A time that they leave out is as long after the last one that they show as it says: where
 * 02:00 is followed by 03:00, 02:30 is what they call 03:30.
 */
export function instantOf(zone: string, wallMs: number): number {
  // No zone sets its clocks twice within two days: one of these offsets holds, or either does.
  const [before, after] = [wallMs - DAY_MS, wallMs + DAY_MS].map((atMs) => wallMs - (wallOf(zone, atMs) - atMs));
  const shown = [before, after].filter((atMs) => atMs !== undefined && wallOf(zone, atMs) === wallMs) as number[];
  return shown.length === 0 ? (before as number) : Math.min(...shown);
}

/** Making one costs far more than using it. */
const formats = new Map<string, Intl.DateTimeFormat>();
function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    ...{ timeZone, hourCycle: "h23", calendar: "gregory" },
    ...{ year: "numeric", month: "2-digit", day: "2-digit" },
    ...{ hour: "2-digit", minute: "2-digit", second: "2-digit" },
  });
  formats.set(timeZone, format);
  return format;
}

export function isTimeZone(name: string): boolean {
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}
