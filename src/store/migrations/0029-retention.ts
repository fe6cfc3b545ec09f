/** The beginning of the log may go, when it is old and an entry has said so for a day; nothing else of it ever may. */
export const name = "0029-retention";

export const sql = `
set local statement_timeout = 0;
-- What was dropped: up to which position, written until when, and at which position that was announced.
create table audit_dropped (
  position bigint not null check (position > 0 and position % 256 = 0),
  before timestamptz not null,
  announced bigint not null
);
create unique index audit_dropped_one on audit_dropped ((true));

-- Up to which position texts of people have gone by their age.
create table audit_texts_gone (position bigint not null);
create unique index audit_texts_gone_one on audit_texts_gone ((true));

create function audit_drops_its_beginning() returns trigger language plpgsql as $$
declare
  first bigint;
  last bigint;
  placed bigint;
  entries bigint;
  youngest timestamptz;
begin
  select min(p.seq), max(p.seq), count(p.seq), count(*), max((g.leaf::jsonb ->> 'at')::timestamptz)
    into first, last, placed, entries, youngest
    from gone g left join audit_positions p on p.entry_id = g.id;
  if entries = 0 then return null; end if;
  if placed < entries or last % 256 <> 0 or (first - 1) % 256 <> 0 or last - first + 1 <> entries or exists (
    select from audit_positions p join audit_entries e on e.id = p.entry_id where p.seq = first - 1)
  then raise exception 'the audit log is insert-only: only its beginning is dropped, in whole blocks of 256'; end if;
  if youngest > clock_timestamp() - interval '90 days'
  then raise exception 'the audit log is insert-only: nothing is dropped that is younger than 90 days'; end if;
  if not exists (
    select from audit_entries e join audit_positions p on p.entry_id = e.id
     where (e.leaf::jsonb ->> 'kind') = 'audit.drop-announced' and p.seq > last
       and (e.leaf::jsonb -> 'data' ->> 'to')::bigint >= last
       and (e.leaf::jsonb ->> 'at')::timestamptz <= clock_timestamp() - interval '1 day')
  then raise exception 'the audit log is insert-only: nothing is dropped before an entry has said so for a day'; end if;
  return null;
end $$;
-- Else a temporary table of the same name would be asked.
do $$
begin
  execute format('alter function audit_drops_its_beginning() set search_path = %I, pg_temp', current_schema());
end $$;
drop trigger audit_entries_guard on audit_entries;
create trigger audit_entries_guard before update or truncate on audit_entries execute function audit_is_insert_only();
create trigger audit_entries_beginning after delete on audit_entries referencing old table as gone
  for each statement execute function audit_drops_its_beginning();
grant delete on audit_entries to current_user;
`;
