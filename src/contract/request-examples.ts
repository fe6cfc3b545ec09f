/** The story in examples, up to the decision: alice asks, bob asks back and approves. */
import type { RequestView } from "./access.ts";
import type { BundleView } from "./bundles.ts";
import type { Examples } from "./examples.ts";

export const ALICE = { id: "pr_3k9m2x7q5t1v8w4z", handle: "alice", name: "Alice Almeida" };
export const BOB = { id: "pr_7n2p4r6t8v0x1z3b", handle: "bob", name: "Bob Brandt" };
export const REQUEST = "rq_0123456789abcdef";
export const GRANT = "gr_0123456789abcdef";
export const ENTITLEMENT = {
  entitlement: "orders-db:read",
  title: "Read orders and customers",
  risk: "medium" as const,
};
export const DESCRIBE = ["may SELECT on public.orders", "may SELECT id, name of public.customers"];
export const STEPS = [
  { by: ["owners"], count: 1, have: 0, needs: "1 of owners (group:payments-leads)", canApprove: ["bob", "frank"] },
];
export const TRACE = [
  { rule: "no-contractors-on-payments", result: "does-not-apply" as const, why: "its condition is false" },
  { rule: "payments-engineers", result: "applies" as const, why: "its condition is true" },
];

const pending: RequestView = {
  id: REQUEST,
  state: "pending",
  resource: "orders-db",
  ...ENTITLEMENT,
  describe: DESCRIBE,
  offered: null,
  duration: "1h",
  reason: "checking slow checkouts",
  ticket: "INC-42",
  start: null,
  activation: "on-approval",
  emergency: false,
  requester: ALICE,
  endedBecause: null,
  version: "3f9a1c2b7d5e8f60",
  createdAt: "2026-01-31T12:00:00.000Z",
  editedAt: null,
  expiresAt: "2026-02-01T12:00:00.000Z",
  decidedAt: null,
  decision: { outcome: "needs-approval", rule: "payments-engineers", steps: STEPS, trace: TRACE },
  facts: {
    onCall: { tier: 0, source: "file", age: 0, unknown: null, words: "not on call, says file" },
    ticket: {
      ...{ id: "INC-42", state: "open", status: "In Progress", mine: true, source: "jira", age: 12_000, unknown: null },
      words: "INC-42 is open (In Progress) and assigned to who asks, says jira",
    },
  },
  reviews: [],
  emergencyReview: null,
  less: null,
  questions: [],
  grantId: null,
  bundle: null,
  extendsGrantId: null,
  canReview: false,
  canCancel: true,
  canEdit: true,
  canComment: true,
  canOffer: [],
};

const QUESTION = { id: "cm_5f7h9k1m3n5p7r9t", by: BOB, at: "2026-01-31T12:01:00.000Z", text: "Which checkouts?" };
const asked: RequestView = { ...pending, questions: [QUESTION] };
const TIMELINE = [
  {
    at: pending.createdAt,
    kind: "request.submitted",
    by: ALICE,
    what: "asks for orders-db:read for 1h",
    text: pending.reason,
  },
  { at: QUESTION.at, kind: "request.asked-back", by: BOB, what: "asks", text: QUESTION.text },
];

export const LESS = {
  asked: { entitlement: "orders-db:read", duration: "1h" },
  given: { entitlement: "orders-db:read", duration: "30m" },
};

const approved: RequestView = {
  ...pending,
  state: "approved",
  decidedAt: "2026-01-31T12:04:00.000Z",
  decision: { ...pending.decision, steps: STEPS.map((step) => ({ ...step, have: 1 })) },
  reviews: [
    {
      id: "rv_5f7h9k1m3n5p7r9t",
      reviewer: BOB,
      verdict: "approve",
      comment: "go ahead, half an hour is enough",
      duration: "30m",
      entitlement: "orders-db:read",
      at: "2026-01-31T12:04:00.000Z",
      counts: true,
    },
  ],
  less: LESS,
  grantId: GRANT,
  canCancel: false,
  canEdit: false,
};

export const REQUEST_EXAMPLES: Examples["requests"] = {
  submit: {
    body: { entitlement: "orders-db:read", duration: "1h", reason: "checking slow checkouts", ticket: "INC-42" },
    answers: [{ status: 201, body: pending }],
  },
  list: { answers: [{ status: 200, body: { requests: [approved], next: "87" } }] },
  get: { answers: [{ status: 200, body: { ...asked, timeline: TIMELINE } }] },
  comment: { body: { text: QUESTION.text, asks: true }, answers: [{ status: 200, body: asked }] },
  edit: {
    body: { duration: "30m" },
    answers: [
      {
        status: 200,
        body: { ...pending, duration: "30m", version: "c04b7e1d92a65f38", editedAt: "2026-01-31T12:03:00.000Z" },
      },
    ],
  },
  review: {
    body: { verdict: "approve", comment: "go ahead, half an hour is enough", duration: "30m" },
    answers: [{ status: 200, body: { ...approved, canCancel: false } }],
  },
  cancel: {
    body: {},
    answers: [
      {
        status: 200,
        body: {
          ...pending,
          state: "cancelled",
          decidedAt: "2026-01-31T12:02:00.000Z",
          canCancel: false,
          canEdit: false,
        },
      },
    ],
  },
};

const KIT = { id: "bn_0123456789abcdef", name: "incident-kit", title: "What an incident takes" };
const PANIC = { code: "panic-in-force", detail: "A panic is in force over logs: nothing new is given there." };
const bundle: BundleView = {
  ...KIT,
  state: "pending",
  requester: ALICE,
  createdAt: pending.createdAt,
  requests: [{ ...pending, bundle: KIT }],
  refused: [{ entitlement: "logs:read", ...PANIC }],
};

export const BUNDLE_EXAMPLES: Examples["bundles"] = {
  submit: {
    body: { bundle: "incident-kit", duration: "1h", reason: "checking slow checkouts", ticket: "INC-42" },
    answers: [{ status: 201, body: bundle }],
  },
  get: { answers: [{ status: 200, body: bundle }] },
  review: {
    body: { verdict: "approve", comment: "go ahead, half an hour is enough", duration: "30m" },
    answers: [
      {
        status: 200,
        body: {
          ...bundle,
          state: "partly-approved",
          requests: [{ ...approved, bundle: KIT }],
          done: [REQUEST],
          notDone: [],
        },
      },
    ],
  },
  cancel: {
    body: {},
    answers: [
      {
        status: 200,
        body: {
          ...bundle,
          state: "refused",
          requests: [{ ...pending, bundle: KIT, state: "cancelled", canCancel: false, canEdit: false }],
          done: [REQUEST],
          notDone: [],
        },
      },
    ],
  },
};
