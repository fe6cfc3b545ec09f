/** People and groups as providers tell of them (SCIM). */
export const name = "0021-scim";

export const sql = `
create table scim_users (
  id text primary key,
  issuer text not null,
  -- Who it is there; it never changes.
  external_id text not null,
  user_name text not null,
  active boolean not null,
  said jsonb not null,
  version int not null,
  created_at timestamptz not null,
  changed_at timestamptz not null,
  -- Pages are in this order, so that nobody is left out while others come.
  seq bigint generated always as identity,
  unique (issuer, external_id)
);
create unique index scim_users_name on scim_users (issuer, lower(user_name));
create index scim_users_seq on scim_users (issuer, seq);

create table scim_groups (
  id text primary key,
  issuer text not null,
  external_id text,
  display_name text not null,
  version int not null,
  created_at timestamptz not null,
  changed_at timestamptz not null,
  seq bigint generated always as identity
);
-- Two of one name would be one group to policy.
create unique index scim_groups_name on scim_groups (issuer, lower(display_name));
create index scim_groups_external on scim_groups (issuer, external_id);

create table scim_members (
  group_id text not null references scim_groups (id) on delete cascade,
  user_id text not null references scim_users (id) on delete cascade,
  primary key (group_id, user_id)
);
create index scim_members_user on scim_members (user_id);

-- How groups of a provider were called here when everybody was last looked at: the hash of its names in the configuration.
create table scim_group_names (
  issuer text primary key,
  hash text not null
);

-- Somebody of the file whose provider says that they have left.
alter table principals add column has_left boolean not null default false check (not (has_left and active));
`;
