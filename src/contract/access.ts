/** What asking, reviewing and having access are made of: requests, reviews, grants, credentials, as they are shown. */
import { z } from "zod";
import { END_CAUSES } from "../domain/end-cause.ts";
import { RISKS } from "../domain/entitlement.ts";
import { TICKET_STATES } from "../domain/facts.ts";
import { EMERGENCY_VERDICTS, REVIEW_STATES } from "../domain/request.ts";
import { demandsView } from "./step-ups.ts";
import { durationOut, person, timeOut } from "./values.ts";

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
export const ACTIVATIONS = ["on-approval", "on-use"] as const;
export const VERDICTS = ["approve", "deny"] as const;
export const OUTCOMES = ["automatic", "needs-approval", "denied"] as const;

/** One rule that was looked at, and what came of it. */
export const traceLine = z.object({
  rule: z.string(),
  result: z.enum(["denies", "applies", "does-not-apply", "error"]),
  why: z.string(),
  almost: z.literal(true).optional().meta({ description: "Only something that the rule asks for is missing" }),
});

export const step = z.object({
  by: z.array(z.string()).meta({ description: "owners, group:NAME or user:HANDLE" }),
  count: z.int(),
  have: z.int().meta({ description: "Places filled so far" }),
  added: z
    .array(
      z.object({
        by: z.array(z.string()),
        why: z.enum(["escalated", "fallback"]).meta({
          description: "escalated: the step was open for too long. fallback: not enough of the others are there",
        }),
        at: timeOut.nullable().meta({ description: "Null: from the beginning" }),
      }),
    )
    .optional()
    .meta({ description: "Who of those in by came to it besides; left out: nobody" }),
  needs: z.string().meta({
    description: "The step in words",
    examples: ["1 of owners (group:payments-leads), after 30m also group:sre-leads"],
  }),
  canApprove: z.array(z.string()).meta({ description: "Handles of those who may fill a place" }),
  away: z
    .array(z.object({ handle: z.string(), until: timeOut, delegate: z.string().nullable() }))
    .optional()
    .meta({ description: "Who of those that it means is away, and who decides in their place; left out: nobody" }),
});

/** What policy said about a request, and how far the approvals carry. */
export const decision = z.object({
  outcome: z.enum(OUTCOMES),
  rule: z.string().nullable().meta({ description: "The rule that decided; null where none applied" }),
  steps: z.array(step),
  trace: z.array(traceLine),
  authentication: demandsView.optional().meta({ description: "What is demanded of who acts; left out: nothing" }),
});

/** What was looked up about the world before policy was asked: what of it is not known says why. */
const lookedUp = {
  source: z.string().meta({ description: "The name of the source; file: the configuration; empty: nobody was asked" }),
  age: z.int().meta({ description: "How old it was when policy was asked, in milliseconds" }),
  unknown: z.string().nullable().meta({ description: "Why it was not known; null: it was" }),
  words: z.string().meta({ description: "In plain words", examples: ["not on call, says file"] }),
};
export const factsView = z.object({
  onCall: z.object({
    tier: z.int().meta({ description: "0: not on call, and also while it is not known" }),
    ...lookedUp,
  }),
  ticket: z
    .object({
      id: z.string(),
      state: z.enum(TICKET_STATES),
      status: z.string().meta({ description: "The tracker's own word" }),
      mine: z.boolean().meta({ description: "Assigned to who asks" }),
      ...lookedUp,
    })
    .nullable()
    .meta({ description: "Null: no ticket was named" }),
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
  inPlaceOf: z
    .array(person)
    .optional()
    .meta({ description: "Who was away and had named the reviewer to decide in their place; left out: nobody" }),
});

export { EMERGENCY_VERDICTS, REVIEW_STATES };

/** An emergency is looked at afterwards, by somebody else and once. */
export const emergencyReviewView = z.object({
  state: z.enum(REVIEW_STATES).meta({ description: "overdue: nobody has reviewed it in time" }),
  dueAt: timeOut,
  by: z.array(z.string()).meta({ description: "Whom its rule named: owners, group:NAME or user:HANDLE" }),
  reviewers: z.array(z.string()).meta({ description: "Handles of those who may review it now" }),
  told: z.array(z.string()).meta({ description: "Handles of those who review it, and of those whom it passed over" }),
  done: z
    .object({ verdict: z.enum(EMERGENCY_VERDICTS), reviewer: person, comment: z.string(), at: timeOut })
    .nullable(),
  canReview: z.boolean().meta({ description: "Whether you may review it now" }),
});

/** A question to the requester that they have not answered. */
export const questionView = z.object({ id: z.string(), by: person, at: timeOut, text: z.string() });

/** One thing that happened to a request or to the grant that came of it. */
export const happening = z.object({
  at: timeOut,
  kind: z.string().meta({ description: "Kind of the audit entry", examples: ["review.recorded"] }),
  by: person.nullable().meta({ description: "Who did it; null: Tidegate itself" }),
  what: z.string().meta({ description: "What happened, in plain words", examples: ["approves for 30m"] }),
  text: z.string().meta({ description: "What they wrote; empty where they wrote nothing, or where it was erased" }),
});
export type Happening = z.infer<typeof happening>;

const what = z.object({ entitlement: z.string(), duration: durationOut });
/** Approved for less: shorter, or narrower. Whoever asked is told before they use it. */
export const less = z.object({ asked: what, given: what });

/** What a request was asked for with. */
export const bundleRef = z.object({
  id: z.string(),
  name: z.string().nullable().meta({ description: "As the configuration names it; null: put together for this once" }),
  title: z.string(),
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
  version: z.string().meta({
    description:
      "Names what is asked for now; sent as If-Match, it makes sure that this is what is approved or changed",
  }),
  createdAt: timeOut,
  editedAt: timeOut
    .nullable()
    .meta({ description: "When its requester changed it last; null: it is as it was first asked for" }),
  expiresAt: timeOut.meta({ description: "A request that is pending then expires" }),
  decidedAt: timeOut.nullable(),
  decision,
  facts: factsView
    .nullable()
    .meta({ description: "What policy looked at of the world when it was asked; null: that was not kept" }),
  reviews: z.array(reviewView),
  emergencyReview: emergencyReviewView
    .nullable()
    .meta({ description: "Of an emergency that led to access; null of everything else" }),
  less: less
    .nullable()
    .meta({ description: "Where it was approved for less than was asked for: that, and what is given; else null" }),
  questions: z
    .array(questionView)
    .meta({ description: "While it is pending: what the requester was asked and has not answered; it waits for that" }),
  timeline: z
    .array(happening)
    .optional()
    .meta({ description: "Everything that happened, oldest first. Only where one request is read" }),
  grantId: z.string().nullable(),
  bundle: bundleRef.nullable().meta({ description: "The bundle that it was asked for with" }),
  extendsGrantId: z.string().nullable().meta({ description: "The grant that this asks more time for" }),
  canReview: z.boolean().meta({ description: "Whether you may review it now" }),
  canCancel: z.boolean().meta({ description: "Whether you may take it back now" }),
  canEdit: z.boolean().meta({ description: "Whether you may change it now" }),
  canComment: z.boolean().meta({ description: "Whether you may write a comment" }),
  canOffer: z.array(offer).meta({ description: "Narrower entitlements that an approver may offer instead" }),
});
export type RequestView = z.infer<typeof requestView>;

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
  less: less
    .nullable()
    .meta({ description: "Where it gives less than its request asked for: that, and what it gives; else null" }),
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
