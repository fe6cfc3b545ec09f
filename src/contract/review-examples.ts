/** What an auditor reads about the story's quarter. */
import type { Examples } from "./examples.ts";

const NOTHING = { person: null, entitlement: null, rule: null, count: null, at: null, reference: null };

export const REVIEW_EXAMPLES: Examples["review"] = {
  read: {
    answers: [
      {
        status: 200,
        body: {
          madeAt: "2026-02-01T09:00:00.000Z",
          madeBy: { id: "pr_9b1d3f5h7k0m2p4r", handle: "carol", name: "Carol Chen" },
          installation: "7k2m9x4q",
          tidegate: "0.1.0",
          from: "2025-11-03T09:00:00.000Z",
          until: "2026-02-01T09:00:00.000Z",
          rulesOf: 12,
          dropped: null,
          configurations: [{ version: 12, since: "2026-01-30T09:00:00.000Z" }],
          requests: {
            total: 1,
            of: [{ of: "approved-by-people", count: 1, meaning: "approved by the people whom a rule names" }],
          },
          grants: { total: 1, of: [{ of: "used", count: 1, meaning: "its credential was taken" }] },
          findings: [
            {
              kind: "entitlement-never-asked-for",
              title: "Entitlements that nobody asked for",
              definition: "An entitlement of the active configuration for which no request was made within the period.",
              complete: true,
              rows: [{ ...NOTHING, entitlement: "orders-db:fix", what: "high risk; never asked for" }],
            },
          ],
        },
      },
    ],
  },
};
