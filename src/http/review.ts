import { setImmediate } from "node:timers/promises";
import { toTimestamp } from "../base/clock.ts";
import { isRefusal, refuse } from "../base/problem.ts";
import { tidegateVersion } from "../base/version.ts";
import type { AccessReview } from "../contract/review.ts";
import { type AloneFinding, automaticRules, whoNeedsNobody } from "../domain/access-review.ts";
import { type Principal, readsAll } from "../domain/principal.ts";
import type { Catalog, Context } from "../operations/context.ts";
import {
  activations,
  askedFor,
  automaticApprovals,
  countGrants,
  countRequests,
  emergencies,
  inOnePicture,
  type Span,
  unusedGrants,
} from "../store/access-review.ts";
import { databaseNowMs, type Tx } from "../store/db.ts";
import { listFindings } from "../store/drift.ts";
import { activePrincipals } from "../store/principals.ts";
import { droppedPart } from "../store/retention.ts";
import type { Handlers, ServerDeps } from "./call.ts";
import { droppedView } from "./dropped.ts";
import { toPerson } from "./people.ts";
import { findingsOf, grantCounts, ROWS_MAX, requestCounts, type Seen } from "./review-findings.ts";
import { inScene } from "./scene.ts";

const PERIOD_MS = 90 * 86_400_000;
/** Others are served between so many people. */
const PEOPLE_AT_ONCE = 20;

/** What auditors and admins look through from time to time. */
export function reviewHandlers({ context }: ServerDeps): Handlers<"review"> {
  return {
    async read({ query: { from, until } }, { principal, signal }) {
      if (!readsAll(principal)) return NOT_FOR_YOU;
      const made = await inScene(context, principal, async ({ catalog }) => {
        const nowMs = await databaseNowMs(context.db);
        const untilMs = until ?? nowMs;
        const span = { fromMs: from ?? Math.max(0, untilMs - PERIOD_MS), untilMs };
        if (span.fromMs >= span.untilMs)
          return refuse("invalid-input", "Nothing lies within this period: from must be the earlier one.");
        const dropped = await droppedPart(context.db);
        const { people, ...seen } = await inOnePicture(context.db, (tx) => look(tx, span));
        const alone = await aloneIn(catalog, people, signal);
        const review = reviewOf(context, catalog, principal, span, nowMs, {
          ...seen,
          ...alone,
          automaticRules: automaticRules(catalog.configuration),
        });
        const isWithin = dropped !== null && span.fromMs <= dropped.beforeMs;
        return { ...review, dropped: isWithin ? droppedView(dropped) : null };
      });
      return isRefusal(made) ? made : { status: 200, body: made };
    },
  };
}

const NOT_FOR_YOU = refuse("forbidden", "Access reviews are for auditors and admins. Ask one of them.");

/** One more than is listed tells whether that is all. */
const look = async (tx: Tx, span: Span) => ({
  requests: await countRequests(tx, span),
  grants: await countGrants(tx, span),
  unused: await unusedGrants(tx, span, ROWS_MAX + 1),
  asked: await askedFor(tx, span),
  automatic: await automaticApprovals(tx, span),
  emergencies: await emergencies(tx, span, ROWS_MAX + 1),
  drift: await listFindings(tx, null, { resolvedSinceMs: null, limit: ROWS_MAX + 1 }),
  activations: await activations(tx, span),
  people: await activePrincipals(tx),
});

async function aloneIn(
  catalog: Catalog,
  people: readonly Principal[],
  signal: AbortSignal,
): Promise<Pick<Seen, "alone">> {
  const ask = whoNeedsNobody(catalog.configuration);
  const alone: AloneFinding[] = [];
  for (const [index, person] of people.entries()) {
    if (index % PEOPLE_AT_ONCE === 0) await setImmediate();
    signal.throwIfAborted();
    alone.push(...ask(person));
    if (alone.length > ROWS_MAX) break;
  }
  return { alone };
}

function reviewOf(
  context: Context,
  catalog: Catalog,
  principal: Principal,
  { fromMs, untilMs }: Span,
  nowMs: number,
  seen: Seen,
): Omit<AccessReview, "dropped"> {
  return {
    madeAt: toTimestamp(nowMs),
    madeBy: toPerson(principal),
    installation: context.installation,
    tidegate: tidegateVersion(),
    from: toTimestamp(fromMs),
    until: toTimestamp(untilMs),
    rulesOf: catalog.id,
    configurations: seen.activations.map(({ version, atMs }) => ({ version, since: toTimestamp(atMs) })),
    requests: requestCounts(seen.requests),
    grants: grantCounts(seen.grants),
    findings: findingsOf(catalog.configuration, seen),
  };
}
