/** Tickets, from any service that answers with one of them as JSON. */
import { z } from "zod";
import { oneAt, pathToOne } from "../json-path.ts";
import { authorizationOf, signIn } from "../sign-in.ts";
import { defineTicketSource, NO_SUCH_TICKET, SourceError } from "../source.ts";
import { sameWord, wordOf } from "../texts.ts";

const PLACE = "{ticket}";
const words = (what: string) => z.array(z.string().min(1).max(200)).min(1).max(50).meta({ description: what });

export const jsonTickets = defineTicketSource({
  kind: "json",
  connection: z
    .strictObject({
      ...signIn(`the address of one ticket, with ${PLACE} where its name goes`),
      id: pathToOne("where the answer repeats the ticket's name: an answer about another ticket is none"),
      status: pathToOne("where its status is"),
      open: words("which status mean open"),
      closed: words("which status mean closed"),
      assignee: pathToOne("where who it is assigned to is; null for nobody").optional(),
    })
    .refine(({ url }) => url.split(PLACE).length === 2 && !originOf(url).includes("ticket"), {
      path: ["url"],
      error: `write ${PLACE} once, behind the name of the host`,
    }),
  async ticket({ url, id: idPath, status: statusPath, open, closed, assignee, ...credentials }, id, ask) {
    const at = new URL(url.replace(PLACE, () => encodeURIComponent(id)));
    const answer = await ask({ url: at, authorization: authorizationOf(credentials) });
    if (answer === undefined) return NO_SUCH_TICKET;
    if (wordOf(oneAt(answer, idPath), "name of a ticket") !== id)
      throw new SourceError("unexpected", "answered about another ticket");
    const status = wordOf(oneAt(answer, statusPath), "status");
    const among = (all: readonly string[]): boolean => all.some((word) => sameWord(word, status));
    const who = assignee === undefined ? "" : wordOf(oneAt(answer, assignee), "assignee");
    return {
      state: among(closed) ? "closed" : among(open) ? "open" : "other",
      status,
      assignee: who === "" ? null : { shown: who, ids: [who], email: who, handle: who },
    };
  },
});

/** Up to the path; braces in a host are no host. */
const originOf = (url: string): string => /^[a-z]+:\/\/[^/?#]*/i.exec(url)?.[0] ?? url;
