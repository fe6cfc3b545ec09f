/** What is really so: read in the target's catalogs and in the audit log, never in the ledger. */
import assert from "node:assert/strict";
import type { AuditEntry } from "../../../src/contract/audit.ts";
import type { Served } from "../../support/served.ts";
import { until } from "../../support/until.ts";

const LEFT = `
  select 'role ' || rolname as what from pg_roles where rolname ~ '^tgg?_'
  union all
  select 'session of ' || usesysid || ' ' || coalesce(usename, 'who is gone') from pg_stat_activity a
    where usesysid is not null and (usename ~ '^tgg?_' or not exists (select from pg_roles r where r.oid = a.usesysid))
  union all
  select 'membership of ' || member from pg_auth_members m where not exists (select from pg_roles r where r.oid = m.member)
  union all
  select 'dependency on ' || refobjid from pg_shdepend d
    where refclassid = 'pg_authid'::regclass and not exists (select from pg_roles r where r.oid = d.refobjid)
  union all
  select 'prepared transaction ' || gid from pg_prepared_xacts
  order by 1`;

/** What of any grant is on the target: logins, groups, sessions, memberships, owners that are gone, prepared transactions. */
export const leftOnTarget = async (served: Served): Promise<string[]> =>
  (await served.onTarget<{ what: string }>(LEFT)).map(({ what }) => what);

const PAGE = 500;

/** The whole log, as the admin reads it. */
export async function log(served: Served): Promise<AuditEntry[]> {
  const carol = served.client("carol");
  const entries: AuditEntry[] = [];
  for (let after = 0; ; ) {
    const page = await carol.listAudit({ after, limit: PAGE });
    entries.push(...page.entries);
    if (page.next === null) return entries;
    after = page.next;
  }
}

/** What happens to a grant once and once only, whoever was killed on the way; it is not called live again. */
const ONCE = [
  "grant.created",
  "grant.provisioning",
  "lease.written",
  "grant.active",
  "grant.revoking",
  "grant.revoked",
  "grant.reopened",
  "grant.confirmed",
] as const;

/** The log, once it says of each of these grants that its end is confirmed. */
export const logWithAllConfirmed = (served: Served, ids: readonly string[]): Promise<AuditEntry[]> =>
  until(
    async () => {
      const told = await log(served);
      const confirmed = new Set(told.filter(({ kind }) => kind === "grant.confirmed").map(({ refs }) => refs.grant));
      return ids.every((id) => confirmed.has(id)) ? told : null;
    },
    { what: "every end to be confirmed", timeoutMs: 60_000 },
  );

/** The life of a grant as the log tells it: each step once, one receipt, which says that access is gone. */
export function assertLivedOnce(told: readonly AuditEntry[], id: string): void {
  const entries = told.filter(({ refs }) => refs.grant === id);
  const kinds = entries.map(({ kind }) => kind).filter((kind) => ONCE.some((one) => one === kind));
  assert.deepEqual(
    kinds,
    ONCE.filter((kind) => kind !== "grant.reopened"),
    id,
  );
  const receipt = entries.find(({ kind }) => kind === "grant.revoked")?.data["evidence"] as
    | { kind: string }
    | undefined;
  assert.equal(receipt?.kind, "gone", id);
}

/** How often the secret of a grant was handed over, and how often a new one was made, by the log. */
export async function deliveriesOf(served: Served, id: string): Promise<{ delivered: number; rotated: number }> {
  const entries = (await log(served)).filter(({ refs }) => refs.grant === id);
  const count = (kind: string): number => entries.filter((entry) => entry.kind === kind).length;
  return { delivered: count("credential.delivered"), rotated: count("credential.rotated") };
}
