/** Who is away, until when, and who decides in their place. */
import { z } from "zod";
import { problems } from "./problem.ts";
import { answer, changes, reads } from "./route.ts";
import { NAME_CHARS_MAX, person, text, timeIn, timeOut } from "./values.ts";

export const absenceView = z.object({
  person,
  since: timeOut,
  until: timeOut,
  delegate: person.nullable().meta({ description: "Who decides in their place; null: nobody" }),
  setBy: person.meta({ description: "Themselves, or an admin" }),
});
export type AbsenceView = z.infer<typeof absenceView>;

export const setAway = z.strictObject({
  until: timeIn.meta({ description: "At most 90 days ahead" }),
  delegate: text(NAME_CHARS_MAX)
    .min(1)
    .nullable()
    .default(null)
    .meta({ description: "Handle or id of who decides in their place; null: nobody", examples: ["frank"] }),
});
export type SetAway = z.input<typeof setAway>;
const whom = z.object({
  id: text(NAME_CHARS_MAX)
    .min(1)
    .meta({ description: "Handle or id", examples: ["bob"] }),
});
const awayNow = answer(200, "Away", absenceView);
const here = answer(200, "Here", z.object({ person }));
const WHAT =
  "Until then the delegate decides wherever the person is meant, but about nothing that they or the person asks for, and nobody stands in for a delegate. The person may decide as well.";

export const away = {
  list: reads
    .route({ method: "GET", path: "/v1/away", tags: ["away"], summary: "Who is away now, whoever is back first first" })
    .input(z.object({ query: z.strictObject({}) }))
    .output(answer(200, "Everybody who is away", z.object({ away: z.array(absenceView) }))),
  set: changes
    .route({
      method: "PUT",
      path: "/v1/me/away",
      tags: ["away"],
      summary: "Be away until then, and say who decides in your place",
      description: WHAT,
    })
    .input(z.object({ body: setAway }))
    .output(awayNow)
    .errors(problems("not-found")),
  back: changes
    .route({
      method: "DELETE",
      path: "/v1/me/away",
      tags: ["away"],
      summary: "Be back; repeated, it changes nothing",
    })
    .input(z.object({ query: z.strictObject({}) }))
    .output(here),
  send: changes
    .route({
      method: "PUT",
      path: "/v1/principals/{id}/away",
      tags: ["away"],
      summary: "Say that somebody is away, and who decides in their place",
      description: `For admins, and for oneself. ${WHAT}`,
    })
    .input(z.object({ params: whom, body: setAway }))
    .output(awayNow)
    .errors(problems("forbidden", "not-found")),
  recall: changes
    .route({
      method: "DELETE",
      path: "/v1/principals/{id}/away",
      tags: ["away"],
      summary: "Say that somebody is back; repeated, it changes nothing",
      description: "For admins, and for oneself.",
    })
    .input(z.object({ params: whom }))
    .output(here)
    .errors(problems("forbidden", "not-found")),
};
