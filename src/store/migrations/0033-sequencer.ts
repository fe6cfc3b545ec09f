/** A function of the store gives positions, and writes what entries are found by and the nodes of the tree: a batch is one way there. */
export const name = "0033-sequencer";

/** By what an entry is found, in the order of `audit_lookup`. */
export const SAID = `entry ->> 'kind', coalesce(entry -> 'actor' ->> 'principal', entry -> 'actor' ->> 'system'),
      entry -> 'refs' ->> 'grant', entry -> 'refs' ->> 'request', entry -> 'refs' ->> 'principal',
      (entry ->> 'at')::timestamptz`;

/** How `audit_sequence` begins, how it writes what it has read, and its rest: 0035 and 0036 make it anew of these. */
export const SEQUENCING = `function audit_sequence() returns int language plpgsql set enable_seqscan = off as $$
declare
  head bigint;
  size bigint;
  height int := 8;
  hashes bytea[];
begin
  perform pg_advisory_xact_lock(7409232);
`;
export const PLACED = `  ), placed as (
    insert into audit_positions select seq, entry_id, leaf_hash from read
  ), looked_up as (
    insert into audit_lookup select seq, entry_id, kind, actor, grant_id, request_id, principal_id, at from read
      on conflict do nothing
  ), taken as (
    delete from audit_unsequenced where queued = any (array(select queued from read))
  )
  select min(seq) - 1, max(seq) into head, size from read;
`;
/** The nodes that are complete now, and how many entries it was. */
export const NODES = `  while size >> height > 0 loop
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
end $$;`;

/**
 * Each leaf is read and parsed once. The trigger of 0031 looks whether all rows by which the entries are found are there, and
 * believes nobody that they are: a replica of the version before, or whoever else gives positions, has them written as ever.
 *
 * The lock has any number, the same in every Tidegate: one sequencer at a time. Each statement of the function sees what was
 * committed before the lock was had. Leaves are looked up one by one, and no plan reads a whole table: it may be from when there
 * were few entries.
 *
 * A node is put together in one array: 256 hashes, and behind them those over each two, the last of which is the node's. Where
 * one is missing there is no node: it cannot be null either.
 */
export const sql = `
create ${SEQUENCING}  with read as (
    select (select coalesce(max(seq), 0) from audit_positions) + row_number() over (order by queued) as seq, w.*, said.*
      from (select * from audit_unsequenced order by queued limit 1000) w cross join lateral (
          select sha256('\\x00'::bytea || convert_to(leaf, 'UTF8')), ${SAID}
            from (select leaf, leaf::jsonb as entry from audit_entries where id = w.entry_id offset 0) parsed
        ) said (leaf_hash, kind, actor, grant_id, request_id, principal_id, at)
${PLACED}${NODES}

create or replace function audit_is_looked_up() returns trigger language plpgsql set enable_seqscan = off as $$
begin
  insert into audit_lookup
  select p.seq, p.entry_id, ${SAID}
    from placed p cross join lateral (select leaf::jsonb as entry from audit_entries where id = p.entry_id offset 0) parsed
    where (select count(*) from audit_lookup where seq between (select min(seq) from placed) and (select max(seq) from placed))
      <= (select max(seq) - min(seq) from placed)
    on conflict do nothing;
  return null;
end $$;
do $$
begin
  execute format('alter function audit_sequence() set search_path = %I, pg_temp', current_schema());
  execute format('alter function audit_is_looked_up() set search_path = %I, pg_temp', current_schema());
end $$;
`;
