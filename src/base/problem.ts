/**
 * Every way in which Tidegate says no. The codes are API: clients switch on them, so one is never renamed.
 * Shown to people as problem details (RFC 9457) with type `urn:tidegate:problem:<code>`.
 */
export const PROBLEMS = {
  // 400: what was sent cannot be understood
  "malformed-request": [400, "The request could not be read"],
  "invalid-duration": [400, "The duration is not valid"],
  "invalid-input": [400, "Something in the request is not valid"],
  // 401
  unauthenticated: [401, "Sign in first"],
  "sign-in-refused": [401, "You could not be signed in"],
  "sign-in-expired": [401, "This sign-in is not under way any more"],
  "step-up-required": [401, "This needs a fresh sign-in"],
  // 403
  forbidden: [403, "You may not do this"],
  "out-of-scope": [403, "This token is not good for this"],
  "cross-site": [403, "This was not sent by a page of Tidegate"],
  "policy-denied": [403, "Policy does not allow this"],
  "self-review": [403, "Nobody reviews their own request"],
  "not-an-approver": [403, "You are not an approver of this request"],
  "principal-deactivated": [403, "This person is deactivated"],
  "emergency-not-available": [403, "Emergency access is switched off here"],
  "step-up-impossible": [403, "This needs a person who is signed in"],
  "no-approvers": [403, "Nobody can approve this"],
  "panic-in-force": [403, "A panic is in force"],
  // 404
  "not-found": [404, "There is no such thing, or you may not see it"],
  "unknown-bundle": [404, "There is no such bundle"],
  "unknown-entitlement": [404, "There is no such entitlement"],
  // 405, 406
  "method-not-allowed": [405, "This address does not take this method"],
  // 408
  "request-timeout": [408, "The request did not come in time"],
  // 409
  "request-decided": [409, "This request is already decided"],
  "config-decided": [409, "This configuration does not wait to be confirmed"],
  "already-exists": [409, "There is one already"],
  "already-reviewed": [409, "You have reviewed this request already"],
  "token-rotated": [409, "This token was rotated already"],
  "tokens-full": [409, "There are no more tokens to be had"],
  "comments-full": [409, "This request holds no more comments"],
  "grant-ended": [409, "This grant has ended"],
  "grant-not-active": [409, "This grant is not active yet"],
  "grant-not-scheduled": [409, "This grant does not wait to be activated"],
  "no-receipt": [409, "There is no receipt of this grant"],
  "credential-delivered": [409, "The credential was delivered already"],
  "idempotency-mismatch": [409, "This Idempotency-Key was used for something else"],
  "scope-changed": [409, "What was asked for has changed"],
  "not-erasable": [409, "Something of this person is not over yet"],
  // 410
  "request-expired": [410, "This request has expired"],
  // 412
  "request-changed": [412, "What is asked for has changed since you saw it"],
  // 413, 415, 431
  "body-too-large": [413, "The request is too large"],
  "unsupported-media-type": [415, "Send JSON"],
  "head-too-large": [431, "The head of the request is too large"],
  // 429
  "too-many-requests": [429, "Too many calls"],
  // 5xx
  internal: [500, "Tidegate failed; nothing was changed"],
  unavailable: [503, "Tidegate cannot answer now"],
  "provider-unavailable": [503, "The identity provider does not answer as it should"],
  "store-away": [503, "Tidegate's own store is away"],
  "audit-sink-late": [503, "The audit log does not get where it must"],
  quarantine: [503, "Tidegate is in quarantine"],
} as const satisfies Record<string, readonly [status: number, title: string]>;

export type ProblemCode = keyof typeof PROBLEMS;

/** What a refusal carries besides its code: a sentence for people, and members that clients may read. */
export type Refusal = {
  readonly refused: ProblemCode;
  /** What happened, why, and what to do next. */
  readonly detail: string;
  readonly extra: Readonly<Record<string, unknown>>;
};

/** A no, as a value: the operation returns it, the edge turns it into a problem. */
export function refuse(code: ProblemCode, detail: string, extra: Record<string, unknown> = {}): Refusal {
  return { refused: code, detail, extra };
}

export function isRefusal(value: unknown): value is Refusal {
  return typeof value === "object" && value !== null && "refused" in value && "detail" in value;
}

/** The wire form of RFC 9457. */
export type Problem = {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ProblemCode;
  [member: string]: unknown;
};

export function toProblem(refusal: Refusal): Problem {
  const [status, title] = PROBLEMS[refusal.refused];
  return {
    ...refusal.extra,
    type: `urn:tidegate:problem:${refusal.refused}`,
    title,
    status,
    detail: refusal.detail,
    code: refusal.refused,
  };
}
