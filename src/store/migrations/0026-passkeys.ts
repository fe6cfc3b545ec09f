/** Passkeys of people, and the questions that they are shown for. */
export const name = "0026-passkeys";

export const sql = `
create table passkeys (
  id text primary key,
  principal_id text not null references principals (id),
  name text not null check (length(name) between 1 and 60),
  -- As the authenticator calls it, in base64url; nobody else's, not even where it was removed.
  credential_id text not null unique check (length(credential_id) <= 1400),
  public_key bytea not null,
  counter bigint not null check (counter >= 0),
  transports jsonb not null default '[]',
  created_at timestamptz not null,
  used_at timestamptz,
  removed_at timestamptz
);
create index passkeys_principal on passkeys (principal_id) where removed_at is null;

-- Each is answered once: for an act, or by somebody who adds a passkey.
create table passkey_challenges (
  hash text primary key,
  session text not null references sign_in_sessions (id),
  step_up text references step_ups (id) on delete cascade,
  expires_at timestamptz not null check (isfinite(expires_at))
);
create index passkey_challenges_expires on passkey_challenges (expires_at);
create index passkey_challenges_step_up on passkey_challenges (step_up);

alter table step_ups add column passkey_at timestamptz;
alter table sign_in_sessions add column passkey_at timestamptz;
`;
