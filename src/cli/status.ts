/** How things are with me: what `tidegate` alone shows. */
import type { Command } from "commander";
import type { GrantView, RequestView } from "../contract/access.ts";
import type { EntitlementView } from "../contract/catalog.ts";
import type { ResourceDrift } from "../contract/drift.ts";
import type { Me } from "../contract/identity.ts";
import { act } from "./act.ts";
import type { Context } from "./connect.ts";
import { canReview, emergencyTable } from "./emergencies.ts";
import { withExamples, withServer } from "./options.ts";
import type { Page } from "./output.ts";
import { grantState, grantTime } from "./words/grant-words.ts";
import { fullName } from "./words/people.ts";
import { waitingFor } from "./words/request-words.ts";
import { table } from "./words/table.ts";
import { moment } from "./words/time.ts";

const LIVE = "scheduled,provisioning,active,revoking";
/** So many fit on a screen beside the rest. */
const ASKABLE_MAX = 10;

type Situation = {
  readonly me: Me;
  readonly grants: readonly GrantView[];
  readonly requests: readonly RequestView[];
  readonly toReview: readonly RequestView[];
  /** Emergencies that wait for my review, and my own that wait for it by somebody else. */
  readonly emergencies: readonly RequestView[];
  /** What policy would not refuse me. */
  readonly askable: readonly EntitlementView[];
  /** For those who look after targets; null for everybody else. */
  readonly drift: readonly ResourceDrift[] | null;
};

export function status(program: Command): void {
  const command = program
    .command("status")
    .description('your situation: your grants, your requests, what waits for you; "tidegate" alone shows it, too');
  withExamples(withServer(command), "tidegate status", "tidegate").action(
    act(async (context) => context.output.answer(await situation(context), situationLines)),
  );
}

async function situation({ client }: Context): Promise<Situation> {
  const me = await client.me();
  const watches = me.roles.some((role) => ["admin", "auditor", "operator"].includes(role));
  const [{ grants }, mine, others, { emergencies }, { resources }, drift] = await Promise.all([
    client.listGrants({ person: "me", state: LIVE }),
    client.listRequests({ role: "requester", state: "pending" }),
    client.listRequests({ role: "approver", state: "pending" }),
    client.listEmergencies({ state: "open,overdue" }),
    client.listResources(),
    watches ? client.listDrift() : null,
  ]);
  return {
    me,
    grants,
    requests: mine.requests,
    toReview: others.requests.filter(({ canReview }) => canReview),
    emergencies: emergencies.filter((one) => canReview(one) || one.requester.id === me.id),
    drift: drift?.resources ?? null,
    askable: resources.flatMap(({ entitlements }) => entitlements.filter(({ forMe }) => forMe.outcome !== "denied")),
  };
}

function situationLines(situation: Situation, page: Page): string[] {
  const { me, grants, requests, toReview, emergencies, askable, drift } = situation;
  const onCall = me.onCallTier === 0 ? "" : `, on call, tier ${me.onCallTier}`;
  return [
    ...(me.quarantine === undefined ? [] : [page.paint("red", me.quarantine), ""]),
    `You are ${page.paint("bold", fullName(me))}${onCall}.`,
    ...section("Your grants", grants, grantTable, page, "You hold no access now."),
    ...section("Your requests", requests, mineTable, page, null),
    ...section("Waiting for your review", toReview, reviewTable, page, null),
    ...section("Emergencies that nobody has reviewed yet", emergencies, emergencyTable, page, null),
    ...driftLines(drift ?? [], page),
    ...askableLines(askable, page),
  ];
}

function section<T>(
  title: string,
  rows: readonly T[],
  lines: (rows: readonly T[], page: Page) => string[],
  page: Page,
  none: string | null,
): string[] {
  if (rows.length === 0) return none === null ? [] : ["", none];
  return ["", page.paint("bold", title), ...lines(rows, { ...page, width: page.width - 2 }).map((line) => `  ${line}`)];
}

const LESS_IN_TABLE = "less than asked for";

const grantTable = (rows: readonly GrantView[], page: Page): string[] =>
  table<GrantView>(
    [
      { title: "grant", cell: ({ id }) => id },
      { title: "state", cell: (grant) => grantState(grant, page) },
      {
        title: "what",
        cell: ({ entitlement, less }) => `${entitlement}${less === null ? "" : `, ${LESS_IN_TABLE}`}`,
      },
      { title: "when", cell: (grant) => grantTime(grant, page.nowMs) },
    ],
    rows,
    page,
  );

const mineTable = (rows: readonly RequestView[], page: Page): string[] =>
  table<RequestView>(
    [
      { title: "request", cell: ({ id }) => id },
      { title: "what", cell: ({ entitlement, duration }) => `${entitlement} for ${duration}` },
      { title: "expires", cell: ({ expiresAt }) => moment(expiresAt, page.nowMs) },
      { title: "waits for", cell: waitingFor, shrinks: true },
    ],
    rows,
    page,
  );

const reviewTable = (rows: readonly RequestView[], page: Page): string[] => [
  ...table<RequestView>(
    [
      { title: "request", cell: ({ id }) => id },
      { title: "who", cell: ({ requester }) => requester.handle },
      { title: "what", cell: ({ entitlement, duration }) => `${entitlement} for ${duration}` },
      { title: "why", cell: whyOf, shrinks: true },
    ],
    rows,
    page,
  ),
  page.paint("dim", "Look: tidegate requests show ID   Decide: tidegate approve ID, tidegate deny ID"),
];

/** What waits for its requester is no reason to hurry. */
const whyOf = ({ ticket, reason, requester, questions }: RequestView): string =>
  `${questions.length === 0 ? "" : `(waits for an answer by ${requester.handle}) `}${ticket} ${reason}`.trim();

/** Only what somebody should look at: targets that agree with the ledger are not news. */
function driftLines(drift: readonly ResourceDrift[], page: Page): string[] {
  const found = drift.flatMap(({ resource, failing, findings }) => {
    const count = findings.filter(({ kind }) => kind !== "standing").length;
    return [
      ...(count === 0 ? [] : [`${resource}: ${count} ${count === 1 ? "finding" : "findings"}`]),
      ...(failing === null ? [] : [`${resource}: not seen since ${moment(failing.since, page.nowMs)}`]),
    ];
  });
  if (found.length === 0) return [];
  return [
    "",
    page.paint("bold", "Drift"),
    ...found.map((line) => `  ${page.paint("red", line)}`),
    page.paint("dim", "  Look: tidegate drift"),
  ];
}

function askableLines(askable: readonly EntitlementView[], page: Page): string[] {
  const lines = section(
    "You could ask for",
    askable.slice(0, ASKABLE_MAX),
    askableTable,
    page,
    "Policy lets you ask for nothing now.",
  );
  const more = askable.length - ASKABLE_MAX;
  return more > 0 ? [...lines, `  and ${more} more: tidegate resources`] : lines;
}

const askableTable = (rows: readonly EntitlementView[], page: Page): string[] =>
  table<EntitlementView>(
    [
      { title: "entitlement", cell: ({ ref }) => ref },
      { title: "what", cell: ({ title }) => title, shrinks: true },
      { title: "longest", cell: ({ forMe, maxDuration }) => forMe.maxDuration ?? maxDuration },
      {
        title: "how",
        cell: ({ forMe }) => (forMe.outcome === "automatic" ? "at once" : "with approval"),
      },
    ],
    rows,
    page,
  );
