import { type RawBuilder, type Selectable, sql } from "kysely";
import type { JsonObject } from "../base/canonical.ts";
import { toTimestamp } from "../base/clock.ts";
import type { BundleId, GrantId, PrincipalId, RequestId, ReviewId } from "../base/ids.ts";
import { NOT_GIVEN } from "../domain/end-cause.ts";
import type { EntitlementRef } from "../domain/entitlement.ts";
import { nextEscalationMs } from "../domain/escalation.ts";
import type { Decision } from "../domain/policy.ts";
import type {
  AccessRequest,
  Activation,
  EmergencyReview,
  EmergencyVerdict,
  RequestState,
  Review,
} from "../domain/request.ts";
import { at, type Db, json, type Tables, type Tx, timeOrNull } from "./db.ts";

export function toRequest(row: Selectable<Tables["requests"]>): AccessRequest {
  return {
    id: row.id as RequestId,
    parentId: row.parent_id as BundleId | null,
    requesterId: row.requester_id as PrincipalId,
    extendsGrantId: row.extends_grant_id as GrantId | null,
    entitlement: row.entitlement as EntitlementRef,
    scopeHash: row.scope_hash,
    narrowedTo: row.narrowed_to as AccessRequest["narrowedTo"],
    durationMs: row.duration_ms,
    reason: row.reason,
    ticket: row.ticket,
    startMs: row.start_at,
    activation: row.activation as Activation,
    via: row.via as AccessRequest["via"],
    emergency: row.emergency,
    state: row.state as RequestState,
    endedBecause: row.ended_because,
    decision: row.decision as unknown as Decision,
    facts: row.facts as JsonObject,
    configVersion: row.config_version,
    createdMs: row.created_at,
    editedMs: row.edited_at,
    expiresMs: row.expires_at,
    decidedMs: row.decided_at,
    grantId: row.grant_id as GrantId | null,
    emergencyReview: toEmergencyReview(row),
  };
}

function toEmergencyReview(row: Selectable<Tables["requests"]>): EmergencyReview | null {
  if (row.review_due_at === null) return null;
  const remindMs = row.review_remind_at ?? row.review_due_at;
  if (row.reviewed_at === null) return { dueMs: row.review_due_at, remindMs, done: null };
  return {
    dueMs: row.review_due_at,
    remindMs,
    done: {
      verdict: row.review_verdict as EmergencyVerdict,
      reviewerId: row.reviewed_by as PrincipalId,
      comment: row.review_comment ?? "",
      atMs: row.reviewed_at,
    },
  };
}

export function toReview(row: Selectable<Tables["reviews"]>): Review {
  return {
    id: row.id as ReviewId,
    requestId: row.request_id as RequestId,
    reviewerId: row.reviewer_id as PrincipalId,
    verdict: row.verdict as Review["verdict"],
    comment: row.comment,
    durationMs: row.duration_ms,
    entitlement: row.entitlement as EntitlementRef,
    scopeHash: row.scope_hash,
    createdMs: row.created_at,
    voidedMs: row.voided_at,
    ...(row.stands_for.length === 0 ? {} : { standsFor: row.stands_for as PrincipalId[] }),
    ...(row.authentication === null ? {} : { authentication: row.authentication }),
  };
}

export const REQUEST_COLUMNS = `id, parent_id, requester_id, extends_grant_id, resource, entitlement, scope_hash, narrowed_to, duration_ms,
  reason, ticket, start_at, activation, via, emergency, state, ended_because, decision, facts, config_version, created_at, edited_at,
  expires_at, decided_at, grant_id, review_due_at, review_remind_at, review_verdict, reviewed_by, review_comment, reviewed_at, escalates_at`;

/** The request as it is now. */
export const requestRow = (request: AccessRequest) => ({
  id: request.id,
  parent_id: request.parentId,
  requester_id: request.requesterId,
  extends_grant_id: request.extendsGrantId,
  resource: request.entitlement.split(":")[0] ?? "",
  entitlement: request.entitlement,
  scope_hash: request.scopeHash,
  narrowed_to: request.narrowedTo,
  duration_ms: request.durationMs,
  reason: request.reason,
  ticket: request.ticket,
  start_at: timeOrNull(request.startMs),
  activation: request.activation,
  via: request.via,
  emergency: request.emergency,
  state: request.state,
  ended_because: request.endedBecause,
  decision: request.decision,
  facts: request.facts,
  config_version: request.configVersion,
  created_at: toTimestamp(request.createdMs),
  edited_at: timeOrNull(request.editedMs),
  expires_at: toTimestamp(request.expiresMs),
  decided_at: timeOrNull(request.decidedMs),
  grant_id: request.grantId,
  review_due_at: timeOrNull(request.emergencyReview?.dueMs ?? null),
  review_remind_at: timeOrNull(request.emergencyReview?.remindMs ?? null),
  review_verdict: request.emergencyReview?.done?.verdict ?? null,
  reviewed_by: request.emergencyReview?.done?.reviewerId ?? null,
  review_comment: request.emergencyReview?.done?.comment ?? null,
  reviewed_at: timeOrNull(request.emergencyReview?.done?.atMs ?? null),
  escalates_at: timeOrNull(nextEscalationMs(request)),
});

export async function putReview(tx: Tx, review: Review): Promise<void> {
  const row = {
    request_id: review.requestId,
    reviewer_id: review.reviewerId,
    verdict: review.verdict,
    comment: review.comment,
    duration_ms: review.durationMs,
    entitlement: review.entitlement,
    scope_hash: review.scopeHash,
    created_at: toTimestamp(review.createdMs),
    voided_at: timeOrNull(review.voidedMs),
    stands_for: json(review.standsFor ?? []),
    authentication: review.authentication === undefined ? null : json(review.authentication),
  };
  await tx
    .insertInto("reviews")
    .values({ id: review.id, ...row })
    .onConflict((conflict) => conflict.column("id").doUpdateSet(row))
    .execute();
}

export async function findRequest(db: Db | Tx, id: RequestId): Promise<AccessRequest | null> {
  const row = await db.selectFrom("requests").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : toRequest(row);
}

/** The request, held until the transaction ends: fifty approvals at once are decided one after another. */
export async function lockRequest(tx: Tx, id: RequestId): Promise<AccessRequest | null> {
  const row = await tx.selectFrom("requests").selectAll().where("id", "=", id).forNoKeyUpdate().executeTakeFirst();
  return row === undefined ? null : toRequest(row);
}

export async function reviewsOf(db: Db | Tx, id: RequestId): Promise<Review[]> {
  const rows = await db.selectFrom("reviews").selectAll().where("request_id", "=", id).orderBy("created_at").execute();
  return rows.map(toReview);
}

export type RequestFilter = {
  requesterId?: PrincipalId;
  states?: readonly RequestState[];
  beforeSeq?: number;
  limit: number;
};

/** Newest first; `seq` is the cursor. */
export async function listRequests(
  db: Db | Tx,
  filter: RequestFilter,
): Promise<{ seq: number; request: AccessRequest }[]> {
  let query = db.selectFrom("requests").selectAll().orderBy("seq", "desc").limit(filter.limit);
  if (filter.requesterId !== undefined) query = query.where("requester_id", "=", filter.requesterId);
  if (filter.states !== undefined) query = query.where("state", "in", filter.states);
  if (filter.beforeSeq !== undefined) query = query.where("seq", "<", filter.beforeSeq);
  const rows = await query.execute();
  return rows.map((row) => ({ seq: row.seq, request: toRequest(row) }));
}

/** Of everybody, or of one person; the oldest first. */
export async function pendingRequestIds(db: Db | Tx, requester: PrincipalId | null): Promise<RequestId[]> {
  let query = db.selectFrom("requests").select("id").where("state", "=", "pending").orderBy("seq");
  if (requester !== null) query = query.where("requester_id", "=", requester);
  const rows = await query.execute();
  return rows.map((row) => row.id as RequestId);
}

/** Pending requests whose time has passed, by database time. */
export async function overdueRequestIds(db: Db | Tx, nowMs: number, limit: number): Promise<RequestId[]> {
  const rows = await db
    .selectFrom("requests")
    .select("id")
    .where("state", "=", "pending")
    .where("expires_at", "<=", at(nowMs))
    .orderBy("expires_at")
    .limit(limit)
    .execute();
  return rows.map((row) => row.id as RequestId);
}

/** Emergencies whose reviewers are to be reminded by now; the longest due first. */
export async function reviewsToRemindOf(db: Db | Tx, nowMs: number, limit: number): Promise<RequestId[]> {
  const rows = await db
    .selectFrom("requests")
    .select("id")
    .where("review_due_at", "is not", null)
    .where("reviewed_at", "is", null)
    .where("review_remind_at", "<=", at(nowMs))
    .orderBy("review_remind_at")
    .limit(limit)
    .execute();
  return rows.map((row) => row.id as RequestId);
}

/** How many emergencies of each of these people nobody has reviewed; who has none is left out. */
export async function unreviewedOf(db: Db | Tx, people: readonly PrincipalId[]): Promise<Map<string, number>> {
  if (people.length === 0) return new Map();
  const rows = await db
    .selectFrom("requests")
    .select(({ fn }) => ["requester_id", fn.countAll<string>().as("count")])
    .where("review_due_at", "is not", null)
    .where("reviewed_at", "is", null)
    .where("requester_id", "in", people)
    .groupBy("requester_id")
    .execute();
  return new Map(rows.map((row) => [row.requester_id, Number(row.count)]));
}

/**
 * Pending requests with a step that escalates by then, and those to be looked at again; each once. What has expired is left
 * to whoever ends it.
 */
export async function requestsToLookAt(db: Db | Tx, nowMs: number, limit: number): Promise<RequestId[]> {
  const escalating = await db
    .selectFrom("requests")
    .select("id")
    .where("state", "=", "pending")
    .where("escalates_at", "<=", at(nowMs))
    .where("expires_at", ">", at(nowMs))
    .orderBy("escalates_at")
    .limit(limit)
    .execute();
  const asked = await db
    .selectFrom("requests_to_look_at")
    .select("request_id as id")
    .orderBy("seq")
    .limit(limit)
    .execute();
  return [...new Set([...escalating, ...asked].map(({ id }) => id as RequestId))];
}

/** Every time a row of its own: what is asked for while somebody looks is not taken for looked at. */
export async function lookAgainAt(tx: Tx, sources: readonly string[]): Promise<void> {
  await sql`insert into requests_to_look_at (request_id)
    select id from requests
    where state = 'pending' and jsonb_path_query_array(decision, '$.steps.**') ?| ${sources}::text[]
    order by seq`.execute(tx);
}

export async function lookedAt(tx: Tx, id: RequestId): Promise<void> {
  await tx.deleteFrom("requests_to_look_at").where("request_id", "=", id).execute();
}

/** What was granted and never given, by no doing of who asked: it does not count. Asked of requests by their `id`. */
const wasGiven = (id: RawBuilder<string>): RawBuilder<boolean> =>
  sql<boolean>`not exists (select from grants g where g.request_id = ${id} and g.ending ->> 'cause' = any(${[...NOT_GIVEN]}::text[]))`;

/** Any number, the same in every Tidegate: the first half of the advisory locks on limits. */
const LIMIT_LOCK = 7_409_232;

/**
 * How many requests but this one count under a limit's name. Held until the transaction ends, so that two who would both
 * be the last one are counted one after the other.
 */
export async function countUses(tx: Tx, counted: string, sinceMs: number, except: RequestId | null): Promise<number> {
  await sql`select pg_advisory_xact_lock(${LIMIT_LOCK}, hashtext(${counted}))`.execute(tx);
  const row = await tx
    .selectFrom("requests")
    .select(({ fn }) => fn.countAll<string>().as("uses"))
    .where(sql<string>`decision ->> 'counted'`, "=", counted)
    .where("created_at", ">", at(sinceMs))
    .where("state", "in", ["pending", "approved"])
    .where(wasGiven(sql`requests.id`))
    .where("id", "<>", except ?? "")
    .executeTakeFirstOrThrow();
  return Number(row.uses);
}

/** What a limit counts, and since when. */
export type LimitWindow = { readonly counted: string; readonly sinceMs: number };

/** How many requests count under each of these, by name: for showing. Nothing is locked, so the next request may find other numbers. */
export async function usesOf(db: Db, limits: readonly LimitWindow[]): Promise<Map<string, number>> {
  if (limits.length === 0) return new Map();
  const names = limits.map(({ counted }) => counted);
  const since = limits.map(({ sinceMs }) => toTimestamp(sinceMs));
  const { rows } = await sql<{ counted: string; uses: number }>`
    select l.counted, count(*)::int as uses
    from unnest(${names}::text[], ${since}::timestamptz[]) as l (counted, since)
    join requests r on r.decision ->> 'counted' = l.counted and r.created_at > l.since
    where r.state in ('pending', 'approved') and ${wasGiven(sql`r.id`)}
    group by l.counted`.execute(db);
  return new Map(rows.map(({ counted, uses }) => [counted, uses]));
}
