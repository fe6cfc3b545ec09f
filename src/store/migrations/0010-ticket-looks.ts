/** Tickets of live access that are looked at from time to time, because it ends when they close. */
export const name = "0010-ticket-looks";

export const sql = `
-- One row for each ticket, however many grants were asked for with it; shared among replicas by its due time.
create table ticket_looks (
  ticket text primary key check (length(ticket) between 1 and 200),
  due_at timestamptz not null
);
create index ticket_looks_due on ticket_looks (due_at);
create index requests_ticket on requests (ticket) where ticket <> '';
`;
