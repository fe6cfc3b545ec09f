const MINUTE_MS = 60_000;
const USUAL_MS = [5 * MINUTE_MS, MINUTE_MS];
/** A warning that comes with more than half of the time still left tells nobody anything. */
const SHARE_MAX = 1 / 2;
const SHARE_OF_SHORT = 1 / 4;

/** How long before the end people are warned, given how long they have: earliest first. */
export function warningsBefore(spanMs: number): number[] {
  const usual = USUAL_MS.filter((beforeMs) => beforeMs <= spanMs * SHARE_MAX);
  return usual.length > 0 ? usual : [Math.floor(spanMs * SHARE_OF_SHORT)];
}

/** The warnings that are still to come, as moments. */
export const warningTimes = (expiresMs: number, spanMs: number, nowMs: number): number[] =>
  warningsBefore(spanMs)
    .map((beforeMs) => expiresMs - beforeMs)
    .filter((atMs) => atMs > nowMs);
