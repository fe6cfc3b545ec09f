/** Writes what changed and the entries that tell of it: one statement, so that a change costs one way to the store and back. */
import { type RawBuilder, sql } from "kysely";
import { defined } from "../base/assert.ts";
import { toTimestamp } from "../base/clock.ts";
import type { InstallationId, SecretId } from "../base/ids.ts";
import type { EntryDraft } from "../domain/audit.ts";
import type { Grant } from "../domain/grant.ts";
import type { Lease } from "../domain/lease.ts";
import type { AccessRequest } from "../domain/request.ts";
import { appending, inOneStatement, type NewEntry, newEntry } from "./audit.ts";
import { json, type Tx } from "./db.ts";
import { type Claim, grantRow } from "./grants.ts";
import { leaseRow } from "./leases.ts";
import { REQUEST_COLUMNS, requestRow } from "./requests.ts";

export type Written = {
  readonly entries: readonly EntryDraft[];
  readonly requests: readonly AccessRequest[];
  /** `receipt` is the place among the entries of the one that holds the receipt, when this closes the grant. */
  readonly grants: readonly { readonly grant: Grant; readonly receipt: number | null }[];
  readonly leases: readonly Lease[];
  /** Sealed secrets that have served. */
  readonly discarded: readonly SecretId[];
  /** Let go of with it, and the right held under it; null: kept. The transaction holds the grant under this claim. */
  readonly released: Claim | null;
};

const GRANT_COLUMNS = `id, request_id, principal_id, resource, entitlement, scope, scope_hash, activation, duration_ms, starts_at,
  activate_by, expires_at, extensions, config_version, created_at, state, trouble, extend_target, rotate_credential, credential,
  ending, leads_to, access_gone, revoked_at, receipt, confirm_at, due_at`;
const LEASE_COLUMNS = `id, grant_id, right_key, names, origin, scope, scope_hash, account, connector, target_identity,
  target_position, state, details, delivery, secret_id, fence, created_at`;

const asGiven = (columns: string): RawBuilder<unknown> =>
  sql.raw(
    columns
      .split(",")
      .map((column) => column.trim())
      .filter((column) => column !== "id")
      .map((column) => `${column} = excluded.${column}`)
      .join(", "),
  );
const requestAsGiven = asGiven(REQUEST_COLUMNS);
const grantAsGiven = asGiven(GRANT_COLUMNS);
const leaseAsGiven = asGiven(LEASE_COLUMNS);

/** What is written, as rows: that of several can go in one statement. */
export type Rows = {
  readonly entries: readonly NewEntry[];
  readonly requests: readonly Row[];
  readonly grants: readonly Row[];
  readonly leases: readonly Row[];
  readonly discarded: readonly SecretId[];
  readonly released: Claim | null;
};

type Row = { readonly id: string };

export const writeChanges = (tx: Tx, installation: InstallationId, written: Written, nowMs: number): Promise<void> =>
  writeRows(tx, rowsOf(installation, written, nowMs));

export function rowsOf(installation: InstallationId, written: Written, nowMs: number): Rows {
  const { requests, grants, leases, discarded, released } = written;
  const entries = written.entries.map((draft) => newEntry(draft, installation, nowMs));
  const now = toTimestamp(nowMs);
  const handedOver = written.entries.flatMap(({ kind, refs }) =>
    kind === "credential.delivered" ? (refs.grant ?? []) : [],
  );
  const granted = grants.map(({ grant, receipt }) => {
    const row = grantRow(grant);
    return {
      ...row,
      receipt_entry_id: receipt === null ? null : defined(entries[receipt], "entry of a receipt").id,
      revoking_at: grant.state === "revoking" ? now : null,
      gone_at: row.access_gone ? now : null,
      delivered_at: handedOver.includes(grant.id) ? now : null,
    };
  });
  return {
    entries,
    requests: requests.map(requestRow),
    grants: granted,
    leases: leases.map(leaseRow),
    discarded,
    released,
  };
}

/** Both in one; null where they cannot be: what they write of the same thing must be written one after the other. */
export function joined(one: Rows, next: Rows): Rows | null {
  if (one.released !== null || next.released !== null) return null;
  const ids = new Set([...one.requests, ...one.grants, ...one.leases].map(({ id }) => id));
  if ([...next.requests, ...next.grants, ...next.leases].some(({ id }) => ids.has(id))) return null;
  return {
    entries: [...one.entries, ...next.entries],
    requests: [...one.requests, ...next.requests],
    grants: [...one.grants, ...next.grants],
    leases: [...one.leases, ...next.leases],
    discarded: [...one.discarded, ...next.discarded],
    released: null,
  };
}

export async function writeRows(
  tx: Tx,
  { entries, requests, grants, leases, discarded, released }: Rows,
): Promise<void> {
  const parts: RawBuilder<unknown>[] = [];
  const appended = entries.length === 0 ? null : appending(entries);
  if (appended !== null) parts.push(...appended.parts);
  if (requests.length > 0)
    parts.push(sql`
      requested as (
        insert into requests (${sql.raw(REQUEST_COLUMNS)})
        select ${sql.raw(REQUEST_COLUMNS)} from json_populate_recordset(null::requests, ${json(requests)}::json)
        on conflict (id) do update set ${requestAsGiven}
      )`);
  if (grants.length > 0) {
    const free = sql`grants.id = ${released?.grant ?? null}::text and grants.fence = ${released?.fence ?? null}::bigint`;
    parts.push(sql`
      granted as (
        insert into grants (${sql.raw(GRANT_COLUMNS)}, receipt_entry_id, revoking_at, gone_at, delivered_at)
        select ${sql.raw(GRANT_COLUMNS)}, receipt_entry_id, revoking_at, gone_at, delivered_at from json_populate_recordset(null::grants, ${json(grants)}::json)
        on conflict (id) do update set ${grantAsGiven},
          -- The first time counts; what is seen again was never gone, says the guard.
          revoking_at = coalesce(grants.revoking_at, excluded.revoking_at),
          gone_at = coalesce(grants.gone_at, excluded.gone_at),
          delivered_at = coalesce(grants.delivered_at, excluded.delivered_at),
          receipt_entry_id = case when excluded.receipt is not null then coalesce(excluded.receipt_entry_id, grants.receipt_entry_id) end,
          claim_owner = case when ${free} then null else grants.claim_owner end,
          claim_until = case when ${free} then null else grants.claim_until end
      )`);
  }
  if (leases.length > 0)
    parts.push(sql`
      leased as (
        insert into leases (${sql.raw(LEASE_COLUMNS)})
        select ${sql.raw(LEASE_COLUMNS)} from json_populate_recordset(null::leases, ${json(leases)}::json)
        on conflict (id) do update set ${leaseAsGiven}
      )`);
  if (discarded.length > 0)
    parts.push(sql`discarded as (delete from sealed_secrets where id = any(${[...discarded]}::text[]))`);
  if (released !== null)
    parts.push(
      sql`rights as (delete from right_claims where owner = ${released.owner} and fence = ${released.fence}::bigint)`,
    );
  if (parts.length === 0 && appended === null) return;
  await inOneStatement(parts, appended?.last ?? sql`select 1`).execute(tx);
}
