/** Rules as they were stored, and requests as policy was asked about them: what it takes to ask again. */
import { z } from "zod";
import { OUTCOMES, REQUEST_STATES } from "./access.ts";
import { problems } from "./problem.ts";
import { answer, reads } from "./route.ts";
import { cursorIn, cursorOut, durationOut, numberIn, timeIn, timeOut } from "./values.ts";

export { authenticationLines } from "../domain/authentication.ts";
export type { PolicyChange, PolicyDiff, Replayed, Ruleset } from "../domain/policy-replay.ts";

export const RECORDED_PAGE_MAX = 1_000;

export const recordedRequest = z.object({
  id: z.string(),
  at: timeOut.meta({ description: "When policy was asked" }),
  user: z.object({
    id: z.string(),
    kind: z.enum(["user", "service"]),
    handle: z.string(),
    name: z.string(),
    email: z.string().nullable(),
    type: z.string(),
    groups: z.array(z.string()),
    manager: z.string().nullable(),
  }),
  asOf: z.enum(["then", "now"]).meta({
    description:
      "then: all is as it was when policy was asked; now: the person, or the length of an extension, was not kept and is as it is now",
  }),
  entitlement: z.string(),
  duration: durationOut.meta({
    description: "What policy judged: of an extension the whole time that it would have made",
  }),
  extension: z.object({ count: z.int(), total: durationOut, add: durationOut }).nullable().meta({
    description: "Of more time on a grant: how often and by how much it was extended before, and by how much more",
  }),
  reason: z.string(),
  ticket: z.string(),
  start: timeOut.nullable(),
  emergency: z.boolean(),
  facts: z
    .record(z.string(), z.unknown())
    .meta({ description: "What was looked up about the world, as it was stored" }),
  state: z.enum(REQUEST_STATES),
  decision: z.object({ outcome: z.enum(OUTCOMES), rule: z.string().nullable() }),
  configVersion: z.int(),
});
export type RecordedRequestView = z.infer<typeof recordedRequest>;

const asStored = z.record(z.string(), z.unknown());

export const policyView = z.object({
  version: z.int(),
  hash: z.string().meta({ description: "SHA-256 of the whole configuration" }),
  resources: z
    .record(z.string(), asStored)
    .meta({ description: "As they are stored, without how they are reached and without scopes" }),
  policies: z.array(asStored).meta({ description: "The rules in their order, as they are stored" }),
});
export type PolicyView = z.infer<typeof policyView>;

export const recordedRequestQuery = z.strictObject({
  from: timeIn.optional().meta({ description: "Made at this time or later" }),
  until: timeIn.optional().meta({ description: "Made before this time" }),
  cursor: cursorIn
    .optional()
    .meta({ description: "`next` of the page before; all else as it was", examples: ["1204"] }),
  limit: numberIn(1, RECORDED_PAGE_MAX).default(200).meta({ description: "How many at most" }),
});
export type RecordedRequestQuery = z.input<typeof recordedRequestQuery>;

export const policy = {
  read: reads
    .route({
      method: "GET",
      path: "/v1/policy",
      tags: ["policy"],
      summary: "The rules of a version of the configuration, and what they may look at",
      description: "For admins and auditors. Enough to decide the same elsewhere; what is in it may grow.",
    })
    .input(
      z.object({
        query: z.strictObject({
          version: numberIn(1, Number.MAX_SAFE_INTEGER).optional().meta({ description: "Default: the active version" }),
        }),
      }),
    )
    .output(answer(200, "The rules", policyView))
    .errors(problems("forbidden", "not-found")),
  requests: reads
    .route({
      method: "GET",
      path: "/v1/policy/requests",
      tags: ["policy"],
      summary: "Requests as policy was asked about them, newest first",
      description:
        "For admins, auditors and operators. What `tidegate policy diff` asks again of other rules. Refused requests are among them.",
    })
    .input(z.object({ query: recordedRequestQuery }))
    .output(answer(200, "A page of requests", z.object({ requests: z.array(recordedRequest), next: cursorOut })))
    .errors(problems("forbidden")),
};
