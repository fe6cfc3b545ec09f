/** Entries get their positions a thousand at once; one is looked at by itself only where one of them is no entry. */
import { NODES } from "./0033-sequencer.ts";
import { ENTRY, placing } from "./0035-waiting.ts";

export const name = "0036-at-once";

/**
 * All that waits is taken for entries that are not in the log yet, and mostly is. Whatever else it may be makes the statement
 * fail: text that is no JSON, what lacks a kind (one that another replica of before put into the log has no text here, too), what
 * is too long for an index, an id that is there. Then nothing of it happened, and `audit_next` tells what is one (0035).
 *
 * What is parsed and no entry fails before anything is written.
 */
const waiting = `(
        select queued, entry_id, leaf, case when ${ENTRY} then entry else concat('no entry: ', leaf)::jsonb end as entry, false as is_there
          from (select queued, entry_id, entry_id as id, leaf, leaf::jsonb as entry from audit_unsequenced order by queued limit 1000) u offset 0
      )`;

export const sql = `
create or replace function audit_sequence() returns int language plpgsql set enable_seqscan = off as $$
declare
  head bigint;
  size bigint;
  height int := 8;
  hashes bytea[];
begin
  perform pg_advisory_xact_lock(7409232);
  begin
${placing(waiting)}  exception when data_exception or integrity_constraint_violation or program_limit_exceeded then
${placing("audit_next(1000)")}  end;
${NODES}
do $$ begin execute format('alter function audit_sequence() set search_path = %I, pg_temp', current_schema()); end $$;
`;
