/**
 * Takes what a person wrote, what was written about them, and what they are called out of every table; what holds on to that
 * is named in docs/audit.md, table by table. Rows stay where others point to them, with their opaque ids. Repeated, it finds
 * nothing more.
 */
import { type RawBuilder, sql } from "kysely";
import type { PrincipalId } from "../base/ids.ts";
import { principalId } from "../base/ids.ts";
import { entriesThat, LEAF } from "./audit-lookup.ts";
import { at, json, type Tx } from "./db.ts";

/** Stands where a text was. */
export const ERASED = "(erased)";

export type Left = {
  readonly id: PrincipalId;
  readonly handle: string;
  readonly active: boolean;
  readonly erasedMs: number | null;
};

/** By id; or everybody who is or was called so. */
export async function everCalled(tx: Tx, person: string): Promise<Left[]> {
  const rows = await tx
    .selectFrom("principals")
    .select(["id", "handle", "active", "erased_at"])
    .where(principalId.parse(person) === null ? "handle" : "id", "=", person)
    .forNoKeyUpdate()
    .execute();
  return rows.map((row) => ({
    id: row.id as PrincipalId,
    handle: row.handle,
    active: row.active,
    erasedMs: row.erased_at,
  }));
}

/** What stands in the way, in words, each with what to do first; empty where nothing does. */
export async function inTheWay(tx: Tx, id: PrincipalId): Promise<string[]> {
  const { rows } = await sql<Record<string, boolean>>`select
    exists (select from grants where principal_id = ${id}
      and (state in ('scheduled', 'provisioning', 'active', 'revoking') or confirm_at is not null)) as access,
    exists (select from requests where requester_id = ${id} and state = 'pending') as asked,
    exists (select from requests where requester_id = ${id} and review_due_at is not null and reviewed_at is null) as emergency,
    exists (select from panics where lifted_at is null and ${id} in (principal_id, started_by)) as panic,
    exists (select from drift_findings f join grants g on g.id = f.grant_id
      where g.principal_id = ${id} and f.resolved_at is null) as drift,
    exists (select from config_versions v join principal_identities i on i.issuer = 'file' and i.principal_id = ${id}
      where (v.id in (select version_id from config_active)
          or v.id in (select version_id from config_proposals where state = 'waiting'))
        and v.content -> 'principals' @> jsonb_build_array(jsonb_build_object('handle', i.subject))) as declared`.execute(
    tx,
  );
  const found = rows[0] ?? {};
  return Object.entries(WAYS).flatMap(([what, way]) => (found[what] === true ? [way] : []));
}

const WAYS = {
  declared: "the configuration names them: take them out of the file",
  access: "a grant of theirs is not proven gone: revoke it, and wait until it is confirmed",
  asked: "a request of theirs is pending: cancel it",
  emergency: "an emergency of theirs is not reviewed: have it reviewed",
  panic: "a panic by them or over them is in force: lift it",
  drift: "a difference on a target is about a grant of theirs: have it resolved",
} as const;

/** How many rows held something, by table. */
export async function eraseTexts(tx: Tx, id: PrincipalId, nowMs: number): Promise<Record<string, number>> {
  const removed: Record<string, number> = {};
  for (const [table, statement] of statements(id, nowMs)) {
    const { numAffectedRows } = await statement.execute(tx);
    const count = Number(numAffectedRows ?? 0);
    if (count > 0) removed[table] = (removed[table] ?? 0) + count;
  }
  return removed;
}

type Statement = readonly [table: string, statement: RawBuilder<unknown>];

/** In this order: what they are called is still needed by what comes before. */
const statements = (id: PrincipalId, nowMs: number): Statement[] => [
  ...ofTheLog(id),
  ...ofRequests(id),
  ...ofAccess(id),
  ...ofThemselves(id, nowMs),
];

const requestsOf = (id: PrincipalId) => sql`array(select id from requests where requester_id = ${id})`;
const grantsOf = (id: PrincipalId) => sql`array(select id from grants where principal_id = ${id})`;

const ofTheLog = (id: PrincipalId): Statement[] => [
  [
    "audit_personal",
    sql`delete from audit_personal where entry_id in (
      select entry_id from ${entriesThat(sql`l.actor = ${id} or l.principal_id = ${id}
        or l.request_id = any(${requestsOf(id)}) or l.grant_id = any(${grantsOf(id)})
        or (l.kind in ('panic.started', 'panic.lifted') and
          ${LEAF}::jsonb -> 'data' ->> 'panic'
            = any(array(select id from panics where principal_id = ${id})))`)} theirs)`,
  ],
  [
    "messages",
    sql`delete from messages where request_id = any(${requestsOf(id)}) or grant_id = any(${grantsOf(id)})
      or recipients = array[${id}] or position(${id} in data::text) > 0`,
  ],
  ["idempotency_keys", sql`delete from idempotency_keys where principal_id = ${id}`],
];

/** What goes from a request. */
export const REQUEST_ERASED = sql`reason = ${ERASED}, ended_because = null,
        facts = case when facts #> '{ticket,assignee}' is null then facts - 'user' else jsonb_set(facts - 'user', '{ticket,assignee}', '""') end,
        review_comment = case when review_comment = '' then '' when review_comment is not null then ${ERASED} end`;

const ofRequests = (id: PrincipalId): Statement[] => [
  [
    "requests",
    sql`update requests set ${REQUEST_ERASED}
      where requester_id = ${id} and reason <> ${ERASED}`,
  ],
  [
    "requests",
    sql`update requests set review_comment = ${ERASED}
      where reviewed_by = ${id} and review_comment not in ('', ${ERASED})`,
  ],
  [
    "requests",
    sql`update requests r set ended_because = 'denied by somebody who was erased' from principals p
      where p.id = ${id} and r.ended_because = 'denied by ' || p.handle
        and exists (select from reviews where request_id = r.id and reviewer_id = ${id} and verdict = 'deny')`,
  ],
  // What a tracker, or their own manager's row, called them in the requests of others.
  [
    "requests",
    sql`update requests r set facts = jsonb_set(r.facts, '{ticket,assignee}', '""') from principals p
      where p.id = ${id} and r.facts #>> '{ticket,assignee}' in (p.handle, p.name, p.email)`,
  ],
  [
    "requests",
    sql`update requests r set facts = r.facts #- '{user,manager}' from principals p
      where p.id = ${id} and r.facts #>> '{user,manager}' = p.handle and ${isNobodyElses}`,
  ],
  [
    "reviews",
    sql`update reviews set comment = ${ERASED} where comment not in ('', ${ERASED})
      and (reviewer_id = ${id} or request_id = any(${requestsOf(id)}))`,
  ],
  [
    "comments",
    sql`update comments set text = ${ERASED} where text <> ${ERASED}
      and (author_id = ${id} or request_id = any(${requestsOf(id)}))`,
  ],
  ["bundles", sql`update bundles set title = ${ERASED} where requester_id = ${id} and title <> ${ERASED}`],
];

/** The handle of the row `p` has not gone to somebody else meanwhile. */
const isNobodyElses = sql`not exists (select from principals o where o.handle = p.handle and o.active)`;

const ofAccess = (id: PrincipalId): Statement[] => [
  // Tidegate's own words, where nobody ended it, are no text of a person.
  [
    "grants",
    sql`update grants set ending = jsonb_set(ending, '{reason}', to_jsonb(${ERASED}::text))
      where ending ->> 'by' is not null and ending ->> 'reason' not in ('', ${ERASED})
        and (principal_id = ${id} or ending ->> 'by' = ${id})`,
  ],
  ["grants", sql`update grants set trouble = null where principal_id = ${id} and trouble is not null`],
  // Gone, proven and confirmed: what something was called on the target is of no use any more. What kind of access it was
  // tells whether anybody knows of its use.
  [
    "leases",
    sql`update leases set account = ${json({ handle: ERASED, email: null })}, names = '{}', details = '{}',
        delivery = case when delivery is not null then jsonb_build_object('kind', delivery -> 'kind') end,
        right_key = target_identity || '/' || ${ERASED}
      where grant_id = any(${grantsOf(id)}) and account ->> 'handle' <> ${ERASED}`,
  ],
  [
    "drift_findings",
    sql`update drift_findings set subject = ${ERASED}, what = ${ERASED}, by_whom = null
      where grant_id = any(${grantsOf(id)}) and what <> ${ERASED}`,
  ],
  [
    "panics",
    sql`update panics set reason = ${ERASED} where reason <> ${ERASED} and ${id} in (started_by, principal_id)`,
  ],
  [
    "panics",
    sql`update panics set lifted_reason = ${ERASED}
      where lifted_reason not in ('', ${ERASED}) and ${id} in (lifted_by, principal_id)`,
  ],
];

/** Handles in the file. */
const declaredAs = (id: PrincipalId) =>
  sql`array(select subject from principal_identities where issuer = 'file' and principal_id = ${id})`;
/** Put over what a configuration says of them. */
const NOBODY = json({ name: ERASED, email: null, identities: [], tokens: [] });
const sessionsOf = (id: PrincipalId) => sql`(select id from sign_in_sessions where principal_id = ${id})`;

const ofThemselves = (id: PrincipalId, nowMs: number): Statement[] => [
  ["step_ups", sql`delete from passkey_challenges where session in ${sessionsOf(id)}`],
  ["step_ups", sql`delete from step_ups where session in ${sessionsOf(id)}`],
  [
    "cli_logins",
    sql`delete from cli_logins where session in ${sessionsOf(id)} or browser_session in ${sessionsOf(id)}`,
  ],
  ["sign_in_sessions", sql`delete from sign_in_sessions where principal_id = ${id}`],
  ["passkeys", sql`delete from passkeys where principal_id = ${id}`],
  ["api_tokens", sql`update api_tokens set name = ${ERASED} where principal_id = ${id} and name <> ${ERASED}`],
  ["absences", sql`delete from absences where principal_id = ${id}`],
  ["absences", sql`update absences set delegate_id = null where delegate_id = ${id}`],
  [
    "scim_users",
    sql`delete from scim_users u using principal_identities i where i.principal_id = ${id}
      and i.subject = u.external_id and i.issuer in (u.issuer, 'scim:' || u.issuer)`,
  ],
  // Another content is another version: were this one to come back from the file, it would be a new one.
  [
    "config_versions",
    sql`update config_versions v set hash = split_part(v.hash, '-', 1) || '-erased-' || v.id,
        content = jsonb_set(v.content, '{principals}', (
          select jsonb_agg(case when p ->> 'handle' = any(${declaredAs(id)}) then (p - 'manager') || ${NOBODY}::jsonb else p end order by n)
            from jsonb_array_elements(v.content -> 'principals') with ordinality as declared (p, n)))
      where exists (select from jsonb_array_elements(v.content -> 'principals') as declared (p)
        where p ->> 'handle' = any(${declaredAs(id)}) and p ->> 'name' <> ${ERASED})`,
  ],
  [
    "principals",
    sql`update principals m set manager = null from principals p
      where p.id = ${id} and m.manager = p.handle and ${isNobodyElses}`,
  ],
  ["principal_identities", sql`delete from principal_identities where principal_id = ${id}`],
  [
    "principals",
    sql`update principals set handle = 'erased-' || right(id, 6), name = ${ERASED}, email = null, manager = null, type = '',
        groups = '[]', erased_at = ${at(nowMs)}
      where id = ${id} and erased_at is null`,
  ],
];
