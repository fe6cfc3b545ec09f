/** Asking, and deciding on what others ask. */
import { z } from "zod";
import { ACTIVATIONS, REQUEST_STATES, requestView, VERDICTS } from "./access.ts";
import { POLICY_REFUSALS, problems, STEP_UP_REFUSALS } from "./problem.ts";
import { answer, changes, reads } from "./route.ts";
import {
  bundleIdIn,
  COMMENT_CHARS_MAX,
  cursorOut,
  durationIn,
  entitlementIn,
  ifMatch,
  narrowing,
  numberIn,
  paging,
  personIn,
  REASON_CHARS_MAX,
  requestIdIn,
  someOf,
  TICKET_CHARS_MAX,
  text,
  timeIn,
  WAIT_SECONDS_MAX,
} from "./values.ts";

/** What is said once, for however many entitlements. */
export const asking = {
  duration: durationIn,
  reason: text(REASON_CHARS_MAX).default(""),
  ticket: text(TICKET_CHARS_MAX)
    .nullish()
    .transform((ticket) => ticket ?? ""),
  start: timeIn
    .nullish()
    .transform((start) => start ?? null)
    .meta({ description: "Null: as soon as it is approved" }),
  activation: z
    .enum(ACTIVATIONS)
    .default("on-approval")
    .meta({ description: "on-use: the time starts with the first activate or credential call" }),
  emergency: z.boolean().default(false),
};

export const submitRequest = z.strictObject({ entitlement: entitlementIn, ...asking });
export type SubmitRequest = z.input<typeof submitRequest>;

const requestParams = z.object({ id: requestIdIn });
const requestPage = z.object({ requests: z.array(requestView), next: cursorOut });

export const editRequest = z
  .strictObject({
    duration: durationIn.optional(),
    reason: text(REASON_CHARS_MAX).optional(),
    ticket: text(TICKET_CHARS_MAX).nullable().optional().meta({ description: "Null: none" }),
    start: timeIn.nullable().optional().meta({ description: "Null: as soon as it is approved" }),
    activation: z.enum(ACTIVATIONS).optional(),
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), "say what is to be different");
export type EditRequest = z.input<typeof editRequest>;

export const reviewRequest = z.strictObject({
  verdict: z.enum(VERDICTS),
  comment: text(COMMENT_CHARS_MAX).default(""),
  duration: durationIn.nullish().transform((duration) => duration ?? null),
  entitlement: entitlementIn
    .nullish()
    .transform((entitlement) => entitlement ?? null)
    .meta({ description: "A narrower entitlement of the resource, to approve instead" }),
});
export type ReviewRequest = z.input<typeof reviewRequest>;

export const commentOnRequest = z.strictObject({
  text: text(COMMENT_CHARS_MAX).min(1, "write something"),
  asks: z
    .boolean()
    .default(false)
    .meta({ description: "True: it asks the requester, and the request waits for their answer" }),
});
export type CommentOnRequest = z.input<typeof commentOnRequest>;

export const requestQuery = z.strictObject({
  role: z
    .enum(["requester", "approver"])
    .optional()
    .meta({ description: "requester: your own. approver: those that you may review or have reviewed." }),
  state: someOf(REQUEST_STATES).optional(),
  bundle: bundleIdIn.optional().meta({ description: "Those that were asked for with this bundle" }),
  ...narrowing,
  person: personIn.optional().meta({ description: "Handle or id of the requester; me: your own" }),
  ...paging("By when they were made"),
});
export type RequestQuery = z.input<typeof requestQuery>;

export const requests = {
  submit: changes
    .route({ method: "POST", path: "/v1/requests", tags: ["requests"], summary: "Ask for access" })
    .input(z.object({ body: submitRequest }))
    .output(answer(201, "Granted at once, or waiting for approval", requestView))
    .errors(problems("invalid-duration", "unknown-entitlement", ...POLICY_REFUSALS, "emergency-not-available")),
  list: reads
    .route({
      method: "GET",
      path: "/v1/requests",
      tags: ["requests"],
      summary: "Requests that you may see, newest first",
      description:
        "Every filter that is given must hold. Read page after page, whatever was there when you began is seen exactly once, unless its state leaves your filter meanwhile.",
    })
    .input(z.object({ query: requestQuery }))
    .output(answer(200, "A page of requests", requestPage)),
  get: reads
    .route({
      method: "GET",
      path: "/v1/requests/{id}",
      tags: ["requests"],
      summary: "One request; with wait, once it has changed",
    })
    .input(
      z.object({
        params: requestParams,
        query: z.strictObject({
          wait: numberIn(0, WAIT_SECONDS_MAX).default(0).meta({
            description: "Seconds to hold the answer until the state changes, or a review or a comment comes in",
          }),
          while: z
            .enum(REQUEST_STATES)
            .optional()
            .meta({ description: "With wait: the state that you know; any other is answered at once" }),
        }),
      }),
    )
    .output(answer(200, "The request", requestView))
    .errors(problems("not-found")),
  edit: changes
    .route({
      method: "PATCH",
      path: "/v1/requests/{id}",
      tags: ["requests"],
      summary: "Change your request while it waits",
      description:
        "What is left out stays. Policy is asked again: what it refuses changes nothing, and what it grants by itself is granted. Every review given so far is void, and everybody who was asked or has reviewed it is told. It expires when it would have. Of more time on a grant only duration and reason can be changed; what a bundle asked for is changed one by one.",
    })
    .input(z.object({ params: requestParams, headers: ifMatch, body: editRequest }))
    .output(answer(200, "The request as it is now", requestView))
    .errors(
      problems(
        "invalid-duration",
        "not-found",
        "unknown-entitlement",
        ...POLICY_REFUSALS,
        "emergency-not-available",
        "request-decided",
        "request-changed",
        "scope-changed",
        "grant-ended",
        "grant-not-active",
        "request-expired",
      ),
    ),
  review: changes
    .route({
      method: "POST",
      path: "/v1/requests/{id}/reviews",
      tags: ["requests"],
      summary: "Approve, approve less, or deny",
      description:
        "To approve a request that its requester has changed (editedAt), send its version as If-Match: you approve what you saw, or nothing.",
    })
    .input(z.object({ params: requestParams, headers: ifMatch, body: reviewRequest }))
    .output(answer(200, "The request with your review", requestView))
    .errors(
      problems(
        "invalid-duration",
        "not-found",
        "unknown-entitlement",
        "self-review",
        "not-an-approver",
        "policy-denied",
        "panic-in-force",
        "audit-sink-late",
        "principal-deactivated",
        "request-decided",
        "request-changed",
        "already-reviewed",
        ...STEP_UP_REFUSALS,
        "scope-changed",
        "grant-ended",
        "request-expired",
      ),
    ),
  comment: changes
    .route({
      method: "POST",
      path: "/v1/requests/{id}/comments",
      tags: ["requests"],
      summary: "Write a comment; ask the requester for information, or answer",
      description:
        "For who asked, who may review it, operators and admins. The next comment of the requester answers what was asked.",
    })
    .input(z.object({ params: requestParams, body: commentOnRequest }))
    .output(answer(200, "The request with your comment", requestView))
    .errors(
      problems(
        "not-found",
        "forbidden",
        "principal-deactivated",
        "request-decided",
        "request-expired",
        "comments-full",
      ),
    ),
  cancel: changes
    .route({ method: "POST", path: "/v1/requests/{id}/cancel", tags: ["requests"], summary: "Take a request back" })
    .input(z.object({ params: requestParams, body: z.strictObject({}).default({}) }))
    .output(answer(200, "The request, cancelled", requestView))
    .errors(problems("not-found", "request-decided")),
};
