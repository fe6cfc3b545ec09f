/** Browsers that somebody signed in with through a provider. */
export const name = "0018-sign-in";

export const sql = `
create table sign_in_sessions (
  id text primary key,
  principal_id text not null references principals (id),
  -- Of the cookie; the cookie itself is kept nowhere.
  hash text not null unique check (hash ~ '^sha256:[0-9a-f]{64}$'),
  provider text not null,
  -- Who that was there: what a provider ends, it names so.
  issuer text not null,
  subject text not null,
  provider_session text,
  user_agent text not null check (length(user_agent) <= 200),
  idle_ms bigint not null check (idle_ms > 0),
  created_at timestamptz not null,
  seen_at timestamptz not null,
  expires_at timestamptz not null check (isfinite(expires_at) and expires_at > created_at),
  ended_at timestamptz
);
create index sign_in_sessions_principal on sign_in_sessions (principal_id) where ended_at is null;
create index sign_in_sessions_identity on sign_in_sessions (issuer, subject) where ended_at is null;

-- A sign-in that has come back once does not come back again.
create table sign_in_states (
  hash text primary key,
  expires_at timestamptz not null
);
create index sign_in_states_expires on sign_in_states (expires_at);
`;
