/** Passkeys: listed and removed here, added in a browser. */
import { z } from "zod";
import { problems } from "./problem.ts";
import { answer, changes, reads } from "./route.ts";
import { NAME_CHARS_MAX, ofSomebodyElse, person, text, timeOut } from "./values.ts";

export const passkeyView = z.object({
  id: z.string(),
  name: z.string().meta({ description: "What its person calls it" }),
  addedAt: timeOut,
  lastUsedAt: timeOut.nullable(),
});
export type PasskeyView = z.infer<typeof passkeyView>;

export const passkeys = {
  list: reads
    .route({ method: "GET", path: "/v1/passkeys", tags: ["identity"], summary: "Your passkeys" })
    .input(z.object({ query: ofSomebodyElse }))
    .output(
      answer(
        200,
        "The oldest first",
        z.object({
          person,
          passkeys: z.array(passkeyView),
          addAt: z.string().nullable().meta({ description: "Where a browser adds one; null: nobody signs in here" }),
        }),
      ),
    )
    .errors(problems("forbidden", "not-found")),
  remove: changes
    .route({
      method: "DELETE",
      path: "/v1/passkeys/{id}",
      tags: ["identity"],
      summary: "Remove a passkey",
      description: "One's own; of others for admins.",
    })
    .input(
      z.object({
        params: z.object({
          id: text(NAME_CHARS_MAX)
            .min(1)
            .meta({ description: "pk_…", examples: ["pk_4h6k8m1n3p5q7r9s"] }),
        }),
      }),
    )
    .output(answer(200, "It counts no more", z.object({ id: z.string(), person })))
    .errors(problems("not-found")),
};
