/** What the people of the story are told, in examples. */
import type { Examples } from "./examples.ts";
import type { MessageView } from "./messages.ts";
import { ALICE, BOB, REQUEST } from "./request-examples.ts";

const message: MessageView = {
  id: "ms_0123456789abcdef",
  kind: "request.needs-approval",
  at: "2026-01-31T12:00:00.000Z",
  to: [BOB],
  requestId: REQUEST,
  grantId: null,
  text: "alice asks for orders-db:read for 1h: checking slow checkouts (INC-42). It needs 1 of owners (group:payments-leads), until 2026-02-01T12:00:00.000Z",
  next: `tidegate approve ${REQUEST}`,
  data: {
    requester: ALICE.id,
    entitlement: "orders-db:read",
    duration: "1h",
    reason: "checking slow checkouts",
    ticket: "INC-42",
    extends: null,
    needs: ["1 of owners (group:payments-leads)"],
    expiresAt: "2026-02-01T12:00:00.000Z",
  },
  deliveries: null,
};
const delivered: MessageView = {
  ...message,
  deliveries: [
    {
      channel: "ops",
      state: "delivered",
      attempts: 1,
      nextAttempt: null,
      doneAt: "2026-01-31T12:00:00.400Z",
      lastError: null,
    },
  ],
};

export const MESSAGE_EXAMPLES: Examples["messages"] = {
  list: { answers: [{ status: 200, body: { messages: [message], next: null } }] },
  get: { answers: [{ status: 200, body: delivered }] },
};
