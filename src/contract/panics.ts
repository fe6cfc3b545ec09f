/** The panic button: end everything within a scope now, and give nothing new there until it is lifted. */
import { z } from "zod";
import { GRANT_STATES } from "./access.ts";
import { problems } from "./problem.ts";
import { answer, changes, reads } from "./route.ts";
import {
  cursorOut,
  idOf,
  NAME_CHARS_MAX,
  numberIn,
  pageIn,
  person,
  REASON_CHARS_MAX,
  text,
  timeOut,
  WAIT_SECONDS_MAX,
} from "./values.ts";

export const panicView = z.object({
  id: z.string(),
  on: z.enum(["all", "resource", "person"]),
  resource: z.string().nullable(),
  person: person.nullable(),
  reason: z.string(),
  startedBy: person,
  startedAt: timeOut,
  inForce: z.boolean().meta({ description: "Until it is lifted nothing new is given within its scope" }),
  lifted: z.object({ by: person, at: timeOut, reason: z.string() }).nullable(),
  ended: z
    .object({
      gone: z.int().meta({ description: "Proven gone on the target, or nothing had been made yet" }),
      cleanUpPending: z.int().meta({ description: "Access is gone; something is left to clean up" }),
      live: z.int().meta({ description: "Not proven gone: take it for live" }),
    })
    .meta({ description: "Grants that it ended, or found ending, by what has been proven of them" }),
  unproven: z
    .array(
      z.object({
        grantId: z.string(),
        entitlement: z.string(),
        person,
        state: z.enum(GRANT_STATES),
        accessGone: z.boolean(),
        trouble: z.string().nullable().meta({ description: "What keeps it from going on" }),
      }),
    )
    .meta({ description: "The first of those that are not proven gone yet, those that live first" }),
});
export type PanicView = z.infer<typeof panicView>;

const panicParams = z.object({ id: idOf("pn", "pn_0123456789abcdef") });
const thePanic = answer(200, "The panic", panicView);
const reason = text(REASON_CHARS_MAX).min(1, "say why: everybody who is cut off will ask");

export const startPanic = z
  .strictObject({
    all: z.literal(true).optional().meta({ description: "Everything" }),
    resource: text(NAME_CHARS_MAX)
      .min(1)
      .optional()
      .meta({ description: "Everything on this resource", examples: ["orders-db"] }),
    person: text(NAME_CHARS_MAX)
      .min(1)
      .optional()
      .meta({ description: "Everything of this person: handle or id", examples: ["alice"] }),
    reason: reason.meta({ description: "Why; in the log for ever" }),
  })
  .refine(
    ({ all, resource, person: whom }) => [all, resource, whom].filter((given) => given !== undefined).length === 1,
    {
      error: "give exactly one of all, resource and person",
    },
  );
export type StartPanic = z.input<typeof startPanic>;

export const panicQuery = z.strictObject({
  state: z.enum(["in-force", "lifted"]).optional().meta({ description: "Only those" }),
  ...pageIn,
});
export type PanicQuery = z.input<typeof panicQuery>;

export const panics = {
  start: changes
    .route({
      method: "POST",
      path: "/v1/panics",
      tags: ["panics"],
      summary: "Press the panic button",
      description:
        "For operators and admins. Ends every grant within the scope now, and gives nothing new there until an admin lifts it. The answer says what is proven gone and what is not yet.",
    })
    .input(z.object({ body: startPanic }))
    .output(answer(201, "In force", panicView))
    .errors(problems("forbidden", "not-found")),
  list: reads
    .route({
      method: "GET",
      path: "/v1/panics",
      tags: ["panics"],
      summary: "Panics, newest first",
      description: "For operators, admins and auditors.",
    })
    .input(z.object({ query: panicQuery }))
    .output(answer(200, "A page of panics", z.object({ panics: z.array(panicView), next: cursorOut })))
    .errors(problems("forbidden")),
  get: reads
    .route({
      method: "GET",
      path: "/v1/panics/{id}",
      tags: ["panics"],
      summary: "One panic; with wait, once more of it is proven gone",
      description: "For operators, admins and auditors.",
    })
    .input(
      z.object({
        params: panicParams,
        query: z.strictObject({
          wait: numberIn(0, WAIT_SECONDS_MAX)
            .default(0)
            .meta({ description: "Seconds to hold the answer until another number of grants is live or to clean up" }),
          live: numberIn(0, Number.MAX_SAFE_INTEGER)
            .optional()
            .meta({ description: "With wait: how many live as far as you know; another number is answered at once" }),
        }),
      }),
    )
    .output(thePanic)
    .errors(problems("forbidden", "not-found")),
  lift: changes
    .route({
      method: "POST",
      path: "/v1/panics/{id}/lift",
      tags: ["panics"],
      summary: "Lift a panic; repeated, it changes nothing",
      description: "For admins. Access may be asked for and given again; what was ended stays ended.",
    })
    .input(z.object({ params: panicParams, body: z.strictObject({ reason }) }))
    .output(thePanic)
    .errors(problems("forbidden", "not-found")),
};
