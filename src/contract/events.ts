/** What happens, as it happens: a stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
import { z } from "zod";
import { answer, readsAs } from "./route.ts";
import { numberIn, timeOut } from "./values.ts";

/**
 * The `data` of one event. It names things and holds no text that a person wrote: read the request or the grant for
 * those. `event` is the value of `about`, `id` is the position in the log.
 */
export const eventView = z.object({
  seq: z.int().meta({ description: "Position of the entry in the audit log; the same as the id of the event" }),
  at: timeOut,
  about: z.enum(["request", "grant", "message"]),
  kind: z.string().meta({ description: "Kind of the audit entry, or of the message", examples: ["grant.active"] }),
  requestId: z.string().nullable(),
  grantId: z.string().nullable(),
  entitlement: z.string().nullable(),
  messageId: z.string().nullable().meta({ description: "A message to you: read it for what it says" }),
  state: z.string().nullable().meta({ description: "What it became by this; null where its state is as it was" }),
});
export type EventView = z.infer<typeof eventView>;

const SEQ_MAX = Number.MAX_SAFE_INTEGER;

export const events = {
  stream: readsAs("text/event-stream")
    .route({
      method: "GET",
      path: "/v1/events",
      tags: ["events"],
      summary: "What happens to requests and grants that you may see, and what you are told, as it happens",
      description: `A stream of server-sent events: \`event: request\`, \`event: grant\` or \`event: message\`, \`data:\` an Event as JSON,
\`id:\` its position in the audit log. A message to you comes before the event that it tells of, without an id. After a lost connection send the last id as Last-Event-ID, and nothing is missed or repeated. An
id without data moves the position past what you may not see, and keeps the connection alive. The stream ends when the
server stops, when your token stops working, and when you do not read for half a minute.`,
    })
    .input(
      z.object({
        query: z.strictObject({
          after: numberIn(0, SEQ_MAX)
            .optional()
            .meta({
              description:
                "Begin after this position; without it and without Last-Event-ID: with what happens from now on",
              examples: [1204],
            }),
        }),
        headers: z.looseObject({
          "last-event-id": z
            .union([z.literal(""), z.string().regex(/^\d{1,16}$/, "send the id of an event")])
            .optional()
            .meta({ description: "Go on after this event; comes before `after`", examples: ["1204"] }),
        }),
      }),
    )
    .output(answer(200, "The stream; the data of its events has the shape of Event", z.unknown())),
};
