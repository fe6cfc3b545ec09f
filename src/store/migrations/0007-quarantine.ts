/** The times at which this store could not be trusted to know what has happened. */
export const name = "0007-quarantine";

export const sql = `
-- While a row without left_at is there, nothing is given to anybody. It is durable, so that no restart forgets it.
create table quarantines (
  id bigint generated always as identity primary key,
  since timestamptz not null,
  why text not null,
  -- What was compared: the head that was kept outside, and how far the log was.
  facts jsonb not null,
  left_at timestamptz check (left_at >= since)
);

-- One at a time: of two replicas that notice at once, one puts it down.
create unique index quarantines_open on quarantines ((true)) where left_at is null;
`;
