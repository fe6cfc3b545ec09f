/** How far the audit log has got outside. */
export const name = "0027-sinks";

export const sql = `
create table sinks (
  purpose text not null check (purpose in ('entries', 'checkpoints')),
  name text not null,
  -- Everything up to here was confirmed: a position, or the size of a checkpoint.
  position bigint not null check (position >= 0),
  created_at timestamptz not null default clock_timestamp(),
  confirmed_at timestamptz,
  -- Nobody tries before then. Whoever does puts it ahead first, so that two do not at once.
  due_at timestamptz not null default clock_timestamp(),
  taken bigint not null default 0,
  attempts int not null default 0,
  failing_since timestamptz,
  last_error text,
  -- Of a witness: the checkpoint that it signed, with its signature.
  note text,
  primary key (purpose, name)
);
`;
