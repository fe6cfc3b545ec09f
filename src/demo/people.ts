/** Who lives in the demo. */
export type DemoPerson = {
  readonly handle: string;
  readonly name: string;
  /** In a few words, where people choose who to be. */
  readonly about: string;
  readonly type: "employee" | "contractor";
  readonly groups: readonly string[];
  readonly onCallTier: number;
  readonly roles: readonly string[];
};

const EMPLOYEE = { type: "employee", onCallTier: 0, roles: [] } as const;
const [ENGINEER, LEAD] = [["payments"], ["payments", "payments-leads"]];

export const PEOPLE: readonly DemoPerson[] = [
  { ...EMPLOYEE, handle: "alice", name: "Alice Archer", about: "payments engineer", groups: ENGINEER },
  {
    ...EMPLOYEE,
    handle: "erin",
    name: "Erin Estevez",
    about: "payments engineer, on call",
    groups: ENGINEER,
    onCallTier: 1,
  },
  { ...EMPLOYEE, handle: "bob", name: "Bob Becker", about: "payments lead", groups: LEAD },
  { ...EMPLOYEE, handle: "frank", name: "Frank Fischer", about: "payments lead", groups: LEAD },
  {
    ...EMPLOYEE,
    handle: "carol",
    name: "Carol Costa",
    about: "security, admin",
    groups: ["security"],
    roles: ["admin"],
  },
  { ...EMPLOYEE, handle: "dave", name: "Dave Dubois", about: "contractor", type: "contractor", groups: ENGINEER },
];

/** Whom the configuration does not name: a person, and in groups, from their first sign-in on, as the provider says. */
export const NEWCOMER: DemoPerson = {
  ...EMPLOYEE,
  handle: "grace",
  name: "Grace Gruber",
  about: "payments engineer, in no file: known to this provider alone",
  groups: ENGINEER,
};

/** What the demo's identity provider calls somebody, for ever. */
export const subjectOf = ({ handle }: DemoPerson): string => `demo-${handle}`;
