/** An entry that waits for its position lies in the queue, and is put into the log with its position: a change writes one row for it. */
import { NODES, PLACED, SAID, SEQUENCING } from "./0033-sequencer.ts";

export const name = "0035-waiting";

/** Part of `audit_sequence`, which 0036 makes anew: gives positions to what waits, and puts it into the log. */
export const placing = (waiting: string): string => `  with read as (
    select (select coalesce(max(seq), 0) from audit_positions) + row_number() over (order by queued) as seq, w.*, said.*
      from ${waiting} w cross join lateral (
          select sha256('\\x00'::bytea || convert_to(leaf, 'UTF8')), ${SAID}
        ) said (leaf_hash, kind, actor, grant_id, request_id, principal_id, at)
  ), entered as (
    insert into audit_entries select entry_id, leaf from read where not is_there
${PLACED}`;

/**
 * An entry leaves the queue with a position in the log and no other way, whoever takes it out. Those of a replica of the version
 * before are in `audit_entries` already, and have no leaf in the queue.
 *
 * What is no entry gets no position, and keeps nothing from its own: it waits for ever, which health tells. Such is, too, what has
 * the id of another that has its position, or that waits before it. A function that is called for each row has no search path of
 * its own, which would cost more than the rest: it calls nothing that could be taken for something else.
 *
 * `audit_sequence` is as before (0033), but that what waits comes from `audit_next`, and with its leaf.
 */
export const sql = `
alter table audit_unsequenced add column leaf text;

create function audit_parsed(id text, leaf text) returns jsonb language plpgsql stable as $$
declare entry jsonb;
begin
  entry := leaf::jsonb;
  if entry ->> 'id' = id and length(id) <= 200 and length(entry ->> 'kind') <= 200
    and length(coalesce(entry -> 'actor' ->> 'principal', entry -> 'actor' ->> 'system')) <= 200
    and coalesce(length(entry -> 'refs' ->> 'grant'), 0) <= 200 and coalesce(length(entry -> 'refs' ->> 'request'), 0) <= 200
    and coalesce(length(entry -> 'refs' ->> 'principal'), 0) <= 200 and (entry ->> 'at')::timestamptz is not null
  then return entry; end if;
  return null;
exception when data_exception or program_limit_exceeded then return null;
end $$;

create function audit_next(most int) returns table (queued bigint, entry_id text, leaf text, entry jsonb, is_there boolean)
language plpgsql stable set enable_seqscan = off as $$
#variable_conflict use_column
begin
  return query
    select w.queued, w.entry_id, w.leaf, w.entry, w.is_there from (
      select n.*, row_number() over (partition by n.entry_id order by n.queued) as nth from (
        select u.queued, u.entry_id, it.leaf, parsed.entry, there.leaf is not null as is_there
          from audit_unsequenced u
            cross join lateral (select (select leaf from audit_entries where id = u.entry_id) as leaf offset 0) there
            cross join lateral (select coalesce(u.leaf, there.leaf) as leaf offset 0) it
            cross join lateral (select audit_parsed(u.entry_id, it.leaf) as entry offset 0) parsed
         where parsed.entry is not null and coalesce(there.leaf = it.leaf, true)
           and (select seq from audit_positions where entry_id = u.entry_id) is null
         order by u.queued limit most) n
    ) w where w.nth = 1;
end $$;

create function audit_leaves_into_the_log() returns trigger language plpgsql set enable_seqscan = off as $$
begin
  if exists (
    select from gone g cross join lateral (
        select (select e.leaf from audit_positions p join audit_entries e on e.id = p.entry_id where p.entry_id = g.entry_id) as leaf offset 0
      ) there
     where there.leaf is null or there.leaf <> g.leaf)
  then raise exception 'the audit log is insert-only: what waits for its position leaves into the log'; end if;
  return null;
end $$;
create trigger audit_unsequenced_guard before update or truncate on audit_unsequenced execute function audit_is_insert_only();
create trigger audit_unsequenced_leaves after delete on audit_unsequenced referencing old table as gone
  for each statement execute function audit_leaves_into_the_log();
revoke truncate, update on audit_unsequenced from current_user;
revoke all on audit_unsequenced from public;

create or replace ${SEQUENCING}${placing("audit_next(1000)")}${NODES}
do $$
begin
  execute format('alter function audit_sequence() set search_path = %I, pg_temp', current_schema());
  execute format('alter function audit_next(int) set search_path = %I, pg_temp', current_schema());
  execute format('alter function audit_leaves_into_the_log() set search_path = %I, pg_temp', current_schema());
end $$;
`;
