/** Tokens that the server makes: narrowed, rotated, last used. Those of the file may be narrowed and revoked, too. */
export const name = "0023-tokens";

export const sql = `
alter table api_tokens
  add column seq bigint generated always as identity,
  -- What it is good for; null: whatever its owner may do.
  add column scopes text[] check (cardinality(scopes) > 0),
  -- To the minute: more would be a write for every call.
  add column last_used_at timestamptz,
  -- Who made it; null: the configuration, or a job.
  add column made_by text references principals (id),
  -- Who ended it; null: the configuration, which may bring it back.
  add column revoked_by text references principals (id),
  -- What took its place. It goes on until expires_at.
  add column successor text references api_tokens (id) on delete set null,
  add constraint api_tokens_issued check (source <> 'issued' or (isfinite(expires_at) and scopes is not null));
create index api_tokens_seq on api_tokens (seq);
`;
