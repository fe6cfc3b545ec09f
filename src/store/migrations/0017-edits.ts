/** A request that waits may be changed by who asked. */
export const name = "0017-edits";

export const sql = `
-- When its requester changed it last; null: it is as it was first asked for.
alter table requests add column edited_at timestamptz;
`;
