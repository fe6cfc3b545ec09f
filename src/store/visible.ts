/** Who may see what: one's own; what one may approve, or has reviewed; everything, for some roles. */
import { type RawBuilder, sql } from "kysely";
import type { EntryId, GrantId, PrincipalId, RequestId } from "../base/ids.ts";
import type { EntitlementRef } from "../domain/entitlement.ts";
import type { Grant, GrantState } from "../domain/grant.ts";
import type { Principal } from "../domain/principal.ts";
import type { AccessRequest, EmergencyReviewState, EmergencyVerdict, RequestState } from "../domain/request.ts";
import { at, type Db } from "./db.ts";
import { toGrant } from "./grants.ts";
import { toRequest } from "./requests.ts";

/** What somebody may decide about, by their own or in the place of one who is away. */
export type Place = {
  /** Whose requests it is of no use for: their own, that person's, and theirs who said that the person is away. */
  readonly notFor: readonly PrincipalId[];
  /** As in the `by` of a step: `group:payments-leads`, `user:bob`. */
  readonly sources: readonly string[];
  /** Resources of which they are an owner. */
  readonly owned: readonly string[];
};

/** Somebody who looks, with what makes them an approver now. */
export type Viewer = {
  readonly principal: Principal;
  /** Their own first; none for whom nobody asks. */
  readonly places: readonly Place[];
  /** Who is away and has named them. */
  readonly standsFor: readonly Principal[];
  /** Admins and auditors read everything; operators must see whatever they may end. */
  readonly seesAll: boolean;
};

/**
 * Whether the request with this alias concerns the viewer; the same question as `hasSay` of the domain. Each arm of the
 * `or` is one that an index answers (`requests_approvers` and
 * `requests_emergency_concerns` word for word), so that who sees little is not made to wait for
 * a look at everything; who sees much is served along `seq`.
 */
function hasSay({ places }: Viewer, request: "r" | "x"): RawBuilder<boolean> {
  if (places.length === 0) return sql<boolean>`false`;
  const r = sql.raw(request);
  const by = sql`jsonb_path_query_array(${r}.decision, '$.steps[*].by[*]')`;
  const concerned = sql`jsonb_path_query_array(${r}.decision, '$.emergency.*[*]')`;
  const arms = places.flatMap(({ notFor, sources, owned }) => {
    const others = sql`${r}.requester_id <> all(${notFor}::text[])`;
    return [
      sql`(${others} and ${by} ?| ${sources}::text[])`,
      sql`(${others} and ${by} ? 'owners' and ${r}.resource = any(${owned}::text[]))`,
      sql`(${r}.emergency and ${others} and ${concerned} ?| ${sources}::text[])`,
      sql`(${r}.emergency and ${others} and ${concerned} ? 'owners' and ${r}.resource = any(${owned}::text[]))`,
    ];
  });
  return sql<boolean>`(${sql.join(arms, sql` or `)})`;
}

/** An array and not a subquery, which could not be one arm of an `or` over indexes. */
function concerns(viewer: Viewer, request: "r" | "x"): RawBuilder<boolean> {
  const reviewed = sql`select request_id from reviews where reviewer_id = ${viewer.principal.id}`;
  return sql<boolean>`(${hasSay(viewer, request)} or ${sql.raw(request)}.id = any(array(${reviewed})))`;
}

const seesRequest = (viewer: Viewer): RawBuilder<boolean> =>
  viewer.seesAll
    ? sql<boolean>`true`
    : sql<boolean>`(r.requester_id = ${viewer.principal.id} or ${concerns(viewer, "r")})`;

/** Asked of the request `r` that a grant came from; its requester is who has the grant. Whoever reviews an extension sees the grant that it is for. */
function seesGrant(viewer: Viewer): RawBuilder<boolean> {
  if (viewer.seesAll) return sql<boolean>`true`;
  const extended = sql`select e.request_id from requests x join grants e on e.id = x.extends_grant_id where ${concerns(viewer, "x")}`;
  return sql<boolean>`(${seesRequest(viewer)} or r.id = any(array(${extended})))`;
}

export type Order = "newest" | "oldest";

/** A page of a list. `cursor` is the `seq` of the last one on the page before, in the same order. */
export type PageOf = { readonly order?: Order; readonly cursor?: number | undefined; readonly limit: number };

/** The page that is asked for unless another is; each size that is written out makes a statement of its own. */
const USUAL_LIMIT = 50;

/**
 * Written out, the usual limit lets a connection keep its plan. Of a limit that it does not know the store expects a tenth
 * of all rows, finds the plan that it could keep too dear, and plans anew at each call: half a millisecond, as much as all else.
 */
const limitOf = ({ limit }: PageOf): number | RawBuilder<number> => (limit === USUAL_LIMIT ? sql.lit(limit) : limit);

/** What lists of requests and of grants are narrowed by alike. Times are milliseconds, `until` not included. */
type Common = {
  readonly principalIds?: readonly string[] | undefined;
  readonly resource?: string | undefined;
  readonly entitlement?: string | undefined;
  readonly fromMs?: number | undefined;
  readonly untilMs?: number | undefined;
};

export type VisibleRequestFilter = PageOf &
  Common & {
    readonly id?: RequestId;
    readonly role?: "requester" | "approver" | undefined;
    readonly states?: readonly RequestState[] | undefined;
    /** Only emergencies that led to access, by how far their review is at that time. */
    readonly emergency?: EmergencyFilter | undefined;
    readonly bundle?: string | undefined;
  };

export type EmergencyFilter = {
  readonly states: readonly EmergencyReviewState[] | undefined;
  readonly verdict: EmergencyVerdict | undefined;
  readonly nowMs: number;
};

/** As `reviewStateOf` has it. */
function emergencyLike({ states, verdict, nowMs }: EmergencyFilter): RawBuilder<boolean> {
  const state = sql`case when r.reviewed_at is not null then 'done' when r.review_due_at <= ${at(nowMs)} then 'overdue' else 'open' end`;
  const inState = states === undefined ? sql`true` : sql`${state} = any(${[...states]}::text[])`;
  const found = verdict === undefined ? sql`true` : sql`r.review_verdict = ${verdict}`;
  return sql<boolean>`(r.review_due_at is not null and ${inState} and ${found})`;
}

/** `seq` is the cursor: given when a row is made, so that rows added meanwhile never move what was listed already. */
export async function visibleRequests(
  db: Db,
  viewer: Viewer,
  filter: VisibleRequestFilter,
): Promise<{ seq: number; request: AccessRequest }[]> {
  let query = db.selectFrom("requests as r").selectAll("r").where(seesRequest(viewer)).limit(limitOf(filter));
  if (filter.role === "requester") query = query.where("r.requester_id", "=", viewer.principal.id);
  if (filter.role === "approver") query = query.where(concerns(viewer, "r"));
  if (filter.id !== undefined) query = query.where("r.id", "=", filter.id);
  if (filter.principalIds !== undefined) query = query.where("r.requester_id", "in", filter.principalIds);
  if (filter.states !== undefined) query = query.where("r.state", "in", filter.states);
  if (filter.emergency !== undefined) query = query.where(emergencyLike(filter.emergency));
  if (filter.bundle !== undefined) query = query.where("r.parent_id", "=", filter.bundle);
  if (filter.resource !== undefined) query = query.where("r.resource", "=", filter.resource);
  if (filter.entitlement !== undefined) query = query.where("r.entitlement", "=", filter.entitlement);
  if (filter.fromMs !== undefined) query = query.where("r.created_at", ">=", at(filter.fromMs));
  if (filter.untilMs !== undefined) query = query.where("r.created_at", "<", at(filter.untilMs));
  const oldest = filter.order === "oldest";
  if (filter.cursor !== undefined) query = query.where("r.seq", oldest ? ">" : "<", filter.cursor);
  const rows = await query.orderBy("r.seq", oldest ? "asc" : "desc").execute();
  return rows.map((row) => ({ seq: row.seq, request: toRequest(row) }));
}

export type VisibleGrant = {
  readonly seq: number;
  readonly grant: Grant;
  readonly receiptEntry: EntryId | null;
  /** What its request was for. */
  readonly asked: { readonly entitlement: EntitlementRef; readonly durationMs: number };
  /** Whether the viewer is an approver of its request: then they may end it. */
  readonly approver: boolean;
};

export type VisibleGrantFilter = PageOf &
  Common & {
    readonly id?: GrantId;
    readonly states?: readonly GrantState[] | undefined;
    readonly endsFromMs?: number | undefined;
    readonly endsUntilMs?: number | undefined;
    /** Begun by then, and not proven gone at that time. */
    readonly liveAtMs?: number | undefined;
  };

/** `seq` is the cursor. */
export async function visibleGrants(db: Db, viewer: Viewer, filter: VisibleGrantFilter): Promise<VisibleGrant[]> {
  let query = db
    .selectFrom("grants as g")
    .innerJoin("requests as r", "r.id", "g.request_id")
    .selectAll("g")
    .select(hasSay(viewer, "r").as("approver"))
    .select(["r.entitlement as asked_entitlement", "r.duration_ms as asked_duration_ms"])
    .where(seesGrant(viewer))
    .limit(limitOf(filter));
  if (filter.id !== undefined) query = query.where("g.id", "=", filter.id);
  if (filter.principalIds !== undefined) query = query.where("g.principal_id", "in", filter.principalIds);
  if (filter.states !== undefined) query = query.where("g.state", "in", filter.states);
  if (filter.resource !== undefined) query = query.where("g.resource", "=", filter.resource);
  if (filter.entitlement !== undefined) query = query.where("g.entitlement", "=", filter.entitlement);
  if (filter.fromMs !== undefined) query = query.where("g.created_at", ">=", at(filter.fromMs));
  if (filter.untilMs !== undefined) query = query.where("g.created_at", "<", at(filter.untilMs));
  if (filter.endsFromMs !== undefined) query = query.where("g.expires_at", ">=", at(filter.endsFromMs));
  if (filter.endsUntilMs !== undefined) query = query.where("g.expires_at", "<", at(filter.endsUntilMs));
  if (filter.liveAtMs !== undefined) query = query.where(liveAt(filter.liveAtMs));
  const oldest = filter.order === "oldest";
  if (filter.cursor !== undefined) query = query.where("g.seq", oldest ? ">" : "<", filter.cursor);
  const rows = await query.orderBy("g.seq", oldest ? "asc" : "desc").execute();
  return rows.map((row) => ({
    seq: row.seq,
    grant: toGrant(row),
    receiptEntry: row.receipt_entry_id as EntryId | null,
    asked: { entitlement: row.asked_entitlement as EntitlementRef, durationMs: row.asked_duration_ms },
    approver: row.approver,
  }));
}

/** Of what was cancelled nothing was ever made; of what is scheduled nothing is made yet. */
const liveAt = (ms: number): RawBuilder<boolean> =>
  sql<boolean>`(g.state not in ('scheduled', 'cancelled') and g.starts_at <= ${at(ms)} and (g.revoked_at is null or g.revoked_at > ${at(ms)}))`;

/** Which of these the viewer may see; in two queries, however many they are. */
export async function visibleAmong(
  db: Db,
  viewer: Viewer,
  ids: { readonly requests: readonly string[]; readonly grants: readonly string[] },
): Promise<Set<string>> {
  const seen = new Set<string>();
  if (ids.requests.length > 0) {
    const rows = await db
      .selectFrom("requests as r")
      .select("r.id")
      .where("r.id", "in", ids.requests)
      .where(seesRequest(viewer))
      .execute();
    for (const { id } of rows) seen.add(id);
  }
  if (ids.grants.length > 0) {
    const rows = await db
      .selectFrom("grants as g")
      .innerJoin("requests as r", "r.id", "g.request_id")
      .select("g.id")
      .where("g.id", "in", ids.grants)
      .where(seesGrant(viewer))
      .execute();
    for (const { id } of rows) seen.add(id);
  }
  return seen;
}
