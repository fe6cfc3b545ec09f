/** Having access, and giving it back. */
import { z } from "zod";
import { credentialView, GRANT_STATES, grantView } from "./access.ts";
import { POLICY_REFUSALS, problems } from "./problem.ts";
import { answer, changes, reads, readsAs, sends } from "./route.ts";
import {
  COMMENT_CHARS_MAX,
  cursorOut,
  durationIn,
  grantIdIn,
  narrowing,
  numberIn,
  paging,
  personalIn,
  REASON_CHARS_MAX,
  someOf,
  text,
  timeIn,
  WAIT_SECONDS_MAX,
} from "./values.ts";

const grantParams = z.object({ id: grantIdIn });
const theGrant = answer(200, "The grant", grantView);

export const extendGrant = z.strictObject({
  duration: durationIn.meta({ description: "The time to add" }),
  reason: text(REASON_CHARS_MAX).default(""),
});
export type ExtendGrant = z.input<typeof extendGrant>;

export const revokeGrant = z.strictObject({ reason: text(REASON_CHARS_MAX).default("") });
export type RevokeGrant = z.input<typeof revokeGrant>;

export const askCredential = z.strictObject({
  rotate: z.boolean().default(false),
  publicKey: text(COMMENT_CHARS_MAX).nullish().meta({ description: "For SSH" }),
});
export type AskCredential = z.input<typeof askCredential>;

export const grantQuery = z.strictObject({
  state: someOf(GRANT_STATES).optional(),
  ...narrowing,
  endsFrom: timeIn.optional().meta({ description: "With an end at this time or later" }),
  endsUntil: timeIn.optional().meta({ description: "With an end before this time" }),
  liveAt: timeIn.optional().meta({
    description: "Who could have had access then: begun by that time, and not proven gone at it",
  }),
  ...paging("By when they were made"),
});
export type GrantQuery = z.input<typeof grantQuery>;

export const grants = {
  list: reads
    .route({
      method: "GET",
      path: "/v1/grants",
      tags: ["grants"],
      summary: "Grants that you may see, newest first",
      description:
        "Every filter that is given must hold. Read page after page, whatever was there when you began is seen exactly once, unless its state leaves your filter meanwhile.",
    })
    .input(z.object({ query: grantQuery }))
    .output(answer(200, "A page of grants", z.object({ grants: z.array(grantView), next: cursorOut }))),
  get: reads
    .route({
      method: "GET",
      path: "/v1/grants/{id}",
      tags: ["grants"],
      summary: "One grant; with wait, once its state has changed",
    })
    .input(
      z.object({
        params: grantParams,
        query: z.strictObject({
          wait: numberIn(0, WAIT_SECONDS_MAX)
            .default(0)
            .meta({ description: "Seconds to hold the answer until state or accessGone change" }),
          while: z
            .enum(GRANT_STATES)
            .optional()
            .meta({ description: "With wait: the state that you know; any other is answered at once" }),
        }),
      }),
    )
    .output(theGrant)
    .errors(problems("not-found")),
  receipt: readsAs("text/plain")
    .route({
      method: "GET",
      path: "/v1/grants/{id}/receipt",
      tags: ["grants"],
      summary: "The receipt of a grant that is proven gone",
      description:
        "For people, and with the entries and proofs below: verify.mjs of the package checks it without the server. For auditors, operators, admins and the person.",
    })
    .input(
      z.object({
        params: grantParams,
        query: z.strictObject({ personal: personalIn }),
      }),
    )
    .output(answer(200, "The receipt", z.string()))
    .errors(problems("not-found", "no-receipt")),
  activate: changes
    .route({ method: "POST", path: "/v1/grants/{id}/activate", tags: ["grants"], summary: "Start an on-use grant" })
    .input(z.object({ params: grantParams, body: z.strictObject({}).default({}) }))
    .output(theGrant)
    .errors(problems("not-found", "grant-not-scheduled", "grant-ended")),
  extend: changes
    .route({ method: "POST", path: "/v1/grants/{id}/extend", tags: ["grants"], summary: "Ask for more time" })
    .input(z.object({ params: grantParams, body: extendGrant }))
    .output(
      z.union([
        theGrant,
        answer(
          202,
          "Policy wants approval; the grant is unchanged until then",
          z.object({ requestId: z.string(), state: z.literal("pending") }),
        ),
      ]),
    )
    .errors(
      problems(
        "invalid-duration",
        "not-found",
        "unknown-entitlement",
        ...POLICY_REFUSALS,
        "grant-ended",
        "grant-not-active",
        "scope-changed",
      ),
    ),
  revoke: changes
    .route({
      method: "POST",
      path: "/v1/grants/{id}/revoke",
      tags: ["grants"],
      summary: "End a grant now; repeated, it changes nothing",
    })
    .input(
      z.object({
        params: grantParams,
        body: revokeGrant.default({ reason: "" }),
      }),
    )
    .output(answer(200, "The grant, revoking or further", grantView))
    .errors(problems("not-found")),
  credential: sends
    .route({
      method: "POST",
      path: "/v1/grants/{id}/credential",
      tags: ["grants"],
      summary: "The credential: delivered once, and never kept",
      description:
        "Delivered once; later ask with rotate for a new one, which ends the old. An on-use grant is activated by the call. The answer is never kept: an Idempotency-Key is ignored.",
    })
    .input(
      z.object({
        params: grantParams,
        body: askCredential.default({ rotate: false }),
      }),
    )
    .output(
      z.union([
        answer(200, "The credential", credentialView),
        answer(
          202,
          "It is being made; ask again in a moment, without rotate",
          z.object({ state: z.enum(["activated", "rotating"]), retryAfterMs: z.int() }),
        ),
      ]),
    )
    .errors(problems("not-found", "grant-not-active", "grant-not-scheduled", "grant-ended", "credential-delivered")),
};
