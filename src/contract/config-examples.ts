/** A configuration that waits for a second pair of eyes, in examples. */
import type { WaitingConfig } from "./config.ts";
import type { Examples } from "./examples.ts";

const CAROL = { id: "pr_9b1d3f5h7k0m2p4r", handle: "carol", name: "Carol Chen" };

const waits: WaitingConfig = {
  version: 13,
  active: 12,
  state: "waiting",
  source: "/etc/tidegate/tidegate.yaml",
  widens: ["rule payments-engineers is another", "alice joins payments-leads"],
  proposedAt: "2026-01-31T09:00:00.000Z",
  confirmedBy: [],
  needed: 1,
};

export const WAITING_CONFIG_EXAMPLES: Pick<Examples["config"], "waiting" | "confirm" | "reject"> = {
  waiting: { answers: [{ status: 200, body: { waiting: waits } }] },
  confirm: {
    body: {},
    answers: [{ status: 200, body: { ...waits, active: 13, state: "confirmed", confirmedBy: [CAROL] } }],
  },
  reject: {
    body: { reason: "alice must not approve" },
    answers: [{ status: 200, body: { ...waits, state: "rejected" } }],
  },
};
