/** Who may see what, asked of the store: one's own; what one may approve, or has reviewed; everything, for some roles. */
import { type RawBuilder, sql } from "kysely";
import type { EntryId, GrantId, PrincipalId, RequestId } from "../base/ids.ts";
import { isEligible } from "../domain/approvers.ts";
import type { Grant, GrantState } from "../domain/grant.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import type { AccessRequest, RequestState } from "../domain/request.ts";
import type { Catalog } from "../operations/context.ts";
import type { Db } from "../store/db.ts";
import { toGrant } from "../store/grants.ts";
import { toRequest } from "../store/requests.ts";

/** Somebody who looks, with what makes them an approver now. */
export type Viewer = {
  readonly principal: Principal;
  /** As in the `by` of a step: `group:payments-leads`, `user:bob`. */
  readonly sources: readonly string[];
  /** Resources of which they are an owner. */
  readonly owned: readonly string[];
  /** Admins and auditors read everything; operators must see whatever they may end. */
  readonly seesAll: boolean;
};

const NOBODY = "" as PrincipalId;

export function viewerOf(principal: Principal, catalog: Catalog): Viewer {
  const approves = principal.active && principal.kind === "user";
  const resources = Object.values(catalog.configuration.resources);
  return {
    principal,
    sources: approves ? [`user:${principal.handle}`, ...principal.groups.map((group) => `group:${group}`)] : [],
    owned: resources
      .filter((resource) => isEligible(principal, { by: ["owners"], count: 1 }, resource, NOBODY))
      .map((resource) => resource.name),
    seesAll: hasRole(principal, "admin", "auditor", "operator"),
  };
}

/** Whether the viewer is meant by a step of the request with this alias; the same question as `isEligible`. */
function mayApprove({ principal, sources, owned }: Viewer, request: "r" | "x"): RawBuilder<boolean> {
  const r = sql.raw(request);
  return sql<boolean>`(${r}.requester_id <> ${principal.id} and exists (
    select from jsonb_array_elements(${r}.decision -> 'steps') as s (step), jsonb_array_elements_text(s.step -> 'by') as b (source)
    where b.source = any(${sources}::text[]) or (b.source = 'owners' and ${r}.resource = any(${owned}::text[]))
  ))`;
}

function concerns(viewer: Viewer, request: "r" | "x"): RawBuilder<boolean> {
  const reviewed = sql`select request_id from reviews where reviewer_id = ${viewer.principal.id}`;
  return sql<boolean>`(${mayApprove(viewer, request)} or ${sql.raw(request)}.id in (${reviewed}))`;
}

export type VisibleRequestFilter = {
  readonly id?: RequestId;
  readonly role?: "requester" | "approver" | undefined;
  readonly states?: readonly RequestState[] | undefined;
  readonly beforeSeq?: number | undefined;
  readonly limit: number;
};

/** Newest first; `seq` is the cursor. */
export async function visibleRequests(
  db: Db,
  viewer: Viewer,
  filter: VisibleRequestFilter,
): Promise<{ seq: number; request: AccessRequest }[]> {
  let query = db.selectFrom("requests as r").selectAll("r").orderBy("r.seq", "desc").limit(filter.limit);
  if (filter.id !== undefined) query = query.where("r.id", "=", filter.id);
  if (filter.states !== undefined) query = query.where("r.state", "in", filter.states);
  if (filter.beforeSeq !== undefined) query = query.where("r.seq", "<", filter.beforeSeq);
  if (filter.role === "requester") query = query.where("r.requester_id", "=", viewer.principal.id);
  else if (filter.role === "approver") query = query.where(concerns(viewer, "r"));
  else if (!viewer.seesAll)
    query = query.where((w) => w.or([w("r.requester_id", "=", viewer.principal.id), concerns(viewer, "r")]));
  const rows = await query.execute();
  return rows.map((row) => ({ seq: row.seq, request: toRequest(row) }));
}

export type VisibleGrant = {
  readonly seq: number;
  readonly grant: Grant;
  readonly receiptEntry: EntryId | null;
  /** Whether the viewer is an approver of its request: then they may end it. */
  readonly approver: boolean;
};

export type VisibleGrantFilter = {
  readonly id?: GrantId;
  readonly principalIds?: readonly string[] | undefined;
  readonly states?: readonly GrantState[] | undefined;
  readonly resource?: string | undefined;
  readonly beforeSeq?: number | undefined;
  readonly limit: number;
};

/** Newest first; `seq` is the cursor. Whoever reviews an extension sees the grant that it is for. */
export async function visibleGrants(db: Db, viewer: Viewer, filter: VisibleGrantFilter): Promise<VisibleGrant[]> {
  let query = db
    .selectFrom("grants as g")
    .innerJoin("requests as r", "r.id", "g.request_id")
    .selectAll("g")
    .select(mayApprove(viewer, "r").as("approver"))
    .orderBy("g.seq", "desc")
    .limit(filter.limit);
  if (filter.id !== undefined) query = query.where("g.id", "=", filter.id);
  if (filter.principalIds !== undefined) query = query.where("g.principal_id", "in", filter.principalIds);
  if (filter.states !== undefined) query = query.where("g.state", "in", filter.states);
  if (filter.resource !== undefined) query = query.where("g.resource", "=", filter.resource);
  if (filter.beforeSeq !== undefined) query = query.where("g.seq", "<", filter.beforeSeq);
  if (!viewer.seesAll) {
    const extensions = sql<boolean>`g.id in (select x.extends_grant_id from requests x where x.extends_grant_id is not null and ${concerns(viewer, "x")})`;
    query = query.where((w) =>
      w.or([w("g.principal_id", "=", viewer.principal.id), concerns(viewer, "r"), extensions]),
    );
  }
  const rows = await query.execute();
  return rows.map((row) => ({
    seq: row.seq,
    grant: toGrant(row),
    receiptEntry: row.receipt_entry_id as EntryId | null,
    approver: row.approver,
  }));
}
