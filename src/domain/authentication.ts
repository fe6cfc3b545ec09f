/**
 * How freshly, and how strongly, somebody has shown who they are: what a rule demands of that, and what their session knows.
 * What is not known meets no demand.
 */
import type { Json, JsonObject } from "../base/canonical.ts";
import { formatDuration } from "../base/duration.ts";
import { given } from "../base/given.ts";

export type Demand = {
  /** Their provider has seen them sign in no longer ago than this. */
  readonly maxAgeMs?: number;
  /** It calls the way in which they did one of these (OpenID Connect: acr). */
  readonly acr?: readonly string[];
  /** A passkey of theirs answers for this very act. */
  readonly passkey?: true;
};

/** Of who asks, and of who reviews; left out: nothing. */
export type Demands = { readonly request?: Demand; readonly review?: Demand };

/** What a provider says of how it saw somebody sign in. */
export type SeenByProvider = {
  /** By its clock; null: it does not say. */
  readonly atMs: number | null;
  readonly acr: string | null;
  readonly amr: readonly string[];
};

/** What the session of a call knows, when it is made. A token shows nothing. */
export type Authentication = SeenByProvider & {
  /** When a passkey answered for this very act; null: none did. What was kept before there were any lacks it. */
  readonly passkeyMs?: number | null;
};

/** So long a passkey that has answered is good for the act. */
export const PASSKEY_MS = 5 * 60_000;

const WORD_CHARS_MAX = 200;
const WORDS_MAX = 20;

/** As an ID token says it (auth_time, acr, amr). */
export function seenByProvider({ auth_time, acr, amr }: Readonly<Record<string, Json | undefined>>): SeenByProvider {
  const isWord = (word: unknown): word is string => typeof word === "string" && word.length <= WORD_CHARS_MAX;
  return {
    atMs: typeof auth_time === "number" && Number.isSafeInteger(auth_time) && auth_time > 0 ? auth_time * 1_000 : null,
    acr: isWord(acr) ? acr : null,
    amr: (Array.isArray(amr) ? amr : []).filter(isWord).slice(0, WORDS_MAX),
  };
}

/** Clocks differ; a provider cannot have seen what is yet to come. */
const TOLERANCE_MS = 30_000;
export const notLater = (seen: SeenByProvider, nowMs: number): SeenByProvider => ({
  ...{ acr: seen.acr, amr: seen.amr },
  atMs: seen.atMs === null || seen.atMs > nowMs + TOLERANCE_MS ? null : Math.min(seen.atMs, nowMs),
});

/** What is still to be shown; null: nothing. */
export function lacking(demand: Demand | undefined, shown: Authentication | null, nowMs: number): Demand | null {
  if (demand === undefined) return null;
  const { maxAgeMs, acr, passkey } = demand;
  const isFresh = maxAgeMs === undefined || (shown !== null && shown.atMs !== null && nowMs - shown.atMs <= maxAgeMs);
  const isOfKind = acr === undefined || (shown !== null && shown.acr !== null && acr.includes(shown.acr));
  const at = shown?.passkeyMs ?? null;
  const isAnswered = passkey === undefined || (at !== null && nowMs - at <= PASSKEY_MS);
  if (isFresh && isOfKind && isAnswered) return null;
  return {
    ...(isFresh && isOfKind
      ? {}
      : { ...(maxAgeMs === undefined ? {} : { maxAgeMs }), ...(acr === undefined ? {} : { acr }) }),
    ...(isAnswered ? {} : { passkey: true as const }),
  };
}

/** What of it the provider has a say in. */
export const ofProvider = ({ maxAgeMs, acr }: Demand): Demand =>
  given({ maxAgeMs: maxAgeMs ?? null, acr: acr ?? null });
export const wantsSignIn = ({ maxAgeMs, acr }: Demand): boolean => maxAgeMs !== undefined || acr !== undefined;

export function demandInWords(demand: Demand): string {
  const { maxAgeMs, acr, passkey } = demand;
  const key = "a passkey that answers for this very act";
  if (!wantsSignIn(demand)) return key;
  const age = maxAgeMs === undefined ? "" : ` no older than ${formatDuration(maxAgeMs)}`;
  return `a sign-in${age}${acr === undefined ? "" : ` of the kind ${acr.join(" or ")} (acr)`}${passkey === undefined ? "" : ` and ${key}`}`;
}

/** As it was kept with a request; null: nothing was known. */
export const authenticationIn = (facts: JsonObject): Authentication | null =>
  (facts["authentication"] as Authentication | undefined) ?? null;

/** With what it was done, in an entry of the log. */
export const forTheLog = (shown: Authentication | null | undefined): JsonObject =>
  shown == null ? {} : { authentication: { ...shown, amr: [...shown.amr] } };

/** Whether nobody gets through with less than before. */
export const demandsNoLess = (before: Demands | undefined, after: Demands | undefined): boolean =>
  noLess(before?.request, after?.request) && noLess(before?.review, after?.review);

function noLess(before: Demand = {}, after: Demand = {}): boolean {
  const { maxAgeMs = Number.POSITIVE_INFINITY, acr } = after;
  const old = before.acr;
  if (before.passkey === true && after.passkey !== true) return false;
  return (
    maxAgeMs <= (before.maxAgeMs ?? Number.POSITIVE_INFINITY) &&
    (old === undefined || acr?.every((one) => old.includes(one)) === true)
  );
}

/** A line for each side of which something is demanded. */
export const authenticationLines = ({ request, review }: Demands): string[] => [
  ...(request === undefined ? [] : [`whoever asks shows ${demandInWords(request)}`]),
  ...(review === undefined ? [] : [`whoever reviews shows ${demandInWords(review)}`]),
];

/** Of two sides what is there. */
export const demandsOf = (request: Demand | null, review: Demand | null): Demands => given({ request, review });
