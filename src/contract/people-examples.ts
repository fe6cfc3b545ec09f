/** Somebody has left and is erased. */
import type { Examples } from "./examples.ts";

export const PEOPLE_EXAMPLES: Examples["people"] = {
  erase: {
    body: {},
    answers: [
      {
        status: 200,
        body: {
          person: { id: "pr_5d7f9h2k4m6p8r0t", handle: "erased-6p8r0t", name: "(erased)" },
          erasedAt: "2026-01-31T12:00:00.000Z",
          removed: { audit_personal: 12, requests: 4, principal_identities: 1, principals: 1 },
        },
      },
    ],
  },
};
