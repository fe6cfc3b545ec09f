/** Several entitlements asked for as one. */
import { z } from "zod";
import { bundleRef, requestView, VERDICTS } from "./access.ts";
import { problems } from "./problem.ts";
import { asking } from "./requests.ts";
import { answer, changes, reads } from "./route.ts";
import {
  bundleIdIn,
  COMMENT_CHARS_MAX,
  durationIn,
  entitlementIn,
  NAME_CHARS_MAX,
  numberIn,
  person,
  text,
  timeOut,
  WAIT_SECONDS_MAX,
} from "./values.ts";

const ENTITLEMENTS_MAX = 20;
export const BUNDLE_STATES = ["pending", "approved", "partly-approved", "refused"] as const;

const no = { code: z.string(), detail: z.string() };

export const bundleView = z.object({
  ...bundleRef.shape,
  state: z.enum(BUNDLE_STATES).meta({
    description: "pending: some of it waits. Else decided: approved all of it, partly-approved, or refused all of it.",
  }),
  requester: person,
  createdAt: timeOut,
  requests: z.array(requestView).meta({ description: "Its parts, as far as you may see them" }),
  refused: z
    .array(z.object({ entitlement: z.string(), ...no }))
    .meta({ description: "What was refused before it could become a request, such as by a panic" }),
});
export type BundleView = z.infer<typeof bundleView>;

const doneTo = bundleView.extend({
  done: z.array(z.string()).meta({ description: "The requests that this did something to" }),
  notDone: z
    .array(z.object({ requestId: z.string(), ...no }))
    .meta({ description: "The requests that waited and were left as they are, and why" }),
});
export type BundleDone = z.infer<typeof doneTo>;

const params = z.object({ id: bundleIdIn });

export const submitBundle = z.strictObject({
  bundle: text(NAME_CHARS_MAX)
    .min(1, "name a bundle")
    .optional()
    .meta({ description: "One of the configuration", examples: ["incident-kit"] }),
  entitlements: z
    .array(entitlementIn)
    .min(1)
    .max(ENTITLEMENTS_MAX)
    .optional()
    .meta({ description: "Or these, put together for this once" }),
  ...asking,
});
export type SubmitBundle = z.input<typeof submitBundle>;

export const reviewBundle = z.strictObject({
  verdict: z.enum(VERDICTS),
  comment: text(COMMENT_CHARS_MAX).default(""),
  duration: durationIn.nullish().transform((duration) => duration ?? null),
});
export type ReviewBundle = z.input<typeof reviewBundle>;

export const bundles = {
  submit: changes
    .route({
      method: "POST",
      path: "/v1/bundles",
      tags: ["requests"],
      summary: "Ask for several entitlements as one",
      description:
        "Each is decided and granted on its own: what is refused stops none of the others, and is told in the answer. What cannot be right, such as a duration that is too long for one of them, refuses all.",
    })
    .input(z.object({ body: submitBundle }))
    .output(answer(201, "Its parts, with what came of each", bundleView))
    .errors(
      problems(
        "invalid-duration",
        "unknown-bundle",
        "unknown-entitlement",
        "principal-deactivated",
        "emergency-not-available",
      ),
    ),
  get: reads
    .route({
      method: "GET",
      path: "/v1/bundles/{id}",
      tags: ["requests"],
      summary: "One bundle; with wait, once a part of it is decided",
    })
    .input(
      z.object({
        params,
        query: z.strictObject({
          wait: numberIn(0, WAIT_SECONDS_MAX)
            .default(0)
            .meta({ description: "Seconds to hold the answer until a part is decided" }),
          pending: numberIn(0, ENTITLEMENTS_MAX).optional().meta({
            description: "With wait: how many parts wait as far as you know; another number is answered at once",
          }),
        }),
      }),
    )
    .output(answer(200, "The bundle", bundleView))
    .errors(problems("not-found")),
  review: changes
    .route({
      method: "POST",
      path: "/v1/bundles/{id}/reviews",
      tags: ["requests"],
      summary: "Approve or deny every part that waits and that you may review",
    })
    .input(z.object({ params, body: reviewBundle }))
    .output(answer(200, "The bundle, and what was done", doneTo))
    .errors(
      problems(
        "invalid-duration",
        "not-found",
        "self-review",
        "not-an-approver",
        "panic-in-force",
        "audit-sink-late",
        "principal-deactivated",
        "request-decided",
        "request-changed",
        "already-reviewed",
        "scope-changed",
        "request-expired",
      ),
    ),
  cancel: changes
    .route({
      method: "POST",
      path: "/v1/bundles/{id}/cancel",
      tags: ["requests"],
      summary: "Take every part back that still waits",
    })
    .input(z.object({ params, body: z.strictObject({}).default({}) }))
    .output(answer(200, "The bundle, and what was done", doneTo))
    .errors(problems("not-found", "request-decided")),
};
