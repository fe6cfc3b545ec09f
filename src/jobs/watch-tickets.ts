/**
 * Access that ends when its ticket closes: looks at the tickets of live grants from time to time. A ticket counts as closed
 * when its tracker says so, definitely and now; a tracker that is away, refuses or talks nonsense ends nothing.
 */
import type { TicketState } from "../domain/facts.ts";
import type { Context } from "../operations/context.ts";
import { endWithTicket } from "../operations/end-with-ticket.ts";
import {
  claimTickets,
  forgetTicket,
  grantsOfTicket,
  lookAgainIn,
  unwatchedTickets,
  watchTickets,
} from "../store/ticket-looks.ts";
import type { Job } from "./runner.ts";

/** What a tracker says now. */
export type TicketNow = { readonly state: TicketState; readonly status: string; readonly source: string };

export type Watched = {
  /** Of the configuration. */
  readonly version: number;
  /** How often this ticket is to be looked at; null: nothing ends with it. */
  lookEveryMs(ticket: string): number | null;
};

export type TicketWatch = {
  /** What the active configuration watches; null: nothing ends with a ticket. */
  watched(): Promise<Watched | null>;
  ticket(id: string): Promise<TicketNow>;
  readonly log: (what: string, facts: Readonly<Record<string, string | number>>) => void;
};

const EVERY_MS = 2_000;
const LOOKS_AT_ONCE = 8;
/** Longer than any look takes. */
const CLAIMED_MS = 60_000;

export function ticketJob(watch: TicketWatch): Job {
  let known: { readonly version: number; readonly sinceMs: number } | null = null;
  return {
    name: "watch-tickets",
    everyMs: EVERY_MS,
    async run(context) {
      const watched = await watch.watched();
      if (watched === null) {
        known = null;
        return;
      }
      // Another configuration may watch what the one before did not: then all live grants are looked through once.
      const sinceMs = known?.version === watched.version ? (known?.sinceMs ?? null) : null;
      const { tickets, nextSinceMs } = await unwatchedTickets(context.db, sinceMs);
      await watchTickets(
        context.db,
        tickets.filter((ticket) => watched.lookEveryMs(ticket) !== null),
      );
      known = { version: watched.version, sinceMs: nextSinceMs };
      for (;;) {
        const due = await claimTickets(context.db, LOOKS_AT_ONCE, CLAIMED_MS);
        if (due.length === 0) return;
        await Promise.all(due.map((ticket) => look(context, watch, ticket, watched.lookEveryMs(ticket))));
      }
    },
  };
}

async function look(context: Context, watch: TicketWatch, ticket: string, everyMs: number | null): Promise<void> {
  const nobody = everyMs === null || (await grantsOfTicket(context.db, ticket, 1)).length === 0;
  if (nobody) return forgetTicket(context.db, ticket);
  const { state, status, source } = await watch.ticket(ticket);
  if (state !== "closed") return lookAgainIn(context.db, ticket, everyMs);
  const reason = `${ticket} was closed${status === "" ? "" : ` (${status})`}, says ${source}`;
  const grants = await endWithTicket(context, ticket, reason);
  watch.log("access ended with its ticket", { ticket, source, grants });
}
