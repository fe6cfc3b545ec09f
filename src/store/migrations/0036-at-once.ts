/** Entries get their positions a thousand at once; one is looked at by itself only where one of them is no entry. What is one is said closely. */
import { NODES, SEQUENCING } from "./0033-sequencer.ts";
import { placing } from "./0035-waiting.ts";

export const name = "0036-at-once";

/** An entry of ours is shorter, as it is made (`newEntry`). What is longer is not parsed: the store could have no room for it. */
const PARSED = "case when octet_length(leaf) <= 8000000 then leaf::jsonb end";

/** That `entry`, by its `id` and in its `leaf`, is one: it can be looked for, read, and written as a line. */
const ENTRY = `entry ->> 'id' = id and length(id) <= 200 and length(entry ->> 'kind') <= 200
    and length(coalesce(entry -> 'actor' ->> 'principal', entry -> 'actor' ->> 'system')) <= 200
    and coalesce(length(entry -> 'refs' ->> 'grant'), 0) <= 200 and coalesce(length(entry -> 'refs' ->> 'request'), 0) <= 200
    and coalesce(length(entry -> 'refs' ->> 'principal'), 0) <= 200 and (entry ->> 'at')::timestamptz is not null
    and position(e'\\n' in leaf) = 0 and leaf like '{"actor":{"%"},"at":"____-__-__T__:__:__.___Z",%"data":{%},"id":"%","installation":"%","kind":"%","refs":{%},"v":1}'`;

/**
 * All that waits is taken for entries that are not in the log yet, and mostly is. Whatever else it may be makes the statement
 * fail: text that is no JSON, what is no entry (one that a replica of before put into the log has no text here, too), what is too
 * long for an index, an id that is there. Then nothing of it happened, and `audit_next` tells what is one (0035).
 *
 * What is no entry by itself fails before anything is written.
 */
const waiting = `(
        select queued, entry_id, leaf, case when ${ENTRY} then entry else ('no entry: ' || queued::text)::jsonb end as entry, false as is_there
          from (select queued, entry_id, entry_id as id, leaf, ${PARSED} as entry from audit_unsequenced order by queued limit 1000) u offset 0
      )`;

export const sql = `
create or replace function audit_parsed(id text, leaf text) returns jsonb language plpgsql stable as $$
declare entry jsonb;
begin
  entry := ${PARSED};
  if ${ENTRY}
  then return entry; end if;
  return null;
exception when data_exception or program_limit_exceeded then return null;
end $$;

create or replace ${SEQUENCING}  begin
${placing(waiting)}  exception when data_exception or integrity_constraint_violation or program_limit_exceeded then
${placing("audit_next(1000)")}  end;
${NODES}
do $$ begin execute format('alter function audit_sequence() set search_path = %I, pg_temp', current_schema()); end $$;
`;
