/** Configurations that wait for somebody to confirm them. */
export const name = "0015-config-proposals";

export const sql = `
create table config_proposals (
  version_id bigint primary key references config_versions (id),
  state text not null check (state in ('waiting', 'confirmed', 'rejected', 'withdrawn')),
  source text not null,
  -- What may widen access, a sentence each.
  widens jsonb not null,
  proposed_at timestamptz not null,
  decided_at timestamptz check ((decided_at is null) = (state = 'waiting'))
);
-- One at a time: what the files say now.
create unique index config_proposals_waiting on config_proposals ((true)) where state = 'waiting';

create table config_confirmations (
  version_id bigint not null references config_proposals (version_id),
  principal_id text not null references principals (id),
  confirmed_at timestamptz not null,
  primary key (version_id, principal_id)
);
`;
