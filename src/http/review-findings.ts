/** The findings of an access review in words: each with its definition, its rows in an order that stays. */
import { toTimestamp } from "../base/clock.ts";
import type { AccessReview, FindingKind, ReviewRow } from "../contract/review.ts";
import type { AloneFinding, AutomaticRule } from "../domain/access-review.ts";
import type { Configuration } from "../domain/configuration.ts";
import type { DriftKind } from "../domain/drift.ts";
import {
  type Automatic,
  type askedFor,
  type EmergencyUse,
  GRANT_FATES,
  type GrantFate,
  REQUEST_FATES,
  type RequestFate,
  type UnusedGrant,
} from "../store/access-review.ts";
import type { StoredFinding } from "../store/drift.ts";

/** Beyond it a finding says that there are more. */
export const ROWS_MAX = 10_000;
const MOST_AUTOMATIC = 20;

/** What was read of the store and told by the rules. */
export type Seen = {
  readonly requests: ReadonlyMap<RequestFate, number>;
  readonly grants: ReadonlyMap<GrantFate, number>;
  readonly unused: readonly UnusedGrant[];
  readonly asked: Awaited<ReturnType<typeof askedFor>>;
  readonly automatic: readonly Automatic[];
  readonly emergencies: readonly EmergencyUse[];
  readonly drift: readonly StoredFinding[];
  readonly activations: readonly { readonly version: number; readonly atMs: number }[];
  readonly automaticRules: readonly AutomaticRule[];
  readonly alone: readonly AloneFinding[];
};

const REQUEST_MEANINGS: Readonly<Record<RequestFate, string>> = {
  automatic: "approved by a rule, without anybody",
  "approved-by-people": "approved by the people whom a rule names",
  "denied-by-policy": "refused by a rule, or allowed by none",
  "denied-by-people": "refused by somebody who was asked",
  "denied-for-want-of-approvers": "refused since too few people could approve, or what it asked for was changed",
  cancelled: "taken back",
  expired: "decided by nobody in time",
  pending: "not decided yet",
};
const GRANT_MEANINGS: Readonly<Record<GrantFate, string>> = {
  used: "its credential was taken",
  membership: "gave an account that the person has a right; whether they used it is not told",
  unused: "over, and nobody took its credential",
  open: "not over yet, and its credential not taken yet",
  lapsed: "to be started by the person, who did not in time",
  "not-made": "ended before there was any access",
};

type Counts = AccessReview["requests"];

function countsOf<Fate extends string>(
  fates: readonly Fate[],
  counts: ReadonlyMap<Fate, number>,
  meanings: Readonly<Record<Fate, string>>,
): Counts {
  const of = fates.map((fate) => ({ of: fate as string, count: counts.get(fate) ?? 0, meaning: meanings[fate] }));
  return { total: of.reduce((sum, { count }) => sum + count, 0), of };
}

export const requestCounts = (counts: Seen["requests"]): Counts => countsOf(REQUEST_FATES, counts, REQUEST_MEANINGS);
export const grantCounts = (counts: Seen["grants"]): Counts => countsOf(GRANT_FATES, counts, GRANT_MEANINGS);

export function findingsOf(configuration: Configuration, seen: Seen): AccessReview["findings"] {
  const rowsOf: Readonly<Record<FindingKind, ReviewRow[]>> = {
    "grant-never-used": seen.unused.map(unusedRow),
    "entitlement-never-asked-for": neverAsked(configuration, seen),
    "rule-open-to-all": rulesWhere(seen, ({ conditions }) => conditions.length === 0),
    "rule-without-bounds": rulesWhere(seen, ({ conditions, unbounded }) => conditions.length > 0 && unbounded),
    "most-automatic-approvals": mostAutomatic(seen.automatic),
    "emergency-access": seen.emergencies.map(emergencyRow),
    "access-found-on-targets": seen.drift
      .filter(({ kind }) => IS_ACCESS[kind])
      .map(driftRow)
      .sort(inOrder),
    "high-risk-without-approval": seen.alone.map(aloneRow).sort(inOrder),
  };
  return DEFINITIONS.map(([kind, title, definition]) => ({
    ...{ kind, title, definition },
    complete: rowsOf[kind].length <= ROWS_MAX && (kind !== "access-found-on-targets" || seen.drift.length <= ROWS_MAX),
    rows: rowsOf[kind].slice(0, ROWS_MAX),
  }));
}

const DEFINITIONS: readonly (readonly [kind: FindingKind, title: string, definition: string])[] = [
  [
    "grant-never-used",
    "Grants that nobody used",
    "A grant made within the period that is over and whose credential nobody took, or that was to be started by the person and never was. Rights given to an account that the person has are not among them: whether they were used is not told.",
  ],
  [
    "entitlement-never-asked-for",
    "Entitlements that nobody asked for",
    "An entitlement of the active configuration for which no request was made within the period.",
  ],
  [
    "rule-open-to-all",
    "Rules that approve everybody automatically",
    "A rule of the active configuration that approves an entitlement of medium or high risk without anybody, whoever asks and whenever: its condition is always true for it. Deny rules still apply. count: automatic approvals by it within the period.",
  ],
  [
    "rule-without-bounds",
    "Rules that approve automatically without bounds",
    "A rule of the active configuration that approves an entitlement of medium or high risk without anybody, for some, and asks for no shorter time than the entitlement's longest, no ticket, no limit and no hours. count: automatic approvals by it within the period.",
  ],
  [
    "most-automatic-approvals",
    "People with most automatic approvals",
    `The ${MOST_AUTOMATIC} people whose requests within the period were approved most often without anybody.`,
  ],
  ["emergency-access", "Emergency access", "A request within the period that was made as an emergency and approved."],
  [
    "access-found-on-targets",
    "Access that was found on targets",
    "Found by sweeps, open now, and no grant in force accounts for it: access that stood before Tidegate, was given by hand, was made during a grant, exceeds what was approved, is left over, or carries a mark that is in no ledger.",
  ],
  [
    "high-risk-without-approval",
    "People who can get high risk without anybody",
    "An active person for whom some rule of the active configuration may approve an entitlement of high risk without anybody: no part of its condition that looks at the person is false, and no deny rule is certain to refuse. What it still asks of the moment is named.",
  ],
];

const NOTHING: Omit<ReviewRow, "what"> = {
  ...{ person: null, entitlement: null, rule: null, count: null, at: null, reference: null },
};

const unusedRow = ({ id, person, entitlement, createdMs, lapsed }: UnusedGrant): ReviewRow => ({
  ...{ ...NOTHING, person, entitlement, at: toTimestamp(createdMs), reference: id },
  what: lapsed ? "never started" : "its credential was never taken",
});

function neverAsked({ resources }: Configuration, { asked }: Seen): ReviewRow[] {
  const all = Object.values(resources).flatMap((resource) => Object.values(resource.entitlements));
  return all
    .filter(({ ref }) => (asked.get(ref)?.count ?? 0) === 0)
    .map(({ ref, risk }): ReviewRow => {
      const lastMs = asked.get(ref)?.lastMs;
      const last = lastMs === undefined ? "never asked for" : "last asked for before the period";
      const at = lastMs === undefined ? null : toTimestamp(lastMs);
      return { ...NOTHING, entitlement: ref, at, what: `${risk} risk; ${last}` };
    })
    .sort(inOrder);
}

const rulesWhere = ({ automaticRules, automatic }: Seen, wanted: (rule: AutomaticRule) => boolean): ReviewRow[] =>
  automaticRules
    .filter(wanted)
    .map(({ rule, entitlement, risk, conditions, demands }): ReviewRow => {
      const uses = automatic.filter((one) => one.rule === rule && one.entitlement === entitlement);
      const count = uses.reduce((sum, one) => sum + one.count, 0);
      const asks = [...conditions.map((one) => `where ${one}`), ...demands];
      return {
        ...NOTHING,
        rule,
        entitlement,
        count,
        what: `${risk} risk; asks for ${asks.length === 0 ? "nothing" : asks.join("; ")}`,
      };
    })
    .sort(inOrder);

function mostAutomatic(automatic: readonly Automatic[]): ReviewRow[] {
  const people = [...Map.groupBy(automatic, ({ person }) => person)];
  return people
    .map(([person, all]): ReviewRow => {
      const rules = [...new Set(all.map(({ rule }) => rule))].sort().join(", ");
      return { ...NOTHING, person, count: all.reduce((sum, one) => sum + one.count, 0), what: `by ${rules}` };
    })
    .sort((a, b) => (b.count ?? 0) - (a.count ?? 0) || inOrder(a, b))
    .slice(0, MOST_AUTOMATIC);
}

const emergencyRow = ({ id, person, entitlement, rule, atMs }: EmergencyUse): ReviewRow => ({
  ...{ ...NOTHING, person, entitlement, rule, at: toTimestamp(atMs), reference: id },
  what: "approved as an emergency",
});

/** Whether somebody has what they should not have, or who knows whether. */
const IS_ACCESS: Readonly<Record<DriftKind, boolean>> = {
  ...{ "unknown-mark": true, "left-over": true, more: true, "by-hand": true, made: true, standing: true },
  ...{ missing: false, less: false },
};

const driftRow = ({ id, resource, kind, subject, what, firstSeenMs }: StoredFinding): ReviewRow => ({
  ...{ ...NOTHING, person: subject, entitlement: resource, at: toTimestamp(firstSeenMs), reference: id },
  what: `${kind}: ${what}`,
});

const aloneRow = ({ person, entitlement, rule, conditions, demands }: AloneFinding): ReviewRow => {
  const asks = [...conditions.map((one) => `while ${one}`), ...demands];
  return {
    ...NOTHING,
    person,
    entitlement,
    rule,
    what: asks.length === 0 ? "at any time, for no more than asking" : asks.join("; "),
  };
};

/** By what is in the row, as characters compare: the same rows are always in the same order. */
function inOrder(a: ReviewRow, b: ReviewRow): number {
  const [left, right] = [keyOf(a), keyOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}
const keyOf = ({ person, entitlement, rule, reference, what }: ReviewRow): string =>
  [person, entitlement, rule, reference, what].map((part) => part ?? "").join("\0");
