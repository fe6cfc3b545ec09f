/** Which version of a request somebody has seen: nobody approves what they have not. */
import { toTimestamp } from "../base/clock.ts";
import { hashOf } from "../base/hash.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import { type AccessRequest, onOffer, type Review } from "../domain/request.ts";

const VERSION_CHARS = 16;

/** Names what is asked for and on offer now: who sends it back has seen just that. */
export function versionOf(request: AccessRequest): string {
  const { id, durationMs, reason, ticket, startMs, activation, emergency } = request;
  const asked = [id, onOffer(request), durationMs, reason, ticket, startMs, activation, emergency];
  return hashOf(asked).slice(0, VERSION_CHARS);
}

/** Refused where it is not what the caller has seen. `seen` null: they do not say. */
export const changedSince = (request: AccessRequest, seen: string | null): Refusal | null =>
  seen === null || seen === versionOf(request)
    ? null
    : hasChanged(request, "What is asked for has changed since you saw it. Look at it again, then decide.");

/** Who approves has seen what they approve. What was never edited there is only one of; of what was, they say which they saw. */
export function notAsSeen(
  request: AccessRequest,
  { verdict, seen }: { readonly verdict: Review["verdict"]; readonly seen: string | null },
): Refusal | null {
  if (request.state !== "pending") return null;
  if (verdict === "deny" || request.editedMs === null || seen !== null) return changedSince(request, seen);
  return hasChanged(
    request,
    `Its requester changed this request at ${toTimestamp(request.editedMs)}. Look at it, then approve it with the version that you saw (If-Match).`,
  );
}

const hasChanged = (request: AccessRequest, detail: string): Refusal =>
  refuse("request-changed", detail, { requestId: request.id, version: versionOf(request) });
