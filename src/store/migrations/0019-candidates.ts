/** Who can be meant by a step is found by group and by role, without reading everybody. */
export const name = "0019-candidates";

export const sql = `
-- Read in the way of every request, written rarely: nothing is put off until later.
create index principals_groups on principals using gin (groups) with (fastupdate = off) where active;
create index principals_roles on principals using gin (roles) with (fastupdate = off) where active;
`;
