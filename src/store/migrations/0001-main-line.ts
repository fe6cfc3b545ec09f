/** The first schema: everything from a request to its receipt, and the rooms that later parts move into. */
export const name = "0001-main-line";

export const sql = `
create table installation (
  singleton boolean primary key default true check (singleton),
  id text not null check (id ~ '^[0-9a-hjkmnp-tv-z]{8}$'),
  created_at timestamptz not null
);

-- People and service accounts. The id never changes; the handle may move to somebody else once its owner is deactivated.
create table principals (
  id text primary key,
  kind text not null check (kind in ('user', 'service')),
  handle text not null,
  name text not null,
  email text,
  type text not null default '',
  groups jsonb not null default '[]',
  roles jsonb not null default '[]',
  oncall_tier int not null default 0 check (oncall_tier >= 0),
  active boolean not null default true,
  created_at timestamptz not null,
  deactivated_at timestamptz,
  check (active = (deactivated_at is null))
);
create unique index principals_handle on principals (handle) where active;

-- Who somebody is, as an issuer says it. Linking a second identity to a principal is always an explicit act.
create table principal_identities (
  issuer text not null,
  subject text not null,
  principal_id text not null references principals (id),
  linked_at timestamptz not null,
  primary key (issuer, subject)
);
create index principal_identities_principal on principal_identities (principal_id);

create table api_tokens (
  id text primary key,
  principal_id text not null references principals (id),
  name text not null,
  hash text not null unique check (hash ~ '^sha256:[0-9a-f]{64}$'),
  source text not null,
  expires_at timestamptz,
  created_at timestamptz not null,
  revoked_at timestamptz
);
create index api_tokens_principal on api_tokens (principal_id);

-- Envelope encryption: the secret under its own key, that key under the sealing key named here.
create table sealed_secrets (
  id text primary key,
  purpose text not null,
  key_id text not null,
  wrapped_key bytea not null,
  ciphertext bytea not null,
  created_at timestamptz not null
);

create table config_versions (
  id bigint generated always as identity primary key,
  hash text not null unique,
  content jsonb not null,
  source text not null,
  created_at timestamptz not null
);
create table config_active (
  singleton boolean primary key default true check (singleton),
  version_id bigint not null references config_versions (id),
  activated_at timestamptz not null
);

create table requests (
  id text primary key,
  parent_id text references requests (id),
  requester_id text not null references principals (id),
  extends_grant_id text,
  resource text not null,
  entitlement text not null,
  scope_hash text not null,
  narrowed_to jsonb,
  duration_ms bigint not null check (duration_ms between 1000 and 31622400000),
  reason text not null check (length(reason) <= 4000),
  ticket text not null check (length(ticket) <= 200),
  start_at timestamptz check (isfinite(start_at)),
  activation text not null check (activation in ('on-approval', 'on-use')),
  via text not null check (via in ('direct', 'gateway')),
  emergency boolean not null,
  state text not null check (state in ('pending', 'approved', 'denied', 'cancelled', 'expired')),
  ended_because text,
  decision jsonb not null,
  facts jsonb not null,
  config_version bigint not null references config_versions (id),
  created_at timestamptz not null,
  expires_at timestamptz not null check (isfinite(expires_at)),
  decided_at timestamptz,
  grant_id text,
  seq bigint generated always as identity,
  check ((state = 'pending') = (decided_at is null))
);
create index requests_requester on requests (requester_id, seq);
create index requests_pending on requests (expires_at) where state = 'pending';

create table reviews (
  id text primary key,
  request_id text not null references requests (id),
  reviewer_id text not null references principals (id),
  verdict text not null check (verdict in ('approve', 'deny')),
  comment text not null,
  duration_ms bigint check (duration_ms between 1000 and 31622400000),
  entitlement text not null,
  scope_hash text not null,
  created_at timestamptz not null,
  voided_at timestamptz
);
create unique index reviews_once on reviews (request_id, reviewer_id) where voided_at is null;

create sequence fences;

create table grants (
  id text primary key,
  request_id text not null references requests (id) unique,
  principal_id text not null references principals (id),
  resource text not null,
  entitlement text not null,
  scope jsonb not null,
  scope_hash text not null,
  activation text not null check (activation in ('on-approval', 'on-use')),
  duration_ms bigint not null check (duration_ms between 1000 and 31622400000),
  starts_at timestamptz not null check (isfinite(starts_at)),
  activate_by timestamptz check (isfinite(activate_by)),
  expires_at timestamptz not null check (isfinite(expires_at)),
  extensions int not null default 0,
  config_version bigint not null references config_versions (id),
  created_at timestamptz not null,
  state text not null check (state in ('scheduled', 'provisioning', 'active', 'revoking', 'revoked', 'cancelled', 'failed')),
  trouble jsonb,
  extend_target boolean not null default false,
  rotate_credential boolean not null default false,
  credential text not null default 'none' check (credential in ('none', 'ready', 'delivered')),
  ending jsonb,
  leads_to text check (leads_to in ('revoked', 'failed')),
  access_gone boolean not null default false,
  revoked_at timestamptz,
  receipt jsonb,
  receipt_entry_id text,
  confirm_at timestamptz,
  -- The reconciler's own: when to look next, and who looks now. A claim is good until claim_until; its fence goes with
  -- every write, and a write with an older fence is refused.
  due_at timestamptz,
  claim_owner text,
  claim_until timestamptz,
  fence bigint not null default 0,
  seq bigint generated always as identity,
  check (expires_at > starts_at),
  check ((state in ('revoking', 'revoked', 'failed', 'cancelled')) = (ending is not null)),
  check ((state in ('revoked', 'failed')) = (receipt is not null and revoked_at is not null))
);
create index grants_due on grants (due_at) where due_at is not null;
create index grants_principal on grants (principal_id, seq);
create index grants_state on grants (resource, state);

-- An accepted fence never decreases; the access that ended never comes back by a plain update.
create function grants_guard() returns trigger language plpgsql as $$
begin
  if new.fence < old.fence then raise exception 'fence of grant % would decrease', old.id; end if;
  if old.state in ('revoking', 'revoked', 'failed', 'cancelled') and new.state in ('scheduled', 'provisioning', 'active') then
    raise exception 'grant % is %, it never becomes % again', old.id, old.state, new.state;
  end if;
  return new;
end $$;
create trigger grants_guard before update on grants for each row execute function grants_guard();

create table leases (
  id text primary key,
  grant_id text not null references grants (id) unique,
  right_key text not null,
  names jsonb not null,
  origin text not null check (origin in ('made', 'found')),
  scope jsonb not null,
  scope_hash text not null,
  account jsonb not null,
  connector jsonb not null,
  target_identity text not null,
  target_position numeric,
  state text not null check (state in ('intended', 'made', 'released')),
  details jsonb not null default '{}',
  delivery jsonb,
  secret_id text references sealed_secrets (id) on delete set null,
  fence bigint not null,
  created_at timestamptz not null
);
create index leases_right on leases (right_key) where state <> 'released';

-- Whoever adds or removes a right on a target holds it here meanwhile.
create table right_claims (
  right_key text primary key,
  owner text not null,
  fence bigint not null,
  until timestamptz not null
);

-- What must be told to the world, written in the transaction that made it true.
create table outbox (
  id bigint generated always as identity primary key,
  topic text not null,
  payload jsonb not null,
  created_at timestamptz not null,
  due_at timestamptz not null,
  attempts int not null default 0,
  done_at timestamptz
);
create index outbox_due on outbox (due_at) where done_at is null;

create table idempotency_keys (
  principal_id text not null references principals (id),
  key text not null check (length(key) between 1 and 200),
  request_hash text not null,
  result jsonb,
  created_at timestamptz not null,
  primary key (principal_id, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);

-- The log. A leaf is canonical JSON, verbatim; its position is given afterwards, in a table of its own. No foreign keys
-- point here: checking one locks the row, which takes the right to update it, and nobody has that.
create table audit_entries (
  id text primary key,
  leaf text not null
);
create table audit_positions (
  seq bigint primary key,
  entry_id text not null unique,
  chain_hash text not null
);
create table audit_unsequenced (
  entry_id text primary key,
  queued bigint generated always as identity
);
-- Clear values behind the commitments in the log. Erasing a row here leaves every proof as it was.
create table audit_personal (
  entry_id text not null,
  field text not null,
  salt text not null,
  value text not null,
  primary key (entry_id, field)
);

create function audit_is_insert_only() returns trigger language plpgsql as $$
begin
  raise exception 'the audit log is insert-only';
end $$;
create trigger audit_entries_guard before update or delete or truncate on audit_entries execute function audit_is_insert_only();
create trigger audit_positions_guard before update or delete or truncate on audit_positions execute function audit_is_insert_only();
revoke update, delete, truncate on audit_entries, audit_positions from current_user;
revoke all on audit_entries, audit_positions from public;
`;
