/** The story's dark night: production is down, alice breaks the glass, and carol looks at it in the morning. */
import type { RequestView } from "./access.ts";
import type { Examples } from "./examples.ts";
import { ALICE, DESCRIBE, ENTITLEMENT } from "./request-examples.ts";

const CAROL = { id: "pr_9b1d3f5h7k0m2p4r", handle: "carol", name: "Carol Chen" };
const COMMENT = "the incident says the same";

const used: RequestView = {
  id: "rq_fedcba9876543210",
  state: "approved",
  resource: "orders-db",
  ...ENTITLEMENT,
  describe: DESCRIBE,
  offered: null,
  duration: "30m",
  reason: "checkout is down, nobody answers",
  ticket: "INC-42",
  start: null,
  activation: "on-approval",
  emergency: true,
  requester: ALICE,
  endedBecause: null,
  version: "7d5e8f603f9a1c2b",
  createdAt: "2026-01-31T03:00:00.000Z",
  editedAt: null,
  expiresAt: "2026-02-01T03:00:00.000Z",
  decidedAt: "2026-01-31T03:00:00.000Z",
  decision: {
    outcome: "automatic",
    rule: "break-glass",
    steps: [],
    trace: [{ rule: "break-glass", result: "applies", why: "approves automatically" }],
  },
  facts: {
    onCall: { tier: 1, source: "file", age: 0, unknown: null, words: "on call at tier 1, says file" },
    ticket: null,
  },
  reviews: [],
  emergencyReview: {
    state: "open",
    dueAt: "2026-02-01T03:00:00.000Z",
    by: ["group:security"],
    reviewers: ["carol"],
    told: ["bob", "carol", "frank"],
    done: null,
    canReview: true,
  },
  less: null,
  bundle: null,
  questions: [],
  grantId: "gr_fedcba9876543210",
  extendsGrantId: null,
  canReview: false,
  canCancel: false,
  canEdit: false,
  canComment: true,
  canOffer: [],
};

const reviewed: RequestView = {
  ...used,
  emergencyReview: used.emergencyReview && {
    ...used.emergencyReview,
    state: "done",
    done: { verdict: "justified", reviewer: CAROL, comment: COMMENT, at: "2026-01-31T09:00:00.000Z" },
    canReview: false,
  },
};

export const EMERGENCY_EXAMPLES: Examples["emergencies"] = {
  list: { answers: [{ status: 200, body: { emergencies: [used], next: null } }] },
  review: { body: { verdict: "justified", comment: COMMENT }, answers: [{ status: 200, body: reviewed }] },
};
