/** The log becomes a Merkle tree (RFC 6962): the hash of each leaf beside its position, and a node over every 256 of them. */
export const name = "0025-merkle-log";

export const sql = `
set local statement_timeout = 0;
-- The chain goes: what it proved, the tree proves. A head that was signed over it is still held against the entries, once.
alter table audit_positions disable trigger audit_positions_guard;
grant update on audit_positions to current_user;
alter table audit_positions add column leaf_hash bytea;
update audit_positions p set leaf_hash = sha256('\\x00'::bytea || convert_to(e.leaf, 'UTF8'))
  from audit_entries e where e.id = p.entry_id;
alter table audit_positions alter column leaf_hash set not null;
alter table audit_positions add constraint audit_positions_leaf_hash check (length(leaf_hash) = 32);
alter table audit_positions drop column chain_hash;
revoke update on audit_positions from current_user;
alter table audit_positions enable trigger audit_positions_guard;

-- Complete subtrees over 256, 65,536, … leaves: level is the logarithm of their number, index counts them from 0.
create table audit_nodes (
  level smallint not null check (level > 0 and level % 8 = 0),
  index bigint not null check (index >= 0),
  hash bytea not null check (length(hash) = 32),
  primary key (level, index)
);
do $$
declare
  level int := 0;
begin
  create temp table tree_level on commit drop as select seq - 1 as index, leaf_hash as hash from audit_positions;
  loop
    create temp table tree_next on commit drop as
      select l.index / 2 as index, sha256('\\x01'::bytea || l.hash || r.hash) as hash
        from tree_level l join tree_level r on r.index = l.index + 1 where l.index % 2 = 0;
    exit when not exists (select from tree_next);
    level := level + 1;
    if level % 8 = 0 then insert into audit_nodes select level, index, hash from tree_next; end if;
    drop table tree_level;
    alter table tree_next rename to tree_level;
  end loop;
  drop table tree_level, tree_next;
end $$;
create trigger audit_nodes_guard before update or delete or truncate on audit_nodes execute function audit_is_insert_only();
revoke update, delete, truncate on audit_nodes from current_user;
revoke all on audit_nodes from public;
`;
