/** The panic button: what is forbidden until somebody lifts it, and which grants were still live or unproven when it was pressed. */
export const name = "0005-panics";

export const sql = `
create table panics (
  id text primary key,
  scope text not null check (scope in ('all', 'resource', 'principal')),
  resource text,
  principal_id text references principals (id),
  reason text not null check (length(reason) between 1 and 4000),
  started_by text not null references principals (id),
  started_at timestamptz not null,
  lifted_by text references principals (id),
  lifted_at timestamptz,
  lifted_reason text,
  seq bigint generated always as identity,
  check ((scope = 'resource') = (resource is not null)),
  check ((scope = 'principal') = (principal_id is not null)),
  check ((lifted_at is null) = (lifted_by is null) and (lifted_at is null) = (lifted_reason is null))
);
create index panics_in_force on panics (seq) where lifted_at is null;

create table panic_grants (
  panic_id text not null references panics (id),
  grant_id text not null references grants (id),
  primary key (panic_id, grant_id)
);
create index grants_not_ended on grants (seq) where state in ('scheduled', 'provisioning', 'active', 'revoking');
`;
