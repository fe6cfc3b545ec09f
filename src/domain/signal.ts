/**
 * What a provider says of its people without being asked: security event tokens (RFC 8417) as the Shared Signals Framework
 * 1.0 sends them, with events of CAEP and RISC. Pure: whether the token is signed is looked at before (`src/identity/signals.ts`).
 */
import type { Json, JsonObject } from "../base/canonical.ts";

/** Who may send, of whose people, and what comes of it. */
export type Transmitter = {
  readonly name: string;
  /** The provider whose people it speaks of: nobody else's. */
  readonly provider: string;
  /** Of its tokens; compared letter by letter. */
  readonly issuer: string;
  /** Where its keys are; null: where its own settings say. */
  readonly jwksUri: string | null;
  readonly audience: string;
  readonly ends: SignalEnds;
};

/** `access`: sessions here, and every live grant. */
export const SIGNAL_ENDS = ["access", "sessions"] as const;
export type SignalEnds = (typeof SIGNAL_ENDS)[number];

/** RFC 8935, section 2.4. */
export type SetErrorCode =
  | "invalid_request"
  | "invalid_key"
  | "invalid_issuer"
  | "invalid_audience"
  | "authentication_failed";
/** What the transmitter is told; it holds nothing of what was sent. */
export type SetError = { readonly err: SetErrorCode; readonly description: string };
export const isSetError = (value: object): value is SetError => "err" in value;

const CAEP = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC = "https://schemas.openid.net/secevent/risc/event-type/";
/** The events that end something. An account that is no more never keeps access, whatever the file says. */
const EVENTS: Readonly<Record<string, { readonly event: string; readonly account: boolean }>> = {
  [`${CAEP}session-revoked`]: { event: "session-revoked", account: false },
  [`${CAEP}credential-change`]: { event: "credential-change", account: false },
  [`${RISC}account-disabled`]: { event: "account-disabled", account: true },
  [`${RISC}account-purged`]: { event: "account-purged", account: true },
};

export type Signal = {
  readonly id: string;
  readonly issuedMs: number;
  /** The event in short; of one that ends nothing here, its whole name. */
  readonly event: string;
  /** Null: nothing ends. */
  readonly about: { readonly issuer: string; readonly subject: string; readonly account: boolean } | null;
};

const WORD_CHARS_MAX = 255;

/** Reads the claims of a token whose issuer, audience and time have been looked at. */
export function signalOf({ jti, iat, events, sub_id: subId }: JsonObject): Signal | SetError {
  if (!isWord(jti) || typeof iat !== "number") return no("the token has no jti or no iat");
  const [[name, event] = [], ...more] = Object.entries(isMap(events) ? events : {});
  if (name === undefined || !isWord(name) || !isMap(event) || more.length > 0)
    return no("the token must hold one event");
  const signal = { id: jti, issuedMs: iat * 1_000 };
  const known = Object.hasOwn(EVENTS, name) ? EVENTS[name] : undefined;
  if (known === undefined) return { ...signal, event: name, about: null };
  // Before version 1.0 of the framework the subject stood in the event.
  const who = subjectOf(subId ?? event["subject"]);
  if (who === null) return no("people are known here by issuer and subject: send sub_id in the format iss_sub");
  return { ...signal, event: known.event, about: { ...who, account: known.account } };
}

/** Of a complex subject its user: which of their sessions or devices is meant makes no difference here. */
function subjectOf(value: Json | undefined): { issuer: string; subject: string } | null {
  if (!isMap(value)) return null;
  const format = value["format"] ?? value["subject_type"];
  if (format === undefined || format === "complex") return isMap(value["user"]) ? subjectOf(value["user"]) : null;
  const { iss, sub } = value;
  return (format === "iss_sub" || format === "iss-sub") && isWord(iss) && isWord(sub)
    ? { issuer: iss, subject: sub }
    : null;
}

const no = (description: string): SetError => ({ err: "invalid_request", description });
const isMap = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isWord = (value: Json | undefined): value is string =>
  typeof value === "string" &&
  value !== "" &&
  value.length <= WORD_CHARS_MAX &&
  value.isWellFormed() &&
  !/\p{Cc}/u.test(value);
