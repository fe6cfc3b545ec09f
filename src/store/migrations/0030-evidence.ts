/** What auditors ask is kept beside grants, and where in the log a time is. */
export const name = "0030-evidence";

export const sql = `
set local statement_timeout = 0;
alter table grants add column revoking_at timestamptz, add column gone_at timestamptz, add column delivered_at timestamptz,
  add column standing boolean not null default false;

-- Whoever writes a grant says when. Where nobody did it is now, and what is seen again was never gone.
create or replace function grants_guard() returns trigger language plpgsql as $$
begin
  if new.fence < old.fence then raise exception 'fence of grant % would decrease', old.id; end if;
  if old.state in ('revoking', 'revoked', 'failed', 'cancelled') and new.state in ('scheduled', 'provisioning', 'active') then
    raise exception 'grant % is %, it never becomes % again', old.id, old.state, new.state;
  end if;
  if new.state = 'revoking' then new.revoking_at := coalesce(new.revoking_at, clock_timestamp()); end if;
  new.gone_at := case when new.access_gone then coalesce(new.gone_at, new.revoked_at, clock_timestamp()) end;
  new.standing := coalesce(new.receipt -> 'evidence' ->> 'kind' = 'standing', false);
  return new;
end $$;
create or replace trigger grants_guard before insert or update on grants for each row execute function grants_guard();

-- What the log said so far, for the last time. The guard adds what it says nothing of.
with told as (
  select entry -> 'refs' ->> 'grant' as id,
    min(at) filter (where kind = 'grant.revoking') as revoking_at,
    max(at) filter (where kind = 'grant.access-gone') as gone_at,
    max(at) filter (where kind = 'grant.reopened') as reopened_at,
    min(at) filter (where kind = 'credential.delivered') as delivered_at
  from audit_entries
    cross join lateral (select leaf::jsonb as entry offset 0) parsed
    cross join lateral (select entry ->> 'kind' as kind, (entry ->> 'at')::timestamptz as at) said
  where (leaf::jsonb ->> 'kind') = any (array['grant.revoking', 'grant.access-gone', 'grant.reopened', 'credential.delivered'])
  group by 1
)
update grants g set revoking_at = told.revoking_at, delivered_at = told.delivered_at,
    gone_at = case when told.gone_at > coalesce(told.reopened_at, '-infinity') then told.gone_at end
  from grants o left join told on told.id = o.id
  where o.id = g.id and (told.id is not null or o.access_gone);

-- Whoever asks of a period goes through this alone, and reads the rows of those that it is about.
drop index grants_seq;
create unique index grants_seq on grants (seq)
  include (id, created_at, expires_at, revoking_at, gone_at, standing, resource, entitlement);
-- The same of when something of it may have been made.
alter table leases drop constraint leases_grant_id_key;
create unique index leases_grant_id_key on leases (grant_id) include (created_at);

-- Positions are given after the change: times along the log are nearly in order, and only these say between which positions
-- all of a period lies. Null: not known.
alter table audit_nodes add column earliest timestamptz, add column latest timestamptz;
alter table audit_nodes disable trigger audit_nodes_guard;
grant update on audit_nodes to current_user;
update audit_nodes n set earliest = block.earliest, latest = block.latest
  from (
    select (p.seq - 1) / 256 as index, min(at) as earliest, max(at) as latest
    from audit_positions p join audit_entries e on e.id = p.entry_id
      cross join lateral (select (e.leaf::jsonb ->> 'at')::timestamptz as at offset 0) said
    group by 1
  ) block
  where n.level = 8 and n.index = block.index;
revoke update on audit_nodes from current_user;
alter table audit_nodes enable trigger audit_nodes_guard;
`;
