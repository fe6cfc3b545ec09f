import { formatDuration } from "../base/duration.ts";
import type { GrantView } from "../contract/access.ts";

export type What = { readonly entitlement: string; readonly durationMs: number };

/** What was asked for beside what is given, where that is less: narrower, or shorter. */
export function lessOf(asked: What, given: What): GrantView["less"] {
  if (asked.entitlement === given.entitlement && given.durationMs >= asked.durationMs) return null;
  return { asked: inWords(asked), given: inWords(given) };
}

const inWords = ({ entitlement, durationMs }: What) => ({ entitlement, duration: formatDuration(durationMs) });
