/** The queue of entries without a position has one index, that of its order: every change pays for each of them. */
export const name = "0032-queue";

/** Entries are taken out by their place in it. A replica of the version before takes them out by their id, from the few that there are. */
export const sql = `
alter table audit_unsequenced drop constraint audit_unsequenced_pkey;
drop index audit_unsequenced_queue;
alter table audit_unsequenced add primary key (queued);
alter table audit_unsequenced alter column entry_id set not null;
`;
