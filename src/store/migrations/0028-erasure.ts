/** People whose texts were erased, for good; and entries by whom they are about. */
export const name = "0028-erasure";

/** The expression is written in `erasure.ts` word for word as here: an index on an expression serves only a query that says the same. */
export const sql = `
set local statement_timeout = 0;
-- Nobody comes back as somebody who was erased: who is called the same later is somebody new.
alter table principals add column erased_at timestamptz, add constraint principals_erased check (erased_at is null or not active);
create index audit_entries_principal on audit_entries ((leaf::jsonb -> 'refs' ->> 'principal'))
  where (leaf::jsonb -> 'refs' ->> 'principal') is not null;
`;
