/**
 * A request as policy was asked about it, kept so that it can be asked again: of other rules, later, elsewhere. Plain JSON,
 * for it goes out of the store, over the API and into files.
 */
import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import type { Circumstances } from "./circumstances.ts";
import type { Facts } from "./facts.ts";
import type { Grant } from "./grant.ts";
import type { Extension, Outcome } from "./policy.ts";
import type { Principal } from "./principal.ts";
import type { AccessRequest, RequestState } from "./request.ts";

/** What policy looks at of a person. */
export type UserFacts = Omit<Circumstances["user"], "id">;

export type RecordedRequest = {
  readonly id: string;
  /** When policy was asked; RFC 3339. */
  readonly at: string;
  readonly user: Omit<UserFacts, "manager"> & { readonly id: string; readonly manager: string | null };
  /** `then`: all is as it was when policy was asked. `now`: the person, or the length of an extension, was not kept and is as it is now. */
  readonly asOf: "then" | "now";
  readonly entitlement: string;
  /** What policy judged: of an extension the whole time that it would have made. */
  readonly duration: string;
  /** Null: a new grant was asked for. `total` and `count` are of the extensions before, `add` of this one. */
  readonly extension: { readonly count: number; readonly total: string; readonly add: string } | null;
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

const userFacts = ({ kind, handle, name, email, type, groups, manager }: Principal): UserFacts => ({
  ...{ kind, handle, name, email, type, groups },
  ...(manager === undefined ? {} : { manager }),
});

/** What is stored with a request. `extension`: of more time on a grant, what policy judged. */
export const factsToKeep = (
  facts: Facts,
  person: Principal,
  { durationMs, extension }: Pick<Circumstances["request"], "durationMs" | "extension">,
): JsonObject =>
  ({
    ...facts,
    user: userFacts(person),
    ...(extension === undefined ? {} : { judged: { durationMs, extension } }),
  }) as unknown as JsonObject;

/** `requester` and `extended` as they are now: for what was stored before these were kept with the request. */
export function recordedRequest(request: AccessRequest, requester: Principal, extended: Grant | null): RecordedRequest {
  const { user, judged: kept, ...facts } = request.facts as unknown as Facts;
  const judged = kept ?? judgedNow(request, extended);
  const { outcome, rule } = request.decision;
  const { id, entitlement, reason, ticket, emergency, state, configVersion } = request;
  return {
    ...{ id, entitlement, reason, ticket, emergency, state, configVersion, facts },
    at: toTimestamp(request.createdMs),
    user: { id: request.requesterId, manager: null, ...(user ?? userFacts(requester)) },
    asOf: user === undefined || (extended !== null && kept === undefined) ? "now" : "then",
    duration: formatDuration(judged.durationMs),
    extension: judged.extension === null ? null : inWords(judged.extension),
    start: request.startMs === null ? null : toTimestamp(request.startMs),
    decision: { outcome, rule },
  };
}

const inWords = ({ count, totalMs, addMs }: Extension): NonNullable<RecordedRequest["extension"]> => ({
  ...{ count, total: formatDuration(totalMs), add: formatDuration(addMs) },
});

/** Of an extension: with all that was added since, by this request and by later ones. */
function judgedNow({ durationMs, state }: AccessRequest, extended: Grant | null) {
  if (extended === null) return { durationMs, extension: null };
  const wholeMs = extended.durationMs + (state === "approved" ? 0 : durationMs);
  return { durationMs: wholeMs, extension: { count: extended.extensions, totalMs: 0, addMs: durationMs } };
}
