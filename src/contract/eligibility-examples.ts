/** Examples of the routes that tell who could get what. */
import type { AccessOf, EligiblePeople, WayView } from "./eligibility.ts";

const ALICE = { id: "pr_3k9m2x7q5t1v8w4z", handle: "alice", name: "Alice Almeida" };
const TITLE = "Read orders and customers";
const ASSUMES = [
  "It is told for now: for a request that starts at once, for 15m or as long as the entitlement allows where that is less.",
];

const WAYS: WayView[] = [
  {
    outcome: "needs-approval",
    rule: "payments-engineers",
    needs: ["a ticket", "approval by 1 of owners (group:payments-leads)"],
    onlyWhen: [],
    maxDuration: "8h",
    stuck: null,
  },
  {
    outcome: "automatic",
    rule: "on-call-reads-in-an-incident",
    needs: ["a ticket such as INC-1"],
    onlyWhen: ["on call"],
    maxDuration: "2h",
    stuck: null,
  },
];

const people: EligiblePeople = {
  entitlement: "orders-db:read",
  title: TITLE,
  assumes: ASSUMES,
  people: [{ person: ALICE, type: "employee", ways: WAYS }],
  next: null,
};
const access: AccessOf = {
  person: ALICE,
  assumes: ASSUMES,
  entitlements: [{ ref: "orders-db:read", title: TITLE, risk: "medium", ways: WAYS }],
  grants: [],
  next: null,
};

export const ELIGIBILITY_EXAMPLES = {
  people: { answers: [{ status: 200 as const, body: people }] },
  access: { answers: [{ status: 200 as const, body: access }] },
};
