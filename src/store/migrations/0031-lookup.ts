/** By what entries are found stands in rows of its own, written with their positions: no change waits for it. */
export const name = "0031-lookup";

/**
 * Beside the positions, and not in them: it goes with the entry when that is dropped, and the position stays.
 *
 * A trigger writes it, whoever gives the position: also a replica of the version before, and a restore. Each leaf is parsed
 * once. Where somebody cut positions off, what is left stays for whoever verifies, and no entry waits for it.
 *
 * Indexes are in the order in which pages are read; a time is looked for by the blocks of the log, which know theirs (0030).
 *
 * The trigger of 0029 is as before, but that the announcement is found by a row and believed by its leaf. Functions have a search
 * path, else a temporary table of the same name would be asked.
 *
 * Last comes what holds changes up. What could not be parsed never was in the log (the indexes saw to it), and must not be: it
 * would keep all that comes after it from its position.
 */
export const sql = `
set local statement_timeout = 0;
create table audit_lookup (
  seq bigint primary key,
  entry_id text not null,
  kind text not null,
  actor text not null,
  grant_id text,
  request_id text,
  principal_id text,
  at timestamptz not null
);

create function audit_is_looked_up() returns trigger language plpgsql as $$
begin
  insert into audit_lookup
  select p.seq, p.entry_id, entry ->> 'kind', coalesce(entry -> 'actor' ->> 'principal', entry -> 'actor' ->> 'system'),
      entry -> 'refs' ->> 'grant', entry -> 'refs' ->> 'request', entry -> 'refs' ->> 'principal',
      (entry ->> 'at')::timestamptz
    from placed p cross join lateral (select leaf::jsonb as entry from audit_entries where id = p.entry_id offset 0) parsed
    on conflict do nothing;
  return null;
end $$;
create trigger audit_positions_lookup after insert on audit_positions referencing new table as placed
  for each statement execute function audit_is_looked_up();
insert into audit_lookup
select p.seq, p.entry_id, entry ->> 'kind', coalesce(entry -> 'actor' ->> 'principal', entry -> 'actor' ->> 'system'),
    entry -> 'refs' ->> 'grant', entry -> 'refs' ->> 'request', entry -> 'refs' ->> 'principal',
    (entry ->> 'at')::timestamptz
  from (select p.seq, p.entry_id, e.leaf from audit_positions p join audit_entries e on e.id = p.entry_id order by p.seq) p
    cross join lateral (select p.leaf::jsonb as entry offset 0) parsed;

create index audit_lookup_kind on audit_lookup (kind, seq);
create index audit_lookup_actor on audit_lookup (actor, seq);
create index audit_lookup_grant on audit_lookup (grant_id, seq) where grant_id is not null;
create index audit_lookup_request on audit_lookup (request_id, seq) where request_id is not null;
create index audit_lookup_principal on audit_lookup (principal_id, seq) where principal_id is not null;

create function audit_lookup_goes_with_entries() returns trigger language plpgsql as $$
begin
  if exists (select from gone g join audit_entries e on e.id = g.entry_id)
  then raise exception 'the audit log is insert-only'; end if;
  return null;
end $$;
create trigger audit_lookup_guard before update or truncate on audit_lookup execute function audit_is_insert_only();
create trigger audit_lookup_beginning after delete on audit_lookup referencing old table as gone
  for each statement execute function audit_lookup_goes_with_entries();
revoke update, truncate on audit_lookup from current_user;
revoke all on audit_lookup from public;

create or replace function audit_drops_its_beginning() returns trigger language plpgsql as $$
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
    select from audit_lookup l join audit_positions p on p.seq = l.seq join audit_entries e on e.id = p.entry_id
     where l.kind = 'audit.drop-announced' and (e.leaf::jsonb ->> 'kind') = 'audit.drop-announced' and p.seq > last
       and (e.leaf::jsonb -> 'data' ->> 'to')::bigint >= last
       and (e.leaf::jsonb ->> 'at')::timestamptz <= clock_timestamp() - interval '1 day')
  then raise exception 'the audit log is insert-only: nothing is dropped before an entry has said so for a day'; end if;
  return null;
end $$;
do $$
begin
  execute format('alter function audit_drops_its_beginning() set search_path = %I, pg_temp', current_schema());
  execute format('alter function audit_is_looked_up() set search_path = %I, pg_temp', current_schema());
  execute format('alter function audit_lookup_goes_with_entries() set search_path = %I, pg_temp', current_schema());
end $$;

drop index if exists audit_entries_kind, audit_entries_actor, audit_entries_at, audit_entries_grant, audit_entries_request,
  audit_entries_principal;
alter table audit_entries add constraint audit_entries_leaf check ((leaf::jsonb ->> 'kind') is not null) not valid;
`;
