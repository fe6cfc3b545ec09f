/**
 * Due work that is not about targets: positions for audit entries, requests that nobody decided or that others may decide,
 * emergencies that nobody reviewed, old keys of clients.
 */
import { sql } from "kysely";
import { alarmStillLive } from "../operations/alarm-still-live.ts";
import { expireRequests } from "../operations/cancel-request.ts";
import type { Context } from "../operations/context.ts";
import { enforcePanics } from "../operations/enforce-panics.ts";
import { lookAgainAtRequests } from "../operations/look-again-at-requests.ts";
import { renameGroups } from "../operations/rename-groups.ts";
import { remindReviewers } from "../operations/review-emergency.ts";
import { sequenceAll } from "../store/audit.ts";
import { forgetMessages } from "../store/messages.ts";

export type Job = {
  readonly name: string;
  readonly everyMs: number;
  readonly run: (context: Context) => Promise<unknown>;
};

const IDEMPOTENCY_KEPT_HOURS = 48;
const MESSAGES_KEPT_DAYS = 30;

const JOBS: readonly Job[] = [
  { name: "sequence-audit", everyMs: 200, run: ({ db }) => sequenceAll(db) },
  { name: "enforce-panics", everyMs: 500, run: enforcePanics },
  { name: "alarm-still-live", everyMs: 60_000, run: (context) => alarmStillLive(context) },
  { name: "expire-requests", everyMs: 1_000, run: expireRequests },
  { name: "remind-reviewers", everyMs: 5_000, run: remindReviewers },
  { name: "look-again-at-requests", everyMs: 1_000, run: lookAgainAtRequests },
  { name: "rename-groups", everyMs: 2_000, run: renameGroups },
  {
    name: "forget-right-claims",
    everyMs: 60_000,
    // What a dead worker held; whoever wants the right takes it over anyway.
    run: ({ db }) =>
      db.deleteFrom("right_claims").where("until", "<", sql<number>`clock_timestamp() - interval '1 minute'`).execute(),
  },
  {
    name: "forget-idempotency-keys",
    everyMs: 3_600_000,
    run: ({ db }) =>
      db
        .deleteFrom("idempotency_keys")
        .where("created_at", "<", sql<number>`statement_timestamp() - ${IDEMPOTENCY_KEPT_HOURS} * interval '1 hour'`)
        .execute(),
  },
  { name: "forget-messages", everyMs: 3_600_000, run: ({ db }) => forgetMessages(db, MESSAGES_KEPT_DAYS) },
];

/** Starts every job; each waits its time after it has run, whether or not it failed. Answers how to stop them all. */
export function startJobs(
  context: Context,
  failed: (job: string, error: unknown) => void,
  more: readonly Job[] = [],
): () => Promise<void> {
  let stopping = false;
  const stops = [...JOBS, ...more].map((job) => {
    let wakeUp: () => void = () => undefined;
    const loop = async () => {
      while (!stopping) {
        await job.run(context).catch((error: unknown) => failed(job.name, error));
        if (stopping) return;
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, job.everyMs);
        wakeUp = resolve;
        await promise;
        clearTimeout(timer);
      }
    };
    const running = loop();
    return () => {
      wakeUp();
      return running;
    };
  });
  return async () => {
    stopping = true;
    await Promise.all(stops.map((stop) => stop()));
  };
}
