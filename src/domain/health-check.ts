/** How a check is written down. */
import { type CheckName, type HealthCheck, LEVELS, type Level } from "./health-facts.ts";

export const worst = (levels: readonly Level[]): Level =>
  LEVELS[Math.max(0, ...levels.map((level) => LEVELS.indexOf(level)))] ?? "red";

export type Bad = { level: Level; says: string; ageMs?: number | null; todo: string; runbook: string };

export const green = (name: CheckName, says: string, subject: string | null = null): HealthCheck => ({
  ...{ name, subject, level: "green", says, sinceMs: null, todo: null, runbook: null },
});

export function bad(
  name: CheckName,
  nowMs: number,
  { level, says, ageMs, todo, runbook }: Bad,
  subject: string | null = null,
) {
  const sinceMs = ageMs === undefined || ageMs === null ? null : nowMs - ageMs;
  return { name, subject, level, says, sinceMs, todo, runbook };
}

export function levelAt(ms: number, { yellow, red }: { readonly yellow: number; readonly red: number }): Level {
  if (ms > red) return "red";
  return ms > yellow ? "yellow" : "green";
}

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
export const many = (count: number, one: string, more = `${one}s`): string => `${count} ${count === 1 ? one : more}`;
