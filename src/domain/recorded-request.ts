/**
 * A request as policy was asked about it, kept so that it can be asked again: of other rules, later, elsewhere. Plain JSON,
 * for it goes out of the store, over the API and into files.
 */
import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import type { Circumstances } from "./expression.ts";
import type { Facts } from "./facts.ts";
import type { Grant } from "./grant.ts";
import type { Outcome } from "./policy.ts";
import type { Principal } from "./principal.ts";
import type { AccessRequest, RequestState } from "./request.ts";

/** What policy looks at of a person. */
export type UserFacts = Omit<Circumstances["user"], "id">;

export type RecordedRequest = {
  readonly id: string;
  /** When policy was asked; RFC 3339. */
  readonly at: string;
  readonly user: UserFacts & { readonly id: string };
  /** `then`: all is as it was when policy was asked. `now`: the person, or the length of an extension, was not kept and is as it is now. */
  readonly asOf: "then" | "now";
  readonly entitlement: string;
  /** What policy judged: of an extension the whole time that it would have made. */
  readonly duration: string;
  readonly extension: boolean;
  readonly reason: string;
  readonly ticket: string;
  /** RFC 3339, or null: at once. */
  readonly start: string | null;
  readonly emergency: boolean;
  /** What was looked up about the world, as it was stored. */
  readonly facts: { readonly [name: string]: unknown };
  readonly state: RequestState;
  readonly decision: { readonly outcome: Outcome; readonly rule: string | null };
  readonly configVersion: number;
};

const userFacts = ({ kind, handle, name, email, type, groups }: Principal): UserFacts => ({
  ...{ kind, handle, name, email, type, groups },
});

/** What is stored with a request. `judgedMs`: of an extension, the whole time that policy judged. */
export const factsToKeep = (facts: Facts, person: Principal, judgedMs: number | null): JsonObject =>
  ({ ...facts, user: userFacts(person), ...(judgedMs === null ? {} : { judgedMs }) }) as unknown as JsonObject;

/** `requester` and `extended` as they are now: for what was stored before these were kept with the request. */
export function recordedRequest(request: AccessRequest, requester: Principal, extended: Grant | null): RecordedRequest {
  const { user, judgedMs, ...facts } = request.facts as unknown as Facts;
  const kept = user !== undefined && (extended === null || judgedMs !== undefined);
  const { outcome, rule } = request.decision;
  const { id, entitlement, reason, ticket, emergency, state, configVersion } = request;
  return {
    ...{ id, entitlement, reason, ticket, emergency, state, configVersion, facts },
    at: toTimestamp(request.createdMs),
    user: { id: request.requesterId, ...(user ?? userFacts(requester)) },
    asOf: kept ? "then" : "now",
    duration: formatDuration(judgedMs ?? wholeMs(request, extended)),
    extension: extended !== null,
    start: request.startMs === null ? null : toTimestamp(request.startMs),
    decision: { outcome, rule },
  };
}

/** With what was added by this request, whether or not it was granted, and by later ones. */
function wholeMs(request: AccessRequest, extended: Grant | null): number {
  if (extended === null) return request.durationMs;
  return extended.durationMs + (request.state === "approved" ? 0 : request.durationMs);
}
