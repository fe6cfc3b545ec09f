/** The rows of each answer to an auditor, with ids of people. */
import { toTimestamp } from "../base/clock.ts";
import type { EvidenceQuestion, EvidenceRow } from "../contract/evidence.ts";
import type { EntryKind } from "../domain/audit.ts";
import { countRequests, type GrantFate, REQUEST_FATES, type Span } from "../store/access-review.ts";
import { listConfigVersions } from "../store/catalog.ts";
import type { Tx } from "../store/db.ts";
import {
  accessWithin,
  type EmergencyEvidence,
  type EvidencePage,
  emergencyUses,
  endings,
  grantsLogged,
  grantTotals,
  idleGrants,
  type LivedGrant,
  type OfWhat,
  reviewsOf,
  type Why,
  whyOf,
} from "../store/evidence.ts";
import {
  entriesAbout,
  type LogRow,
  logOfApprovals,
  logOfConfigurations,
  logOfPeople,
  sourcesOfVersions,
} from "../store/evidence-log.ts";
import { droppedPart } from "../store/retention.ts";

export type Asked = {
  readonly span: Span;
  readonly nowMs: number;
  readonly page: EvidencePage;
  readonly what: OfWhat;
  readonly people: readonly string[] | null;
};

type Row = Omit<EvidenceRow, "person" | "by" | "inPlaceOf" | "entries"> & {
  readonly person: string | null;
  readonly by: readonly string[];
  readonly inPlaceOf: readonly string[];
  readonly entries: readonly EvidenceRow["entries"][number][];
};
type Found = { readonly seq: number; readonly row: Row };

const NOTHING: Row = {
  ...{ what: "", state: "", at: null, until: null, person: null, by: [], inPlaceOf: [], entitlement: null },
  ...{ request: null, grant: null, ms: null, count: null, note: "", entries: [] },
};

export const ROWS_OF: Readonly<Record<EvidenceQuestion, (tx: Tx, asked: Asked) => Promise<Found[]>>> = {
  access: async (tx, { span, what, page, nowMs }) => {
    const found = await accessWithin(tx, span, what, page);
    const about = await aboutRequests(tx, found, OF_ACCESS);
    return found.map((one) => ({ seq: one.seq, row: { ...about(one), ...accessOf(one, nowMs) } }));
  },
  endings: async (tx, { span, what, page, nowMs }) => {
    const found = await endings(tx, span, nowMs, what, page);
    const about = await aboutRequests(tx, found, OF_ACCESS);
    return found.map((one) => ({ seq: one.seq, row: { ...about(one), ...endingOf(one) } }));
  },
  unused: async (tx, { span, what, page }) => {
    const found = await idleGrants(tx, span, what, page);
    const about = await aboutRequests(tx, found, ["grant.created", "grant.cancelled"]);
    return found.map((one) => ({
      seq: one.seq,
      row: { ...about(one), state: USE[one.fate], at: toTimestamp(one.created) },
    }));
  },
  emergencies: async (tx, { span, what, page, nowMs }) => {
    const found = await emergencyUses(tx, span, what, page);
    const ids = found.map(({ id }) => id);
    const [why, entries] = [await whyOf(tx, ids), await entriesAbout(tx, "request", ids, OF_EMERGENCY)];
    return found.map((one) => ({ seq: one.seq, row: emergencyRow(one, why.get(one.id), entries.get(one.id), nowMs) }));
  },
  approvals: async (tx, { span, people, page }) => {
    const found = await logOfApprovals(tx, span, people, page);
    const reviews = await reviewsOf(tx, [...new Set(found.flatMap(({ leaf }) => leaf.refs.request ?? []))]);
    const voided = new Set(
      reviews.flatMap((one) => (one.voided === null ? [] : keyOf(one.request, one.reviewer, toTimestamp(one.created)))),
    );
    return found.map((one) => ({ seq: one.seq, row: approvalRow(one, voided) }));
  },
  person: async (tx, { span, people, page }) =>
    (await logOfPeople(tx, span, people ?? [], page)).map((one) => ({ seq: one.seq, row: logRow(one) })),
  policy: versionsInForce,
  totals: async (tx, { span, page }) => (page.afterSeq > 0 ? [] : totals(tx, span)),
};

/** What begins and what ends access in the log. */
const OF_ACCESS: readonly EntryKind[] = [
  ...([
    "lease.written",
    "grant.revoking",
    "grant.access-gone",
    "grant.reopened",
    "grant.revoked",
    "grant.failed",
  ] as const),
];
const OF_EMERGENCY: readonly EntryKind[] = ["request.approved", "emergency.reviewed"];

type OfRequest = {
  readonly id: string;
  readonly request: string;
  readonly person: string;
  readonly entitlement: string;
};

/** What each grant was for, who agreed, and where the log tells of it. */
async function aboutRequests(
  tx: Tx,
  found: readonly OfRequest[],
  kinds: readonly EntryKind[],
): Promise<(one: OfRequest) => Row> {
  const requests = found.map(({ request }) => request);
  const why = await whyOf(tx, requests);
  const given = await reviewsOf(tx, requests);
  const approvals = Map.groupBy(
    given.filter(({ verdict, voided }) => verdict === "approve" && voided === null),
    ({ request }) => request,
  );
  const entries = await entriesAbout(
    tx,
    "grant",
    found.map(({ id }) => id),
    kinds,
  );
  return ({ id, request, person, entitlement }) => {
    const by = approvals.get(request) ?? [];
    return {
      ...{ ...NOTHING, what: "grant", person, entitlement, request, grant: id, entries: entries.get(id) ?? [] },
      by: by.map(({ reviewer }) => reviewer),
      inPlaceOf: [...new Set(by.flatMap(({ standsFor }) => standsFor))],
      note: inWords(why.get(request)),
    };
  };
}

const inWords = (why: Why | undefined): string =>
  why === undefined
    ? ""
    : [
        `${why.emergency ? "emergency, " : ""}rule ${why.rule}${why.automatic ? ", without anybody" : ""}`,
        `${why.ticket} ${why.reason}`.trim(),
      ].join("; ");

function accessOf({ state, made, ended, gone, standing, extensions }: LivedGrant, nowMs: number): Partial<Row> {
  const more = extensions === 0 ? {} : { count: extensions };
  const until = standing || gone === null ? null : toTimestamp(gone);
  return { ...more, state: accessState(state, gone, standing, ended < nowMs), at: toTimestamp(made), until };
}

function accessState(state: string, gone: number | null, standing: boolean, isOver: boolean): string {
  if (standing) return "standing";
  if (gone !== null) return state === "revoking" ? "gone, clean-up pending" : "proven gone";
  return isOver || state === "revoking" ? "still live" : state;
}

function endingOf({ ended, gone, state, standing, cause }: LivedGrant): Partial<Row> {
  return {
    ...{ state: accessState(state, gone, standing, true), note: cause ?? "expired, and not being taken away" },
    ...{ at: toTimestamp(ended), until: gone === null ? null : toTimestamp(gone) },
    ms: gone === null ? null : Math.max(0, gone - ended),
  };
}

const USE: Readonly<Record<GrantFate, string>> = {
  ...{ used: "used", membership: "not known", unused: "never used", open: "not used yet", lapsed: "never started" },
  "not-made": "never made",
};

function emergencyRow(
  { id, grant, person, entitlement, created, due, reviewed, reviewer, verdict, comment }: EmergencyEvidence,
  why: Why | undefined,
  entries: Row["entries"] = [],
  nowMs: number,
): Row {
  const lateMs = Math.max(0, (reviewed ?? nowMs) - due);
  const done = lateMs > 0 ? "reviewed late" : "reviewed";
  const open = lateMs > 0 ? "missing" : "open";
  return {
    ...{ ...NOTHING, what: "emergency", person, entitlement, request: id, grant, entries },
    ...{ at: toTimestamp(created), until: reviewed === null ? null : toTimestamp(reviewed) },
    state: reviewed === null ? open : done,
    by: reviewer === null ? [] : [reviewer],
    ms: lateMs > 0 ? lateMs : null,
    note: [verdict === null ? `due ${toTimestamp(due)}` : `${verdict} ${comment ?? ""}`.trim(), inWords(why)].join(
      "; ",
    ),
  };
}

const keyOf = (...parts: readonly string[]): string => parts.join(" ");
const textIn = (value: unknown): string => (typeof value === "string" ? value : "");

function logRow({ seq, leaf, texts }: LogRow): Row {
  const { data, refs, actor, kind, id, at } = leaf;
  const by = "principal" in actor ? [actor.principal] : [];
  const facts = ["verdict", "cause", "because", "ticket", "operation", "code"].map((name) => textIn(data[name]));
  return {
    ...{ ...NOTHING, what: kind, state: textIn(data["state"]), at, by },
    person: refs.principal ?? by[0] ?? null,
    entitlement: textIn(data["entitlement"]) || null,
    request: refs.request ?? null,
    grant: refs.grant ?? null,
    note: [...facts, ...texts].filter((part) => part !== "").join("; "),
    entries: [{ seq, id, kind }],
  };
}

function approvalRow(one: LogRow, voided: ReadonlySet<string>): Row {
  const { leaf, texts } = one;
  const { data, at, refs } = leaf;
  const row = logRow(one);
  if (leaf.kind === "request.approved") {
    const { rule } = data["decision"] as { rule?: string | null };
    return { ...row, state: "approve", by: [], note: `rule ${rule ?? ""}, without anybody; ${texts.join("; ")}` };
  }
  const isVoid = voided.has(keyOf(refs.request ?? "", row.by[0] ?? "", at));
  const standsFor = Array.isArray(data["standsFor"]) ? data["standsFor"].map(textIn) : [];
  return {
    ...row,
    state: `${textIn(data["verdict"])}${isVoid ? ", void" : ""}`,
    inPlaceOf: standsFor,
    note: [textIn(data["duration"]), ...texts].filter((part) => part !== "").join("; "),
  };
}

/** Far more than anybody activates. */
const VERSIONS_MAX = 100_000;

async function versionsInForce(tx: Tx, { span, nowMs, page }: Asked): Promise<Found[]> {
  // Until when one was in force may lie behind the period.
  const log = await logOfConfigurations(tx, Math.max(span.untilMs, nowMs + 1), VERSIONS_MAX);
  const confirmed = new Map<unknown, string[]>();
  const activated = log.flatMap(
    ({ seq, leaf }): { seq: number; version: number; by: string[]; leaf: LogRow["leaf"] }[] => {
      const version = Number(leaf.data["version"]);
      if (leaf.kind === "config.proposed") confirmed.set(version, []);
      if (leaf.kind === "config.confirmed" && "principal" in leaf.actor)
        confirmed.set(version, [...(confirmed.get(version) ?? []), leaf.actor.principal]);
      if (leaf.kind !== "config.activated") return [];
      const by = confirmed.get(version) ?? [];
      confirmed.delete(version);
      return [{ seq, version, by, leaf }];
    },
  );
  if (activated.length === 0 && page.afterSeq === 0) return onlyInStore(tx, span);
  const within = activated
    .map((one, index) => ({ ...one, until: activated[index + 1]?.leaf.at ?? null }))
    .filter(({ leaf, until, seq }) => {
      const isWithin = Date.parse(leaf.at) < span.untilMs && (until === null || Date.parse(until) > span.fromMs);
      return isWithin && seq > page.afterSeq;
    })
    .slice(0, page.limit);
  const sources = await sourcesOfVersions(
    tx,
    within.map(({ version }) => version),
  );
  return within.map(({ seq, version, by, leaf, until }) => ({
    seq,
    row: {
      ...{
        ...NOTHING,
        what: `version ${version}`,
        state: textIn(leaf.data["hash"]),
        at: leaf.at,
        until,
        by: [...new Set(by)],
      },
      note: `${sources.get(version) ?? ""}${by.length === 0 ? "; nobody was asked to confirm it" : ""}`,
      entries: [{ seq, id: leaf.id, kind: leaf.kind }],
    },
  }));
}

/** One that has been in force for longer than the log is kept. */
const onlyInStore = async (tx: Tx, { untilMs }: Span): Promise<Found[]> =>
  (await listConfigVersions(tx, { limit: VERSIONS_MAX }))
    .filter(({ activatedAt: at }) => at !== null && Date.parse(at) < untilMs)
    .map(({ id, hash: state, source, activatedAt: at }) => ({
      seq: 1,
      row: {
        ...NOTHING,
        what: `version ${id}`,
        state,
        at,
        note: `${source}; the log does not go back to its activation`,
      },
    }));

const GRANT_STATES: readonly (readonly [state: string, meaning: string])[] = [
  ["scheduled", "not begun"],
  ["provisioning", "being made"],
  ["active", "open"],
  ["revoking", "ended, still live as far as anybody has proven"],
  ["gone", "proven gone, clean-up pending"],
  ["revoked", "ended and proven gone"],
  ["failed", "could not be made; what was begun is undone and proven gone"],
  ["cancelled", "never made"],
];

async function totals(tx: Tx, span: Span): Promise<Found[]> {
  const requests = await countRequests(tx, span);
  const grants = await grantTotals(tx, span);
  const isDropped = span.fromMs <= ((await droppedPart(tx))?.beforeMs ?? -1);
  const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((all, one) => all + one, 0);
  const rows = [
    { ...NOTHING, what: "requests", state: "all", count: sum(requests) },
    ...REQUEST_FATES.map((state) => ({ ...NOTHING, what: "requests", state, count: requests.get(state) ?? 0 })),
    { ...NOTHING, what: "grants", state: "all", count: sum(grants) },
    ...(isDropped ? [] : [{ ...NOTHING, what: "log", state: "grant.created", count: await grantsLogged(tx, span) }]),
    ...GRANT_STATES.map(([state, note]) => ({
      ...NOTHING,
      what: "grants",
      state,
      note,
      count: grants.get(state) ?? 0,
    })),
  ];
  return rows.map((row, index) => ({ seq: index + 1, row }));
}
