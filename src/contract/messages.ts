/** What people are told: an inbox for each, and for those who see everything what was told to whom, and how it went out. */
import { z } from "zod";
import { MESSAGES, type MessageKind } from "../domain/message.ts";
import { problems } from "./problem.ts";
import { answer, reads } from "./route.ts";
import { cursorOut, idOf, paging, person, personIn, someOf, timeOut } from "./values.ts";

const KINDS = Object.keys(MESSAGES) as [MessageKind, ...MessageKind[]];

const delivery = z.object({
  channel: z.string().meta({ description: "Its name in the configuration" }),
  state: z.enum(["pending", "delivered", "failed"]).meta({ description: "failed: it is tried no more" }),
  attempts: z.int(),
  nextAttempt: timeOut.nullable(),
  doneAt: timeOut.nullable(),
  lastError: z.string().nullable(),
});

export const messageView = z.object({
  id: z.string(),
  kind: z.string().meta({ examples: ["request.needs-approval"] }),
  at: timeOut,
  to: z.array(person),
  requestId: z.string().nullable(),
  grantId: z.string().nullable(),
  text: z.string().meta({ description: "What it says, for people" }),
  next: z.string().nullable().meta({ description: "The command that its reader may want to type" }),
  data: z.record(z.string(), z.unknown()).meta({ description: "What it says, for machines; people by id" }),
  deliveries: z
    .array(delivery)
    .nullable()
    .meta({ description: "Its way out through channels; null for those who do not see everything" }),
});
export type MessageView = z.infer<typeof messageView>;

export const messageQuery = z.strictObject({
  person: personIn.optional().meta({ description: "Only to this person: handle or id; me: to you" }),
  kind: someOf(KINDS).optional(),
  ...paging("Which first, by when they were written"),
});
export type MessageQuery = z.input<typeof messageQuery>;

export const messages = {
  list: reads
    .route({
      method: "GET",
      path: "/v1/messages",
      tags: ["messages"],
      summary: "Messages",
      description:
        "Your own; operators, admins and auditors see those to anybody. Kept for 30 days; new ones are in the stream of events.",
    })
    .input(z.object({ query: messageQuery }))
    .output(answer(200, "A page of messages", z.object({ messages: z.array(messageView), next: cursorOut }))),
  get: reads
    .route({ method: "GET", path: "/v1/messages/{id}", tags: ["messages"], summary: "One message" })
    .input(z.object({ params: z.object({ id: idOf("ms", "ms_0123456789abcdef") }) }))
    .output(answer(200, "The message", messageView))
    .errors(problems("not-found")),
};
