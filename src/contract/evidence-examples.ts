/** Who had access in the story, as an auditor asks. */
import type { Examples } from "./examples.ts";

const CAROL = { id: "pr_9b1d3f5h7k0m2p4r", handle: "carol", name: "Carol Chen" };

export const EVIDENCE_EXAMPLES: Examples["evidence"] = {
  ask: {
    answers: [
      {
        status: 200,
        body: {
          question: "access",
          of: "orders-db:read",
          from: "2026-01-01T00:00:00.000Z",
          until: "2026-02-01T00:00:00.000Z",
          madeAt: "2026-02-01T09:00:00.000Z",
          madeBy: CAROL,
          installation: "7k2m9x4q",
          tidegate: "0.1.0",
          head: 412,
          meaning: "Grants whose access may have lived within the period.",
          rows: [
            {
              what: "grant",
              state: "proven gone",
              at: "2026-01-31T12:00:02.000Z",
              until: "2026-01-31T12:30:01.000Z",
              person: { id: "pr_0a2c4e6g8j1k3m5n", handle: "alice", name: "Alice Ito" },
              by: [{ id: "pr_5d7f9h1k3m5p7r9t", handle: "bob", name: "Bob Roy" }],
              inPlaceOf: [],
              entitlement: "orders-db:read",
              request: "rq_0123456789abcdef",
              grant: "gr_0123456789abcdef",
              ms: null,
              count: null,
              note: "rule payments-engineers; INC-42 slow checkouts",
              entries: [{ seq: 410, id: "en_qvye0h2n4k628vy5", kind: "grant.revoked" }],
            },
          ],
          times: null,
          next: null,
          dropped: null,
        },
      },
    ],
  },
};
