/** Which targets answer, for those who watch over them. */
import { z } from "zod";
import { problems } from "./problem.ts";
import { answer, reads } from "./route.ts";
import { timeOut } from "./values.ts";

export const targetView = z.object({
  resource: z.string(),
  unreachable: z
    .object({ since: timeOut, grants: z.int().meta({ description: "On which work waits for it" }) })
    .nullable()
    .meta({ description: "Null: nothing that was tried there lately went unanswered" }),
});
export type TargetView = z.infer<typeof targetView>;

export const targets = {
  list: reads
    .route({
      method: "GET",
      path: "/v1/targets",
      tags: ["service"],
      summary: "Targets by name, and which do not answer",
      description:
        "For operators, auditors and admins. A target is asked when there is work on it, not for its own sake: one on which nothing is due may be away unnoticed.",
    })
    .input(z.object({ query: z.strictObject({}) }))
    .output(answer(200, "Every target", z.object({ targets: z.array(targetView) })))
    .errors(problems("forbidden")),
};
