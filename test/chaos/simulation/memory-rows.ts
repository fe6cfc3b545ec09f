/** What the ledger in memory keeps, and what it refuses to keep: the checks, references and the guard of the real tables. */
import type { EntryId, GrantId, PrincipalId, SecretId } from "../../../src/base/ids.ts";
import type { Grant } from "../../../src/domain/grant.ts";
import type { Lease } from "../../../src/domain/lease.ts";
import { dueMs } from "../../../src/domain/plan.ts";
import type { Principal } from "../../../src/domain/principal.ts";
import type { AccessRequest, Review } from "../../../src/domain/request.ts";
import type { ConfigVersion } from "../../../src/store/catalog.ts";
import type { SealPurpose } from "../../../src/store/sealed.ts";
import { Table, type Writes } from "./tables.ts";

export type GrantRow = {
  readonly grant: Grant;
  readonly receiptEntry: EntryId | null;
  readonly dueMs: number | null;
  readonly owner: string | null;
  readonly untilMs: number | null;
  readonly fence: number;
};
export type RightRow = { readonly owner: string; readonly fence: number; readonly untilMs: number };
export type SecretRow = { readonly purpose: SealPurpose; readonly keyId: string; readonly value: string };
export type CallRow = { readonly hash: string; readonly result: unknown };

export class Rows {
  readonly grants = new Table<GrantId, GrantRow>("grants");
  /** By grant: it has one at most. */
  readonly leases = new Table<GrantId, Lease>("leases");
  readonly rights = new Table<string, RightRow>("right_claims");
  readonly requests = new Table<AccessRequest["id"], AccessRequest>("requests");
  /** A row for each time that somebody asked for another look, by its number as text. */
  readonly looks = new Table<string, AccessRequest["id"]>("requests_to_look_at");
  readonly reviews = new Table<Review["id"], Review>("reviews");
  readonly principals = new Table<PrincipalId, Principal>("principals");
  /** By issuer and subject. */
  readonly identities = new Table<string, PrincipalId>("principal_identities");
  readonly secrets = new Table<SecretId, SecretRow>("sealed_secrets");
  /** By number, as text. */
  readonly versions = new Table<string, ConfigVersion>("config_versions");
  readonly active = new Table<"active", number>("config_active");
  readonly calls = new Table<string, CallRow>("idempotency_keys");
}

/** Nobody works on it, or whoever did has not said so for a claim's lifetime. */
export const isFree = (untilMs: number | null, nowMs: number): boolean => untilMs === null || untilMs < nowMs;

/** A row that the real tables would refuse. */
export class RowRefused extends Error {
  override readonly name = "RowRefused";
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new RowRefused(what);
}

const SECOND_MS = 1_000;
const LEAP_YEAR_MS = 366 * 86_400_000;
const isDuration = (ms: number): boolean => Number.isInteger(ms) && ms >= SECOND_MS && ms <= LEAP_YEAR_MS;
const isTime = (ms: number | null): boolean => ms === null || Number.isFinite(ms);

/** The row as it becomes; its claim and fence are never written by this. */
export function grantRow(writes: Writes, rows: Rows, grant: Grant, receiptEntry: EntryId | null): GrantRow {
  const old = writes.get(rows.grants, grant.id);
  const ended = ["revoking", "revoked", "failed", "cancelled"].includes(grant.state);
  const closed = grant.state === "revoked" || grant.state === "failed";
  check(isDuration(grant.durationMs), `grants.duration_ms is ${grant.durationMs}`);
  check(isTime(grant.startsMs) && isTime(grant.expiresMs) && isTime(grant.activateByMs), "a time is not finite");
  check(grant.expiresMs > grant.startsMs, `grant ${grant.id} would end before it starts`);
  check(ended === "ending" in grant, `grant ${grant.id} is ${grant.state} and ${ended ? "has no" : "has an"} ending`);
  check(closed === "receipt" in grant, `grant ${grant.id} is ${grant.state}, and its receipt does not fit`);
  check(writes.get(rows.requests, grant.requestId) !== undefined, `there is no request ${grant.requestId}`);
  check(writes.get(rows.principals, grant.principalId) !== undefined, `there is no principal ${grant.principalId}`);
  if (old === undefined)
    check(
      !writes.all(rows.grants).some((row) => row.grant.requestId === grant.requestId),
      `request ${grant.requestId} has a grant`,
    );
  else if (["revoking", "revoked", "failed", "cancelled"].includes(old.grant.state))
    check(ended, `grant ${grant.id} is ${old.grant.state}, it never becomes ${grant.state} again`);
  return {
    owner: null,
    untilMs: null,
    fence: 0,
    ...old,
    grant,
    receiptEntry: closed ? (receiptEntry ?? old?.receiptEntry ?? null) : null,
    dueMs: dueMs(grant),
  };
}

export function checkLease(writes: Writes, rows: Rows, lease: Lease): void {
  const old = writes.get(rows.leases, lease.grantId);
  check(old === undefined || old.id === lease.id, `grant ${lease.grantId} has a lease`);
  check(writes.get(rows.grants, lease.grantId) !== undefined, `there is no grant ${lease.grantId}`);
  const { secretId } = lease;
  check(secretId === null || writes.get(rows.secrets, secretId) !== undefined, `there is no secret ${secretId}`);
}

export function checkRequest(request: AccessRequest): void {
  check(isDuration(request.durationMs), `requests.duration_ms is ${request.durationMs}`);
  check(isTime(request.startMs) && isTime(request.expiresMs), "a time is not finite");
  check((request.state === "pending") === (request.decidedMs === null), `request ${request.id} is ${request.state}`);
}

export function checkReview(writes: Writes, rows: Rows, review: Review): void {
  check(review.durationMs === null || isDuration(review.durationMs), `reviews.duration_ms is ${review.durationMs}`);
  const same = (other: Review): boolean =>
    other.id !== review.id &&
    other.requestId === review.requestId &&
    other.reviewerId === review.reviewerId &&
    other.voidedMs === null;
  check(review.voidedMs !== null || !writes.all(rows.reviews).some(same), `${review.reviewerId} has reviewed it`);
}
