import type { DriftReport } from "./drift.ts";
import type { Examples } from "./examples.ts";

const report: DriftReport = {
  askedAt: null,
  resources: [
    {
      resource: "orders-db",
      policy: "report",
      sweptAt: "2026-01-31T12:20:00.000Z",
      failing: null,
      findings: [
        {
          id: "df_4m6p8r0t2v4x6z8b",
          kind: "by-hand",
          subject: "reporting in tgg_7h2k9m4q_9f86d081884c7d65",
          what: "member of tgg_7h2k9m4q_9f86d081884c7d65, with all that it may",
          grantId: null,
          since: null,
          by: "dba",
          firstSeenAt: "2026-01-31T12:15:00.000Z",
          lastSeenAt: "2026-01-31T12:20:00.000Z",
          resolvedAt: null,
          remedy: null,
          problem: null,
        },
      ],
    },
  ],
};

/** Somebody was put into a group role by a DBA. */
export const DRIFT_EXAMPLES: Examples["drift"] = {
  list: { answers: [{ status: 200, body: report }] },
  sweep: {
    body: { resource: "orders-db" },
    answers: [{ status: 200, body: { ...report, askedAt: "2026-01-31T12:19:59.000Z" } }],
  },
  others: {
    answers: [
      {
        status: 200,
        body: {
          resource: "orders-db",
          tells: true,
          others: [
            {
              who: "reporting",
              entitlement: "orders-db:read",
              access: 'SELECT ON TABLE "public"."orders"',
              how: "is in tgg_7h2k9m4q_9f86d081884c7d65",
              since: null,
              by: "tidegate_admin",
              sessions: 1,
              lastActivity: "2026-01-31T12:19:41.000Z",
            },
          ],
        },
      },
    ],
  },
};
