/** How freshly somebody has shown who they are, and the acts for which they show it anew. */
export const name = "0024-step-up";

export const sql = `
-- When the provider saw them sign in, and how, by its own word.
alter table sign_in_sessions
  add column authenticated_at timestamptz check (isfinite(authenticated_at)),
  add column acr text check (length(acr) <= 200),
  add column amr jsonb not null default '[]';
alter table reviews add column authentication jsonb;

create table step_ups (
  id text primary key,
  session text not null references sign_in_sessions (id),
  -- Hash of the call for which it is, and what that is in words.
  act text not null,
  what text not null,
  demand jsonb not null,
  created_at timestamptz not null,
  expires_at timestamptz not null check (isfinite(expires_at))
);
create index step_ups_session on step_ups (session, act);
create index step_ups_expires on step_ups (expires_at);
`;
