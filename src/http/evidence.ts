import { toTimestamp } from "../base/clock.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import { tidegateVersion } from "../base/version.ts";
import type { Parsed } from "../contract/contract.ts";
import type { evidence as contract, EvidenceAnswer, EvidenceQuestion } from "../contract/evidence.ts";
import type { Configuration } from "../domain/configuration.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { inOnePicture } from "../store/access-review.ts";
import { headPosition, sequenceAll } from "../store/audit.ts";
import { type Db, databaseNowMs } from "../store/db.ts";
import { endingTimes, type OfWhat, wasAskedFor } from "../store/evidence.ts";
import { handlesOf } from "../store/principals.ts";
import { droppedPart } from "../store/retention.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { droppedView } from "./dropped.ts";
import { type Asked, ROWS_OF } from "./evidence-rows.ts";
import { nextCursor } from "./page.ts";
import { idsOf, peopleOf, toPerson } from "./people.ts";
import { inScene } from "./scene.ts";

type Query = Parsed<typeof contract.ask>["query"];

const PERIOD_MS = 90 * 86_400_000;

/** What auditors ask, each question answered from one picture of the store. */
export function evidenceHandlers({ context }: ServerDeps): Handlers<"evidence"> {
  const { db, installation } = context;
  return {
    async ask({ query }, { principal }) {
      if (!hasRole(principal, "auditor", "operator", "admin")) return NOT_FOR_YOU;
      const made = await inScene(context, principal, async ({ catalog }): Promise<EvidenceAnswer | Refusal> => {
        const nowMs = await databaseNowMs(db);
        const asked = await askedBy(db, catalog.configuration, principal, query, nowMs);
        if (isRefusal(asked)) return asked;
        // What is committed is in the answer with its position, whether or not its turn had come.
        await sequenceAll(db);
        return inOnePicture(db, async (tx) => {
          const { question, limit } = query;
          const rows = await ROWS_OF[question](tx, asked);
          const ids = rows.flatMap(({ row }) => [row.person ?? [], row.by, row.inPlaceOf].flat());
          const personOf = await peopleOf(tx, principal, ids);
          const isFirst = question === "endings" && query.cursor === undefined;
          const dropped = await droppedPart(tx);
          // What was in force may have been so since long before.
          const isHidden = dropped !== null && (question === "policy" || asked.span.fromMs <= dropped.beforeMs);
          const times = isFirst ? await endingTimes(tx, asked.span, nowMs, asked.what) : null;
          return {
            ...{ question, of: query.of ?? null, madeAt: toTimestamp(nowMs), madeBy: toPerson(principal) },
            ...{ from: toTimestamp(asked.span.fromMs), until: toTimestamp(asked.span.untilMs) },
            ...{ installation, tidegate: tidegateVersion(), head: await headPosition(tx), meaning: MEANINGS[question] },
            rows: rows.map(({ row: { person, by, inPlaceOf, entries, ...row } }) => ({
              ...row,
              person: person === null ? null : personOf(person),
              by: by.map(personOf),
              inPlaceOf: inPlaceOf.map(personOf),
              entries: [...entries],
            })),
            times: times === null ? null : { ...times },
            next: nextCursor(rows, limit),
            dropped: isHidden ? droppedView(dropped) : null,
          };
        });
      });
      return isRefusal(made) ? made : { status: 200, body: made };
    },
  };
}

const NOT_FOR_YOU = refuse("forbidden", "Evidence is for auditors, operators and admins. Ask one of them.");

async function askedBy(
  db: Db,
  configuration: Configuration,
  me: Principal,
  { question, of, from, until, cursor, limit }: Query,
  nowMs: number,
): Promise<Asked | Refusal> {
  const untilMs = until ?? nowMs;
  const span = { fromMs: from ?? Math.max(0, untilMs - PERIOD_MS), untilMs };
  if (span.fromMs >= span.untilMs)
    return refuse("invalid-input", "Nothing lies within this period: from must be the earlier one.");
  const asked = { span, nowMs, page: { afterSeq: cursor ?? 0, limit }, what: null, people: null };
  if (of === undefined) {
    if (question === "access") return refuse("invalid-input", "Say with of which resource or entitlement is meant.");
    return question === "person" ? refuse("invalid-input", "Say with of who is meant: a handle or an id.") : asked;
  }
  if (question === "policy" || question === "totals")
    return refuse("invalid-input", `The question ${question} is about all there is: leave out of.`);
  if (question === "person" || question === "approvals") {
    const people = await idsOf(db, of, me);
    // Nobody there would read as: they did nothing.
    if ((await handlesOf(db, people)).size > 0) return { ...asked, people };
    return refuse("not-found", `Nobody is or was known as ${of}. Write a handle or an id.`);
  }
  const [resource = "", name] = of.split(":");
  const what = { resource, entitlement: name === undefined ? null : of };
  // A name with a mistake in it would read as: nobody had access.
  if (isConfigured(configuration, what) || (await wasAskedFor(db, what))) return { ...asked, what };
  return refuse(
    "not-found",
    `There is and was no ${of}. Write a resource, or resource and entitlement as in orders-db:read.`,
  );
}

function isConfigured({ resources }: Configuration, { resource, entitlement }: NonNullable<OfWhat>): boolean {
  const found = Object.hasOwn(resources, resource) ? resources[resource] : undefined;
  if (found === undefined) return false;
  return entitlement === null || Object.values(found.entitlements).some(({ ref }) => ref === entitlement);
}

/** With what each answer does not show. */
const MEANINGS: Readonly<Record<EvidenceQuestion, string>> = {
  access:
    "Grants whose access may have lived at any moment of the period: at is before it was made, until when a probe saw it gone; without until it may live. Access given beside Tidegate is not here: see drift.",
  person:
    "Entries of the log within the period: what they did, what became of what they asked for, and what was said of them. A handle means everybody who is known by it.",
  emergencies:
    "Access that was taken as an emergency within the period. missing: nobody has reviewed it, and the time for it is over. ms: how long after that time it was reviewed.",
  approvals:
    "Verdicts given within the period, with whom they stood in for; those that an edit made void say so. Without anybody in by: a rule approved alone.",
  unused:
    "Grants made within the period that nobody is known to have used. A right on an account of theirs: not known. What ended before there was access is not here.",
  endings:
    "Access that was to end before the end of the period and was not proven gone before its beginning: at is the end, until the proof, ms between them. times are over all of them, those that are still open apart.",
  policy:
    "Versions of the configuration that were in force within the period: from at until the next; state is its hash.",
  totals: "Requests and grants made within the period, by what they are now; each is counted once.",
};
