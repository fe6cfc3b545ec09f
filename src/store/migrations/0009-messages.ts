/** Messages to people, and their way out through channels. */
export const name = "0009-messages";

/**
 * `outbox` was there for this and was never written. No foreign keys from a message: checking one takes a lock on the
 * request, out of the order in which everybody else takes them; and the log is insert-only.
 */
export const sql = `
drop table outbox;

create table messages (
  id text primary key,
  -- The audit entry of what it tells, written with it.
  entry_id text not null,
  kind text not null,
  created_at timestamptz not null,
  request_id text,
  grant_id text,
  recipients text[] not null check (cardinality(recipients) > 0),
  data jsonb not null,
  -- Which channels take it is settled once, by the configuration of that moment.
  handed_over boolean not null default false,
  seq bigint generated always as identity unique
);
create index messages_recipients on messages using gin (recipients);
create index messages_entry on messages (entry_id);
create index messages_waiting on messages (seq) where not handed_over;
create index messages_age on messages (created_at);

create table message_deliveries (
  message_id text not null references messages (id) on delete cascade,
  channel text not null,
  state text not null check (state in ('pending', 'delivered', 'failed')),
  attempts int not null default 0,
  -- Pending: not before then. Whoever tries puts it ahead first, so that two do not try at once.
  due_at timestamptz not null,
  done_at timestamptz check ((done_at is null) = (state = 'pending')),
  last_error text,
  primary key (message_id, channel)
);
create index message_deliveries_due on message_deliveries (channel, due_at) where state = 'pending';
`;
