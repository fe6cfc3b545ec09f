/** Answers of a server, for tests of the command line. */
import type { CredentialView, GrantView, RequestView } from "../../src/contract/access.ts";

export const NOW = "2026-11-23T14:05:00.000Z";
const LATER = "2026-11-23T15:05:00.000Z";

const ALICE = { id: "pr_0000000000000001", handle: "alice", name: "Alice Archer" };
export const BOB = { id: "pr_0000000000000002", handle: "bob", name: "Bob" };

export const REQUEST_ID = "rq_0000000000000001";
export const GRANT_ID = "gr_0000000000000001";

const WHAT = {
  resource: "orders-db",
  entitlement: "orders-db:read",
  title: "Read orders",
  risk: "medium",
  describe: ["SELECT on public.orders"],
} as const;

/** A request that waits for bob or frank. */
export const requestView = (changes: Partial<RequestView> = {}): RequestView => ({
  ...WHAT,
  describe: [...WHAT.describe],
  id: REQUEST_ID,
  state: "pending",
  offered: null,
  duration: "1h",
  reason: "slow checkouts",
  ticket: "",
  start: null,
  activation: "on-approval",
  emergency: false,
  requester: ALICE,
  endedBecause: null,
  version: "3f9a1c2b7d5e8f60",
  createdAt: NOW,
  editedAt: null,
  expiresAt: "2026-11-24T14:05:00.000Z",
  decidedAt: null,
  decision: {
    outcome: "needs-approval",
    rule: "payments-engineers",
    steps: [{ by: ["owners"], count: 1, have: 0, needs: "1 of owners", canApprove: ["bob", "frank"] }],
    trace: [{ rule: "payments-engineers", result: "applies", why: "needs approval by 1 of owners" }],
  },
  facts: null,
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
  ...changes,
});

/** The same, granted by policy itself. */
export const grantedView = (changes: Partial<RequestView> = {}): RequestView =>
  requestView({
    state: "approved",
    decidedAt: NOW,
    grantId: GRANT_ID,
    decision: { outcome: "automatic", rule: "on-call", steps: [], trace: [] },
    ...changes,
  });

export const grantView = (changes: Partial<GrantView> = {}): GrantView => ({
  ...WHAT,
  describe: [...WHAT.describe],
  id: GRANT_ID,
  requestId: REQUEST_ID,
  principal: ALICE,
  state: "active",
  accessGone: false,
  duration: "1h",
  activation: "on-approval",
  createdAt: NOW,
  startsAt: NOW,
  activateBy: null,
  expiresAt: LATER,
  extensions: 0,
  less: null,
  credential: "ready",
  ended: null,
  revokedAt: null,
  lateMs: null,
  receipt: null,
  trouble: null,
  canRevoke: true,
  ...changes,
});

export const revokedView = (changes: Partial<GrantView> = {}): GrantView =>
  grantView({
    state: "revoked",
    accessGone: true,
    credential: null,
    canRevoke: false,
    ended: { cause: "withdrawn", by: ALICE, reason: "psql ended" },
    revokedAt: LATER,
    receipt: {
      verifiedAt: LATER,
      auditSeq: 42,
      evidence: {
        kind: "gone",
        target: { identity: "postgres:7", position: "10" },
        observations: [{ check: "login", saw: "refused", code: "28000" }],
        coveredBy: [],
      },
    },
    ...changes,
  });

export const credentialView = (changes: Partial<CredentialView & { kind: "password" }> = {}): CredentialView => ({
  kind: "password",
  host: "db.example.test",
  port: 5433,
  database: "orders",
  username: "tg_alice",
  password: "s3cret-and-long",
  uri: "postgres://tg_alice:s3cret-and-long@db.example.test:5433/orders?sslmode=require",
  expiresAt: LATER,
  ...changes,
});
