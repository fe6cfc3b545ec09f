/** What limits of rules count, and who is whose manager. */
export const name = "0012-limits";

/** The expression is written in `requests.ts` word for word as here: an index on an expression serves only a query that says the same. */
export const sql = `
create index requests_counted on requests ((decision ->> 'counted'), created_at) where decision ->> 'counted' is not null;
-- The handle of the manager, as the issuer of the person says it.
alter table principals add column manager text;
`;
