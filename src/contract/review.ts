/** The access review: who could do what without anybody, what nobody used, and what asks for nothing. */
import { z } from "zod";
import { problems } from "./problem.ts";
import { answer, reads } from "./route.ts";
import { droppedOut, person, timeIn, timeOut } from "./values.ts";

export const FINDING_KINDS = [
  "grant-never-used",
  "entitlement-never-asked-for",
  "rule-open-to-all",
  "rule-without-bounds",
  "most-automatic-approvals",
  "emergency-access",
  "access-found-on-targets",
  "high-risk-without-approval",
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

const reviewRow = z.object({
  person: z.string().nullable().meta({ description: "A handle, or a name on a target" }),
  entitlement: z.string().nullable().meta({ description: "Resource and entitlement, or the resource alone" }),
  rule: z.string().nullable(),
  count: z.int().nullable(),
  at: timeOut.nullable(),
  reference: z.string().nullable().meta({ description: "The id of a grant, a request or a finding of a sweep" }),
  what: z.string(),
});
export type ReviewRow = z.infer<typeof reviewRow>;

const count = z.object({ of: z.string(), count: z.int(), meaning: z.string() });

export const accessReview = z.object({
  madeAt: timeOut,
  madeBy: person,
  installation: z.string(),
  tidegate: z.string().meta({ description: "The version of Tidegate that made it" }),
  from: timeOut,
  until: timeOut.meta({ description: "Not included" }),
  rulesOf: z
    .int()
    .meta({ description: "The version of the configuration whose rules and people are reviewed: the active one" }),
  configurations: z
    .array(z.object({ version: z.int(), since: timeOut }))
    .meta({ description: "Versions that were in force within the period, and since when, the oldest first" }),
  requests: z
    .object({ total: z.int(), of: z.array(count) })
    .meta({ description: "Made within the period; each is in one line" }),
  grants: z
    .object({ total: z.int(), of: z.array(count) })
    .meta({ description: "Made within the period; each is in one line" }),
  findings: z.array(
    z.object({
      kind: z.enum(FINDING_KINDS),
      title: z.string(),
      definition: z.string(),
      complete: z.boolean().meta({ description: "false: there are more than are listed" }),
      rows: z.array(reviewRow),
    }),
  ),
  dropped: droppedOut,
});
export type AccessReview = z.infer<typeof accessReview>;

export const accessReviewQuery = z.strictObject({
  from: timeIn.optional().meta({ description: "Default: 90 days before its end" }),
  until: timeIn.optional().meta({ description: "Not included. Default: now" }),
});
export type AccessReviewQuery = z.input<typeof accessReviewQuery>;

export const review = {
  read: reads
    .route({
      method: "GET",
      path: "/v1/review",
      tags: ["review"],
      summary: "An access review of a period",
      description:
        "For admins and auditors. Requests and grants are those made within the period; rules, people and targets are looked at as they are now. All of it is of one moment.",
    })
    .input(z.object({ query: accessReviewQuery }))
    .output(answer(200, "The review", accessReview))
    .errors(problems("forbidden", "invalid-input")),
};
