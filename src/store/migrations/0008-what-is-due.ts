/** Finding what is due, and counting what is late, costs by what is due and not by how many grants there are. */
export const name = "0008-what-is-due";

/**
 * The expressions are written in `due.ts` and `figures.ts` word for word as here: an index on an expression, or on some of
 * the rows, serves only a query that says the same.
 */
export const sql = `
-- Per resource, in the order in which it is claimed: what takes access away, what gives it, what only looks once more.
create index grants_due_next on grants (
  resource,
  (case when state = 'active' or (state = 'revoking' and not access_gone) then 0 when state in ('scheduled', 'provisioning') then 1 else 2 end),
  due_at
) where due_at is not null;

-- What has reached its end and is not being taken away yet.
create index grants_ending on grants (expires_at) where state = 'active';

-- Access that may still be there, by its end; and since when those are in trouble that are being taken away.
create index grants_still on grants (expires_at)
  where state in ('provisioning', 'active') or (state = 'revoking' and not access_gone);
create index grants_resisting on grants (((trouble ->> 'sinceMs')::float8))
  where state = 'revoking' and not access_gone and trouble is not null;

-- Claims are written again and again without touching an index, as long as there is room beside the row. What is due moves
-- through these indexes from one end to the other, and its traces are removed long before a fifth of a large table is dead.
alter table grants set (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
alter table leases set (fillfactor = 85);

-- The queue of entries without a position is read in its order, however long it is.
create index audit_unsequenced_queue on audit_unsequenced (queued);
alter table audit_unsequenced set (autovacuum_vacuum_scale_factor = 0.02);
`;
