/** Asking, reviewing, and what comes of it: requests, reviews, grants, credentials. */
import { z } from "zod";
import { RISKS } from "../domain/entitlement.ts";
import { END_CAUSES } from "../domain/grant.ts";
import { problems } from "./problem.ts";
import { answer, changes, reads, sends } from "./route.ts";
import {
  COMMENT_CHARS_MAX,
  cursorIn,
  cursorOut,
  durationIn,
  durationOut,
  entitlementIn,
  grantIdIn,
  NAME_CHARS_MAX,
  numberIn,
  PAGE_MAX,
  person,
  REASON_CHARS_MAX,
  requestIdIn,
  someOf,
  TICKET_CHARS_MAX,
  text,
  timeIn,
  timeOut,
  WAIT_SECONDS_MAX,
} from "./values.ts";

export const REQUEST_STATES = ["pending", "approved", "denied", "cancelled", "expired"] as const;
export const GRANT_STATES = [
  "scheduled",
  "provisioning",
  "active",
  "revoking",
  "revoked",
  "cancelled",
  "failed",
] as const;
const ACTIVATIONS = ["on-approval", "on-use"] as const;
const VERDICTS = ["approve", "deny"] as const;
export const OUTCOMES = ["automatic", "needs-approval", "denied"] as const;

/** One rule that was looked at, and what came of it. */
export const traceLine = z.object({
  rule: z.string(),
  result: z.enum(["denies", "applies", "does-not-apply", "error"]),
  why: z.string(),
});

export const step = z.object({
  by: z.array(z.string()).meta({ description: "owners, group:NAME or user:HANDLE" }),
  count: z.int(),
  have: z.int().meta({ description: "Places filled so far" }),
  needs: z.string().meta({ description: "The step in words", examples: ["1 of owners (group:payments-leads)"] }),
  canApprove: z.array(z.string()).meta({ description: "Handles of those who may fill a place" }),
});

/** What policy said about a request, and how far the approvals carry. */
export const decision = z.object({
  outcome: z.enum(OUTCOMES),
  rule: z.string().nullable().meta({ description: "The rule that decided; null where none applied" }),
  steps: z.array(step),
  trace: z.array(traceLine),
});

/** An entitlement as an approver reads it. */
export const offer = z.object({
  entitlement: z.string(),
  title: z.string(),
  risk: z.enum(RISKS),
  describe: z.array(z.string()).meta({ description: "What it allows, in plain words" }),
});

export const reviewView = z.object({
  id: z.string(),
  reviewer: person,
  verdict: z.enum(VERDICTS),
  comment: z.string(),
  duration: durationOut.nullable().meta({ description: "Approved for less than was asked; null: as asked" }),
  entitlement: z.string(),
  at: timeOut,
  counts: z.boolean().meta({ description: "False: what is asked for has changed since, so it counts no more" }),
});

export const requestView = z.object({
  id: z.string(),
  state: z.enum(REQUEST_STATES),
  resource: z.string(),
  entitlement: z.string(),
  title: z.string(),
  risk: z.enum(RISKS),
  describe: z.array(z.string()).meta({ description: "What it allows, in plain words" }),
  offered: offer.nullable().meta({ description: "The narrower entitlement that an approver offers instead" }),
  duration: durationOut,
  reason: z.string(),
  ticket: z.string(),
  start: timeOut.nullable(),
  activation: z.enum(ACTIVATIONS),
  emergency: z.boolean(),
  requester: person,
  endedBecause: z.string().nullable(),
  createdAt: timeOut,
  expiresAt: timeOut.meta({ description: "A request that is pending then expires" }),
  decidedAt: timeOut.nullable(),
  decision,
  reviews: z.array(reviewView),
  grantId: z.string().nullable(),
  extendsGrantId: z.string().nullable().meta({ description: "The grant that this asks more time for" }),
  canReview: z.boolean().meta({ description: "Whether you may review it now" }),
  canCancel: z.boolean().meta({ description: "Whether you may take it back now" }),
  canOffer: z.array(offer).meta({ description: "Narrower entitlements that an approver may offer instead" }),
});
export type RequestView = z.infer<typeof requestView>;

export const submitBody = z.strictObject({
  entitlement: entitlementIn,
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
});

const requestParams = z.object({ id: requestIdIn });
const requestPage = z.object({ requests: z.array(requestView), next: cursorOut });

export const requests = {
  submit: changes
    .route({ method: "POST", path: "/v1/requests", tags: ["requests"], summary: "Ask for access" })
    .input(z.object({ body: submitBody }))
    .output(answer(201, "Granted at once, or waiting for approval", requestView))
    .errors(
      problems(
        "invalid-duration",
        "unknown-entitlement",
        "policy-denied",
        "no-approvers",
        "principal-deactivated",
        "emergency-not-available",
      ),
    ),
  list: reads
    .route({
      method: "GET",
      path: "/v1/requests",
      tags: ["requests"],
      summary: "Requests that you may see, newest first",
    })
    .input(
      z.object({
        query: z.strictObject({
          role: z
            .enum(["requester", "approver"])
            .optional()
            .meta({ description: "requester: your own. approver: those that you may review or have reviewed." }),
          state: someOf(REQUEST_STATES).optional(),
          cursor: cursorIn.optional(),
          limit: numberIn(1, PAGE_MAX).default(50),
        }),
      }),
    )
    .output(answer(200, "A page of requests", requestPage)),
  get: reads
    .route({ method: "GET", path: "/v1/requests/{id}", tags: ["requests"], summary: "One request" })
    .input(z.object({ params: requestParams }))
    .output(answer(200, "The request", requestView))
    .errors(problems("not-found")),
  review: changes
    .route({
      method: "POST",
      path: "/v1/requests/{id}/reviews",
      tags: ["requests"],
      summary: "Approve, approve less, or deny",
    })
    .input(
      z.object({
        params: requestParams,
        body: z.strictObject({
          verdict: z.enum(VERDICTS),
          comment: text(COMMENT_CHARS_MAX).default(""),
          duration: durationIn.nullish().transform((duration) => duration ?? null),
          entitlement: entitlementIn
            .nullish()
            .transform((entitlement) => entitlement ?? null)
            .meta({ description: "A narrower entitlement of the resource, to approve instead" }),
        }),
      }),
    )
    .output(answer(200, "The request with your review", requestView))
    .errors(
      problems(
        "invalid-duration",
        "not-found",
        "unknown-entitlement",
        "self-review",
        "not-an-approver",
        "policy-denied",
        "principal-deactivated",
        "request-decided",
        "already-reviewed",
        "scope-changed",
        "grant-ended",
        "request-expired",
      ),
    ),
  cancel: changes
    .route({ method: "POST", path: "/v1/requests/{id}/cancel", tags: ["requests"], summary: "Take a request back" })
    .input(z.object({ params: requestParams, body: z.strictObject({}).default({}) }))
    .output(answer(200, "The request, cancelled", requestView))
    .errors(problems("not-found", "request-decided")),
};

/** What a probe saw. */
export const evidence = z.object({
  kind: z.enum(["gone", "covered", "standing"]).meta({
    description:
      "gone: nobody has the right by our doing. covered: other grants hold it. standing: it was there before. The grant's own credential and sessions are ended in each case.",
  }),
  target: z.object({ identity: z.string(), position: z.string().nullable() }),
  observations: z.array(z.object({ check: z.string(), saw: z.string(), code: z.string().optional() })),
  coveredBy: z.array(z.string()),
});

export const grantView = z.object({
  id: z.string(),
  requestId: z.string(),
  resource: z.string(),
  entitlement: z.string(),
  title: z.string(),
  risk: z.enum(RISKS),
  describe: z.array(z.string()).meta({ description: "What it allows, in plain words" }),
  principal: person,
  state: z.enum(GRANT_STATES),
  accessGone: z.boolean().meta({
    description: "While revoking: false = still live, true = access is gone, clean-up pending. True once it has ended.",
  }),
  duration: durationOut,
  activation: z.enum(ACTIVATIONS),
  createdAt: timeOut,
  startsAt: timeOut,
  activateBy: timeOut.nullable().meta({ description: "An on-use grant that nobody used lapses then" }),
  expiresAt: timeOut,
  extensions: z.int(),
  credential: z.enum(["none", "ready", "delivered", "rotating"]).nullable().meta({
    description: "While active: none = the access has no secret of its own. Null: not active.",
  }),
  ended: z
    .object({
      cause: z.enum(END_CAUSES),
      by: person.nullable().meta({ description: "Null: time, or Tidegate itself" }),
      reason: z.string(),
    })
    .nullable(),
  revokedAt: timeOut.nullable(),
  lateMs: z
    .int()
    .nullable()
    .meta({ description: "How long after its end a grant that expired was proven gone, in milliseconds" }),
  receipt: z
    .object({ verifiedAt: timeOut, evidence, auditSeq: z.int() })
    .nullable()
    .meta({ description: "The proof that access is gone, with its place in the audit log" }),
  trouble: z
    .object({
      since: timeOut,
      attempts: z.int(),
      lastError: z.object({ code: z.string(), message: z.string() }),
      retryAt: timeOut,
    })
    .nullable()
    .meta({ description: "What keeps it from going on" }),
  canRevoke: z.boolean().meta({ description: "Whether you may end it now" }),
});
export type GrantView = z.infer<typeof grantView>;

const grantParams = z.object({ id: grantIdIn });
const theGrant = answer(200, "The grant", grantView);

export const credentialView = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("password"),
    host: z.string(),
    port: z.int(),
    database: z.string(),
    username: z.string(),
    password: z.string(),
    uri: z.string().meta({ description: "Connection URI, password included" }),
    expiresAt: timeOut,
  }),
  z.object({
    kind: z.literal("membership"),
    account: z.string().meta({ description: "Your own account, which has the right for now" }),
    note: z.string(),
    expiresAt: timeOut,
  }),
]);
export type CredentialView = z.infer<typeof credentialView>;

export const grants = {
  list: reads
    .route({ method: "GET", path: "/v1/grants", tags: ["grants"], summary: "Grants that you may see, newest first" })
    .input(
      z.object({
        query: z.strictObject({
          state: someOf(GRANT_STATES).optional(),
          resource: text(NAME_CHARS_MAX).optional(),
          person: text(NAME_CHARS_MAX).optional().meta({ description: "Handle or id; me: your own" }),
          cursor: cursorIn.optional(),
          limit: numberIn(1, PAGE_MAX).default(50),
        }),
      }),
    )
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
  activate: changes
    .route({ method: "POST", path: "/v1/grants/{id}/activate", tags: ["grants"], summary: "Start an on-use grant" })
    .input(z.object({ params: grantParams, body: z.strictObject({}).default({}) }))
    .output(theGrant)
    .errors(problems("not-found", "grant-not-scheduled", "grant-ended")),
  extend: changes
    .route({ method: "POST", path: "/v1/grants/{id}/extend", tags: ["grants"], summary: "Ask for more time" })
    .input(
      z.object({
        params: grantParams,
        body: z.strictObject({
          duration: durationIn.meta({ description: "The time to add" }),
          reason: text(REASON_CHARS_MAX).default(""),
        }),
      }),
    )
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
        "policy-denied",
        "no-approvers",
        "principal-deactivated",
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
        body: z.strictObject({ reason: text(REASON_CHARS_MAX).default("") }).default({ reason: "" }),
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
        body: z
          .strictObject({
            rotate: z.boolean().default(false),
            publicKey: text(COMMENT_CHARS_MAX).nullish().meta({ description: "For SSH" }),
          })
          .default({ rotate: false }),
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
