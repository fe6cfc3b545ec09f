/** What people write to each other about a request; and several requests that were made as one. */
export const name = "0011-comments-and-bundles";

/**
 * `requests.parent_id` was made for a request that is the parent of others, and was never written. A bundle is no request:
 * it has no entitlement, no decision and no grant. The column names it from now on.
 */
export const sql = `
create table comments (
  id text primary key,
  request_id text not null references requests (id),
  author_id text not null references principals (id),
  text text not null check (length(text) between 1 and 4000),
  asks boolean not null,
  answered_by text references comments (id),
  created_at timestamptz not null,
  seq bigint generated always as identity,
  check (asks or answered_by is null)
);
create index comments_request on comments (request_id, seq);
create index comments_unanswered on comments (request_id, seq) where asks and answered_by is null;

create table bundles (
  id text primary key,
  requester_id text not null references principals (id),
  name text,
  title text not null,
  -- What was refused before it could become a request, such as by a panic: entitlement, code, detail.
  refused jsonb not null default '[]',
  created_at timestamptz not null,
  seq bigint generated always as identity
);
create index bundles_requester on bundles (requester_id, seq);
alter table requests drop constraint requests_parent_id_fkey;
alter table requests add constraint requests_bundle foreign key (parent_id) references bundles (id);
create index requests_bundle on requests (parent_id, seq) where parent_id is not null;
`;
