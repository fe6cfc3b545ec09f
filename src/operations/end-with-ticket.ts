import { forgetTicket, grantsOfTicket } from "../store/ticket-looks.ts";
import type { Context } from "./context.ts";
import { endGrant } from "./revoke-grant.ts";
import { transact } from "./transact.ts";

/** So many grants are ended in one transaction. */
const BATCH = 50;

/**
 * A ticket was seen to be closed: access that was asked for with it ends, by the one path there is. May die anywhere and be
 * repeated. Answers how many it ended.
 */
export async function endWithTicket(context: Context, ticket: string, reason: string): Promise<number> {
  const actor = { system: "jobs" as const };
  const ending = { cause: "ticket-closed" as const, by: null, reason };
  let ended = 0;
  for (;;) {
    const ids = await grantsOfTicket(context.db, ticket, BATCH);
    if (ids.length === 0) break;
    const count = await transact<number>(context, { operation: "end-with-ticket", actor }, async (work) => {
      const done = [];
      for (const id of ids) done.push(await endGrant(work, id, ending, actor));
      return done.filter(Boolean).length;
    });
    ended += count as number;
  }
  await forgetTicket(context.db, ticket);
  return ended;
}
