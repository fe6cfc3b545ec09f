/** What is done to a person as such. */
import { z } from "zod";
import { problems } from "./problem.ts";
import { answer, changes } from "./route.ts";
import { NAME_CHARS_MAX, person, text, timeOut } from "./values.ts";

export const erasedPerson = z.object({
  person: person.meta({ description: "As they are called from now on; the id stays" }),
  erasedAt: timeOut,
  removed: z.record(z.string(), z.int()).meta({ description: "Rows that held something of theirs, by table" }),
});
export type ErasedPerson = z.infer<typeof erasedPerson>;

export const people = {
  erase: changes
    .route({
      method: "POST",
      path: "/v1/principals/{id}/erase",
      tags: ["people"],
      summary: "Erase the texts by and about somebody who has left; repeated, it erases what is left",
      description:
        "For admins. It cannot be undone. Proofs over the log hold as before. Refused while they are active, have access that is not proven gone, or something of theirs waits.",
    })
    .input(
      z.object({
        params: z.object({
          id: text(NAME_CHARS_MAX)
            .min(1)
            .meta({ description: "The id, or the handle that they had", examples: ["pr_5d7f9h2k4m6p8r0t"] }),
        }),
        body: z.strictObject({}).default({}),
      }),
    )
    .output(answer(200, "Erased", erasedPerson))
    .errors(problems("forbidden", "not-found", "not-erasable")),
};
