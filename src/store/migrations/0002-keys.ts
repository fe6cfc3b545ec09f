/** Which processes hold which sealing keys, and which keys were given up as lost. */
export const name = "0002-keys";

export const sql = `
-- Each process says every few seconds which keys it can open secrets with. A new key becomes the current one only when
-- all of them hold it. No key is here: only its fingerprint.
create table sealing_key_holders (
  process text primary key,
  current_key text not null,
  keys jsonb not null,
  seen_at timestamptz not null
);

-- Somebody said that this key will not come back. What was sealed with it counts as lost, unless the key is found after all.
create table abandoned_keys (
  key_id text primary key,
  abandoned_at timestamptz not null
);

create index sealed_secrets_key on sealed_secrets (key_id, id);
`;
