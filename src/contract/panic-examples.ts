/** The story's darker day: the panic button, in examples. */
import type { Examples } from "./examples.ts";
import type { PanicView } from "./panics.ts";

const ALICE = { id: "pr_3k9m2x7q5t1v8w4z", handle: "alice", name: "Alice Almeida" };
const CAROL = { id: "pr_9b1d3f5h7k0m2p4r", handle: "carol", name: "Carol Chen" };

const panic: PanicView = {
  id: "pn_0123456789abcdef",
  on: "resource",
  resource: "orders-db",
  person: null,
  reason: "credentials of the admin account leaked",
  startedBy: CAROL,
  startedAt: "2026-01-31T12:20:00.000Z",
  inForce: true,
  lifted: null,
  ended: { gone: 2, cleanUpPending: 0, live: 1 },
  unproven: [
    {
      grantId: "gr_0123456789abcdef",
      entitlement: "orders-db:read",
      person: ALICE,
      state: "revoking",
      accessGone: false,
      trouble: null,
    },
  ],
};

export const PANIC_EXAMPLES: Examples["panics"] = {
  start: {
    body: { resource: "orders-db", reason: "credentials of the admin account leaked" },
    answers: [{ status: 201, body: panic }],
  },
  list: { answers: [{ status: 200, body: { panics: [panic], next: null } }] },
  get: {
    answers: [{ status: 200, body: { ...panic, ended: { gone: 3, cleanUpPending: 0, live: 0 }, unproven: [] } }],
  },
  lift: {
    body: { reason: "rotated, all clear" },
    answers: [
      {
        status: 200,
        body: {
          ...panic,
          inForce: false,
          lifted: { by: CAROL, at: "2026-01-31T13:00:00.000Z", reason: "rotated, all clear" },
          ended: { gone: 3, cleanUpPending: 0, live: 0 },
          unproven: [],
        },
      },
    ],
  },
};
