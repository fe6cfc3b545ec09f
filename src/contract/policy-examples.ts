/** The story's rules, and what alice asked of them. */
import type { Examples } from "./examples.ts";

export const POLICY_EXAMPLES: Examples["policy"] = {
  read: {
    answers: [
      {
        status: 200,
        body: {
          version: 12,
          hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
          resources: {
            "orders-db": {
              name: "orders-db",
              connector: "postgres",
              title: "Orders",
              labels: { team: "payments" },
              owners: ["group:payments-leads"],
              entitlements: {
                read: {
                  ref: "orders-db:read",
                  name: "read",
                  title: "Read orders",
                  risk: "medium",
                  maxDurationMs: 28_800_000,
                },
              },
            },
          },
          policies: [
            { kind: "deny", name: "no-contractors-on-payments", condition: 'user.type == "contractor"' },
            {
              kind: "approve",
              name: "payments-engineers",
              when: '"payments" in user.groups',
              approve: [{ by: ["owners"], count: 1 }],
            },
          ],
        },
      },
    ],
  },
  requests: {
    answers: [
      {
        status: 200,
        body: {
          requests: [
            {
              id: "rq_0123456789abcdef",
              at: "2026-01-31T12:00:00.000Z",
              user: {
                id: "pr_3k9m2x7q5t1v8w4z",
                kind: "user",
                handle: "alice",
                name: "Alice Almeida",
                email: "alice@example.com",
                type: "employee",
                groups: ["payments"],
                manager: "bob",
              },
              asOf: "then",
              entitlement: "orders-db:read",
              duration: "1h",
              extension: null,
              reason: "checking slow checkouts",
              ticket: "INC-42",
              start: null,
              emergency: false,
              facts: { oncall: { tier: 0, source: "file", ageMs: 0 } },
              state: "approved",
              decision: { outcome: "needs-approval", rule: "payments-engineers" },
              configVersion: 12,
            },
          ],
          next: null,
        },
      },
    ],
  },
};
