/** Who lives in the demo. */
export type DemoPerson = {
  readonly handle: string;
  readonly name: string;
  readonly type: "employee" | "contractor";
  readonly groups: readonly string[];
  readonly onCallTier: number;
  readonly roles: readonly string[];
};

export const PEOPLE: readonly DemoPerson[] = [
  { handle: "alice", name: "Alice Archer", type: "employee", groups: ["payments"], onCallTier: 0, roles: [] },
  { handle: "erin", name: "Erin Estevez", type: "employee", groups: ["payments"], onCallTier: 1, roles: [] },
  {
    handle: "bob",
    name: "Bob Becker",
    type: "employee",
    groups: ["payments", "payments-leads"],
    onCallTier: 0,
    roles: [],
  },
  {
    handle: "frank",
    name: "Frank Fischer",
    type: "employee",
    groups: ["payments", "payments-leads"],
    onCallTier: 0,
    roles: [],
  },
  { handle: "carol", name: "Carol Costa", type: "employee", groups: ["security"], onCallTier: 0, roles: ["admin"] },
  { handle: "dave", name: "Dave Dubois", type: "contractor", groups: ["payments"], onCallTier: 0, roles: [] },
];
