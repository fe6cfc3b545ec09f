/** Who else may approve: steps that escalate, people who are away, and the requests that this concerns. */
export const name = "0014-approvers";

export const sql = `
-- When the next step of a pending request escalates.
alter table requests add column escalates_at timestamptz;
-- Looked at once, they get the time that is right.
update requests set escalates_at = created_at where state = 'pending' and jsonb_path_exists(decision, '$.steps[*].escalate');
create index requests_escalating on requests (escalates_at) where state = 'pending' and escalates_at is not null;

-- Whose approvers have changed: a row for each time that somebody asks for another look.
create table requests_to_look_at (
  seq bigint generated always as identity primary key,
  request_id text not null references requests (id)
);
create index requests_to_look_at_request on requests_to_look_at (request_id);

-- One for each who is away, by ids: a handle may change hands.
create table absences (
  principal_id text primary key references principals (id),
  delegate_id text references principals (id),
  set_by text not null references principals (id),
  since timestamptz not null,
  until timestamptz not null check (until > since and until <= since + interval '90 days'),
  check (delegate_id <> principal_id)
);
create index absences_delegate on absences (delegate_id) where delegate_id is not null;
-- For whom the reviewer stood in at that moment: ids of principals.
alter table reviews add column stands_for jsonb not null default '[]';
`;
