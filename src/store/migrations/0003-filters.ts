/** Indexes for what people look for: lists by person, resource and time, the log by what an entry is about. */
export const name = "0003-filters";

/**
 * The expressions over `decision` and `leaf` are written in `visible.ts` and `audit.ts` word for word as here: an index on
 * an expression serves only a query that says the same.
 */
export const sql = `
-- Pages are read along seq, in either direction.
create unique index requests_seq on requests (seq);
create index requests_resource on requests (resource, seq);
create index requests_created on requests (created_at);
create unique index grants_seq on grants (seq);
create index grants_created on grants (created_at);
create index grants_expires on grants (expires_at);
-- How many there are of each state, without reading the grants themselves.
create index grants_by_state on grants (state);
create index grants_in_trouble on grants (resource) where trouble is not null;

-- Who may approve: the sources that the steps of a decision name.
create index requests_approvers on requests using gin (jsonb_path_query_array(decision, '$.steps[*].by[*]'));
create index requests_extends on requests (extends_grant_id) where extends_grant_id is not null;
create index reviews_reviewer on reviews (reviewer_id, request_id);

-- A leaf is text, kept verbatim. These parse it once, when it is written.
create index audit_entries_grant on audit_entries ((leaf::jsonb -> 'refs' ->> 'grant')) where (leaf::jsonb -> 'refs' ->> 'grant') is not null;
create index audit_entries_request on audit_entries ((leaf::jsonb -> 'refs' ->> 'request')) where (leaf::jsonb -> 'refs' ->> 'request') is not null;
create index audit_entries_kind on audit_entries ((leaf::jsonb ->> 'kind'));
create index audit_entries_actor on audit_entries ((coalesce(leaf::jsonb -> 'actor' ->> 'principal', leaf::jsonb -> 'actor' ->> 'system')));
-- Times in leaves are all of one form, in UTC, so that their order as text is their order in time.
create index audit_entries_at on audit_entries (((leaf::jsonb ->> 'at') collate "C"));
`;
