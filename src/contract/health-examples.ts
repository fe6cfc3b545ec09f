/** How well the server is while a target is away, in an example. */
import type { Examples } from "./examples.ts";

export const HEALTH_EXAMPLES: Examples["health"] = {
  read: {
    answers: [
      {
        status: 200,
        body: {
          level: "yellow",
          at: "2026-01-31T12:00:20.000Z",
          checks: [
            {
              name: "store",
              subject: null,
              level: "green",
              says: "The store answers.",
              since: null,
              todo: null,
              runbook: null,
            },
            {
              name: "target",
              subject: "orders-db",
              level: "yellow",
              says: "orders-db does not answer: 2 grants wait, tried up to 4 times.",
              since: "2026-01-31T12:00:05.000Z",
              todo: "See why: tidegate grants list --resource orders-db",
              runbook: "tidegatetargetdown",
            },
          ],
        },
      },
    ],
  },
};
