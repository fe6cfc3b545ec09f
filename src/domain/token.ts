/** How long tokens that are made here are good, by whose they are. */
import { formatDuration } from "../base/duration.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import type { Principal } from "./principal.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Nobody may tell that a person has left: theirs end sooner. */
const LIFETIME_MS = {
  user: { otherwise: 30 * DAY_MS, most: 90 * DAY_MS },
  service: { otherwise: 90 * DAY_MS, most: 365 * DAY_MS },
} as const;
const OVERLAP_MS = { otherwise: HOUR_MS, most: 7 * DAY_MS };
/** That are good at one time, of one owner. */
export const TOKENS_MAX = 50;

export function lifetimeOf({ kind }: Principal, wantedMs: number | null): number | Refusal {
  const { otherwise, most } = LIFETIME_MS[kind];
  if (wantedMs === null || wantedMs <= most) return wantedMs ?? otherwise;
  return refuse(
    "invalid-duration",
    `A token of a ${kind === "user" ? "person" : "service"} lasts ${formatDuration(most)} at most.`,
  );
}

export function overlapOf(wantedMs: number | null): number | Refusal {
  if (wantedMs === null || wantedMs <= OVERLAP_MS.most) return wantedMs ?? OVERLAP_MS.otherwise;
  return refuse("invalid-duration", `The old token goes on for ${formatDuration(OVERLAP_MS.most)} at most.`);
}
