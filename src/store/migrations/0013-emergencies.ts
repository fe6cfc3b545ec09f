/** Emergencies, and that somebody else looks at each afterwards. */
export const name = "0013-emergencies";

/** The expression is written in `visible.ts` word for word as here: an index on an expression serves only a query that says the same. */
export const sql = `
-- Of a request that led to access as an emergency; the whole is null of every other.
alter table requests
  add column review_due_at timestamptz,
  -- Who may review it is reminded then.
  add column review_remind_at timestamptz,
  add column review_verdict text check (review_verdict in ('justified', 'unjustified')),
  add column reviewed_by text references principals (id),
  add column review_comment text check (length(review_comment) <= 4000),
  add column reviewed_at timestamptz;
alter table requests add constraint requests_emergency_review check (
  case
    when review_due_at is null then num_nonnulls(review_remind_at, review_verdict, reviewed_by, review_comment, reviewed_at) = 0
    else emergency and review_remind_at is not null
      and num_nonnulls(review_verdict, reviewed_by, review_comment, reviewed_at) in (0, 4)
      and reviewed_by is distinct from requester_id
  end
);
create index requests_emergencies on requests (seq) where review_due_at is not null;
create index requests_unreviewed on requests (review_remind_at) where review_due_at is not null and reviewed_at is null;
create index requests_unreviewed_of on requests (requester_id) where review_due_at is not null and reviewed_at is null;
-- Whom an emergency concerns: who reviews it, and who was passed over.
create index requests_emergency_concerns on requests using gin (jsonb_path_query_array(decision, '$.emergency.*[*]')) where emergency;
`;
