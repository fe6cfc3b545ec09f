/** What sweeps find on targets, and when each resource was last swept. */
export const name = "0006-drift";

export const sql = `
-- One row for each resource that was ever configured. Whoever sweeps it holds it until claim_until; a fence goes with what
-- it writes, as with grants.
create table drift_sweeps (
  resource text primary key,
  due_at timestamptz not null check (isfinite(due_at)),
  claim_owner text,
  claim_until timestamptz,
  fence bigint not null default 0,
  -- The last that ended, well or not: when it began.
  began_at timestamptz,
  -- The last that saw everything: when it began, and on which target.
  swept_at timestamptz,
  target_identity text,
  -- Since when none did, and why the last one did not; null while they do.
  failing_since timestamptz,
  error jsonb,
  check ((failing_since is null) = (error is null))
);

create table drift_findings (
  id text primary key,
  resource text not null,
  target_identity text not null,
  kind text not null,
  subject text not null,
  what text not null check (length(what) <= 500),
  -- In our ledger; what a mark says that we do not know stands in the words.
  grant_id text references grants (id),
  since text,
  by_whom text,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  resolved_at timestamptz,
  remedy text,
  problem text,
  seq bigint generated always as identity
);
-- Two resources may lead to one target: what is seen from both is one finding.
create unique index drift_findings_open on drift_findings (target_identity, kind, subject, md5(what)) where resolved_at is null;
create index drift_findings_resource on drift_findings (resource) where resolved_at is null;
create index drift_findings_resolved on drift_findings (resolved_at) where resolved_at is not null;

-- A sweep reads the live leases of one resource, who stood where before us, and whether anybody uses a scope.
create index leases_live_resource on leases ((connector ->> 'resource')) where state <> 'released';
create index leases_live_scope on leases (scope_hash) where state <> 'released';
create index leases_found on leases ((connector ->> 'resource')) where origin = 'found';
`;
