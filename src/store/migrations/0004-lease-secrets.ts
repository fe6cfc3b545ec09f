/** Discarding a sealed secret looks for the lease that names it: by an index, however many grants there have been. */
export const name = "0004-lease-secrets";

export const sql = `
create index leases_secret on leases (secret_id) where secret_id is not null;
`;
