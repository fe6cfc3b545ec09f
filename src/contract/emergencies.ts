/** Emergencies that led to access, and the review of each afterwards. */
import { z } from "zod";
import { EMERGENCY_VERDICTS, REVIEW_STATES, requestView } from "./access.ts";
import { problems, STEP_UP_REFUSALS } from "./problem.ts";
import { answer, changes, reads } from "./route.ts";
import { COMMENT_CHARS_MAX, cursorOut, narrowing, paging, requestIdIn, someOf, text } from "./values.ts";

export const emergencyQuery = z.strictObject({
  state: someOf(REVIEW_STATES).optional(),
  verdict: z.enum(EMERGENCY_VERDICTS).optional().meta({ description: "Only those that were found so" }),
  ...narrowing,
  ...paging("By when they were made"),
});
export type EmergencyQuery = z.input<typeof emergencyQuery>;

export const reviewEmergency = z.strictObject({
  verdict: z.enum(EMERGENCY_VERDICTS),
  comment: text(COMMENT_CHARS_MAX).default(""),
});
export type ReviewEmergency = z.input<typeof reviewEmergency>;

export const emergencies = {
  list: reads
    .route({
      method: "GET",
      path: "/v1/emergencies",
      tags: ["requests"],
      summary: "Emergencies that you may see, newest first",
      description:
        "Requests that led to access as an emergency, and how far the review of each is. You see your own, those that you review or were passed over by, and all of them as an operator, admin or auditor.",
    })
    .input(z.object({ query: emergencyQuery }))
    .output(answer(200, "A page of emergencies", z.object({ emergencies: z.array(requestView), next: cursorOut }))),
  review: changes
    .route({
      method: "POST",
      path: "/v1/requests/{id}/emergency-review",
      tags: ["requests"],
      summary: "Say whether an emergency was justified",
      description:
        "Afterwards and once, by somebody whom its rule names, never by who asked. Unjustified needs a comment: the requester and the admins are told.",
    })
    .input(
      z.object({
        params: z.object({ id: requestIdIn }),
        body: reviewEmergency,
      }),
    )
    .output(answer(200, "The request with your verdict", requestView))
    .errors(
      problems(
        "not-found",
        "self-review",
        "not-an-approver",
        "principal-deactivated",
        "already-reviewed",
        ...STEP_UP_REFUSALS,
      ),
    ),
};
