/** An entry that waits for its position lies in the queue, and is put into the log with its position: a change writes one row for it. */
export const name = "0035-waiting";

/** By what an entry is found, in the order of `audit_lookup`. */
const SAID = `entry ->> 'kind', coalesce(entry -> 'actor' ->> 'principal', entry -> 'actor' ->> 'system'),
      entry -> 'refs' ->> 'grant', entry -> 'refs' ->> 'request', entry -> 'refs' ->> 'principal',
      (entry ->> 'at')::timestamptz`;

/**
 * An entry leaves the queue into the log and nowhere else, whoever takes it out. Those of a replica of the version before are
 * in the log already, and have no leaf in the queue.
 *
 * What is no entry gets no position, and keeps nothing from its own: it waits for ever, which health tells. The constraint of
 * 0031, which every change paid for, held back only what could not be parsed.
 *
 * The function is as before (0033), but that the leaf comes from the queue.
 */
export const sql = `
alter table audit_unsequenced add column leaf text;

create function audit_parsed(leaf text) returns jsonb language plpgsql stable as $$
declare entry jsonb;
begin
  entry := leaf::jsonb;
  if length(entry ->> 'kind') <= 200 and length(coalesce(entry -> 'actor' ->> 'principal', entry -> 'actor' ->> 'system')) <= 200
    and length(concat(entry -> 'refs' ->> 'grant', entry -> 'refs' ->> 'request', entry -> 'refs' ->> 'principal')) <= 600
    and (entry ->> 'at')::timestamptz is not null
  then return entry; end if;
  return null;
exception when data_exception then return null;
end $$;

create function audit_leaves_into_the_log() returns trigger language plpgsql set enable_seqscan = off as $$
begin
  if exists (select from gone g left join audit_entries e on e.id = g.entry_id where g.leaf is not null and e.leaf is distinct from g.leaf)
  then raise exception 'the audit log is insert-only: what waits for its position leaves into the log'; end if;
  return null;
end $$;
create trigger audit_unsequenced_guard before update or truncate on audit_unsequenced execute function audit_is_insert_only();
create trigger audit_unsequenced_leaves after delete on audit_unsequenced referencing old table as gone
  for each statement execute function audit_leaves_into_the_log();
revoke truncate, update on audit_unsequenced from current_user;
revoke all on audit_unsequenced from public;
alter table audit_entries drop constraint audit_entries_leaf;

create or replace function audit_sequence() returns int language plpgsql set enable_seqscan = off as $$
declare
  head bigint;
  size bigint;
  height int := 8;
  hashes bytea[];
begin
  perform pg_advisory_xact_lock(7409232);
  with read as (
    select (select coalesce(max(seq), 0) from audit_positions) + row_number() over (order by queued) as seq, w.*, said.*
      from (
          select u.queued, u.entry_id, u.leaf as brought, there.leaf, parsed.entry from audit_unsequenced u
            cross join lateral (select coalesce(u.leaf, (select leaf from audit_entries where id = u.entry_id)) as leaf offset 0) there
            cross join lateral (select audit_parsed(there.leaf) as entry offset 0) parsed
           where parsed.entry is not null order by u.queued limit 1000
        ) w cross join lateral (
          select sha256('\\x00'::bytea || convert_to(leaf, 'UTF8')), ${SAID}
        ) said (leaf_hash, kind, actor, grant_id, request_id, principal_id, at)
  ), entered as (
    insert into audit_entries select entry_id, leaf from read where brought is not null
  ), placed as (
    insert into audit_positions select seq, entry_id, leaf_hash from read
  ), looked_up as (
    insert into audit_lookup select seq, entry_id, kind, actor, grant_id, request_id, principal_id, at from read
      on conflict do nothing
  ), taken as (
    delete from audit_unsequenced where queued = any (array(select queued from read))
  )
  select min(seq) - 1, max(seq) into head, size from read;
  while size >> height > 0 loop
    for i in head >> height .. (size >> height) - 1 loop
      hashes := case height
        when 8 then array(select leaf_hash from audit_positions where seq > i::bigint * 256 and seq <= i::bigint * 256 + 256 order by seq)
        else array(select hash from audit_nodes where level = height - 8 and index >= i::bigint * 256 and index < i::bigint * 256 + 256
          order by index)
      end;
      assert hashes[256] is not null, 'the store lacks hashes of the log';
      for n in 1 .. 255 loop
        hashes[256 + n] := sha256('\\x01'::bytea || hashes[2 * n - 1] || hashes[2 * n]);
      end loop;
      insert into audit_nodes select height, i, hashes[511], min(at), max(at)
        from audit_lookup where height = 8 and seq > i::bigint * 256 and seq <= i::bigint * 256 + 256;
    end loop;
    height := height + 8;
  end loop;
  return coalesce(size - head, 0);
end $$;
do $$
begin
  execute format('alter function audit_sequence() set search_path = %I, pg_temp', current_schema());
  execute format('alter function audit_leaves_into_the_log() set search_path = %I, pg_temp', current_schema());
end $$;
`;
