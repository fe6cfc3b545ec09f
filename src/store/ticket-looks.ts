/** Which tickets live access was asked for with, and when each is looked at next. */
import { sql } from "kysely";
import type { GrantId } from "../base/ids.ts";
import type { Db } from "./db.ts";

/** A grant that is made now and ended at once would need another look; so long back even a slow transaction is seen. */
const OVERLAP_MINUTES = 10;

/** A ticket that was closed when policy decided cannot close afterwards: who agreed to it knew. */
const live = sql`
  g.state in ('scheduled', 'provisioning', 'active') and r.ticket <> ''
  and r.facts -> 'ticket' ->> 'state' is distinct from 'closed'`;

/**
 * Tickets of live grants that are not looked at yet: of all grants, or only of those made since `sinceMs`. Answers them, and
 * the database's time to ask from next.
 */
export async function unwatchedTickets(
  db: Db,
  sinceMs: number | null,
): Promise<{ readonly tickets: string[]; readonly nextSinceMs: number }> {
  const recent = sinceMs === null ? sql`true` : sql`g.created_at > to_timestamp(${sinceMs}::float8 / 1000)`;
  const { rows } = await sql<{ ticket: string | null; next: number }>`
    with asked as (select clock_timestamp() - ${OVERLAP_MINUTES} * interval '1 minute' as next)
    select found.ticket, asked.next
    from asked left join (
      select distinct r.ticket
      from grants g join requests r on r.id = g.request_id
      where ${recent} and ${live} and not exists (select from ticket_looks l where l.ticket = r.ticket)
    ) found on true
  `.execute(db);
  return { tickets: rows.flatMap(({ ticket }) => ticket ?? []), nextSinceMs: rows[0]?.next ?? 0 };
}

/** From now on they are looked at, first at once. */
export async function watchTickets(db: Db, tickets: readonly string[]): Promise<void> {
  if (tickets.length === 0) return;
  await sql`
    insert into ticket_looks (ticket, due_at) select unnest(${tickets}::text[]), clock_timestamp()
    on conflict do nothing
  `.execute(db);
}

/** Some that are due: nobody else gets them before `againMs` have passed, whatever becomes of whoever took them. */
export async function claimTickets(db: Db, limit: number, againMs: number): Promise<string[]> {
  const { rows } = await sql<{ ticket: string }>`
    update ticket_looks set due_at = clock_timestamp() + ${againMs} * interval '1 millisecond'
    where ticket in (
      select ticket from ticket_looks where due_at <= clock_timestamp()
      order by due_at limit ${limit} for update skip locked
    )
    returning ticket
  `.execute(db);
  return rows.map(({ ticket }) => ticket);
}

export async function lookAgainIn(db: Db, ticket: string, ms: number): Promise<void> {
  await sql`
    update ticket_looks set due_at = clock_timestamp() + ${ms} * interval '1 millisecond' where ticket = ${ticket}
  `.execute(db);
}

export async function forgetTicket(db: Db, ticket: string): Promise<void> {
  await db.deleteFrom("ticket_looks").where("ticket", "=", ticket).execute();
}

/** Live grants that end when this ticket closes. */
export async function grantsOfTicket(db: Db, ticket: string, limit: number): Promise<GrantId[]> {
  const { rows } = await sql<{ id: GrantId }>`
    select g.id from requests r join grants g on g.request_id = r.id
    where r.ticket = ${ticket} and ${live} order by g.seq limit ${limit}
  `.execute(db);
  return rows.map(({ id }) => id);
}
