/** Those who ask for access are held, and what stands against it is read, in one way to the store. */
export const name = "0034-askers";

/**
 * One statement after the other, each of which sees what was committed before it: in one statement, what is in force would be
 * read as it was before the locks were taken.
 */
export const sql = `
create function hold_askers(asked text[], lock_wait_ms int) returns table (version bigint, person principals, now timestamptz, quarantined boolean, panicking boolean)
language plpgsql as $$
#variable_conflict use_variable
begin
  if lock_wait_ms is not null then perform set_config('lock_timeout', lock_wait_ms::text, true); end if;
  select version_id into version from config_active for share;
  perform from principals p where p.id = any(asked) order by p.id for no key update;
  select clock_timestamp(), exists (select from quarantines where left_at is null), exists (select from panics where lifted_at is null)
    into now, quarantined, panicking;
  return query select version, p, now, quarantined, panicking from unnest(asked) wanted left join principals p on p.id = wanted;
end $$;
`;
