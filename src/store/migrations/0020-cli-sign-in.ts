/** Command lines that somebody signed in: their sessions beside those of browsers, and sign-ins that are under way. */
export const name = "0020-cli-sign-in";

export const sql = `
alter table sign_in_sessions
  add column kind text not null default 'browser' check (kind in ('browser', 'cli')),
  -- The token of a command line is exchanged while its session lasts. Until when the one of now is taken:
  add column token_expires_at timestamptz check (isfinite(token_expires_at)),
  -- The one before, taken until that of now was seen and a moment longer: an answer may be lost on the way.
  add column former_hash text unique check (former_hash ~ '^sha256:[0-9a-f]{64}$'),
  add column former_until timestamptz,
  -- With it that of now was made from the one before: asked again, it is the same.
  add column salt text,
  add constraint sign_in_sessions_token check ((kind = 'cli') = (token_expires_at is not null));

create table cli_logins (
  -- Of what the command line holds, or was handed through the browser.
  hash text primary key check (hash ~ '^sha256:[0-9a-f]{64}$'),
  challenge text not null check (length(challenge) = 43),
  provider text not null,
  agent text not null check (length(agent) <= 200),
  -- Encrypted under what the command line holds: neither the store alone can use it, nor the command line.
  device_code bytea,
  interval_ms bigint check (interval_ms > 0),
  next_poll_at timestamptz,
  -- Or the browser in which somebody said yes.
  browser_session text references sign_in_sessions (id),
  expires_at timestamptz not null check (isfinite(expires_at)),
  -- Over: it has signed somebody in, or was refused.
  used_at timestamptz,
  session text references sign_in_sessions (id) deferrable initially deferred,
  check ((device_code is null) = (browser_session is not null)),
  check ((device_code is null) = (interval_ms is null and next_poll_at is null))
);
create index cli_logins_expires on cli_logins (expires_at);
`;
