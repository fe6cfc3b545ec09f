import { unreachable } from "../base/assert.ts";
import type { Chance } from "../base/chance.ts";
import { inSpan } from "../base/trace.ts";
import { TargetError } from "../connector/connector.ts";
import type { Grant } from "../domain/grant.ts";
import { type Action, actionFor } from "../domain/plan.ts";
import { expireGrant, giveUp, noteTrouble } from "../operations/provision-grant.ts";
import { lapseGrant, startGrant } from "../operations/start-grant.ts";
import type { GrantSeen } from "../store/due.ts";
import { Busy, type Done, type Worker } from "./on-target.ts";
import { extend, provision, rotate } from "./provision.ts";
import { confirm, revoke } from "./revoke.ts";

/** More than any grant needs in one go; a bound, so that a mistake never spins. */
const STEPS_MAX = 12;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 15_000;

/** What went wrong with one grant, for whoever watches the log. */
export type Alarm = {
  readonly what: "access-still-live" | "clean-up-pending" | "cannot-provision" | "trouble";
  readonly code: string;
  readonly error: string;
  readonly attempts: number;
  /** How long access has outlived its end; 0 where it has not. */
  readonly overdueMs: number;
};

/** How the work on one claim ended: what went wrong, if anything did, and whether the claim was let go with the last record. */
export type Outcome = { readonly alarm: Alarm | null; readonly released: boolean };

const DONE: Outcome = { alarm: null, released: false };

/**
 * Does for one claimed grant what is due, step after step, until nothing is, or something goes wrong: then says so. `seen` is
 * the grant as it was claimed.
 */
export async function execute(worker: Worker, seen: GrantSeen | null): Promise<Outcome> {
  const { context, claim } = worker;
  let found = seen;
  for (let step = 0; step < STEPS_MAX; step += 1) {
    found ??= await context.ledger.grantNow(claim.grant);
    if (found === null) return DONE;
    const { grant, nowMs } = found;
    const action = actionFor(grant, nowMs);
    if (action === null) return DONE;
    const done = await watched(worker, action, grant);
    if (done instanceof TargetError) {
      await trouble(worker, action, grant, done);
      return { alarm: alarmOf(grant, action, done, nowMs), released: false };
    }
    if (done === "released") return { alarm: null, released: true };
    found = null;
  }
  return DONE;
}

/** Does it, and tells how it went. The error of a target comes back; every other is thrown. */
async function watched(worker: Worker, action: Action, grant: Grant): Promise<Done | TargetError> {
  const begunMs = worker.clock.monotonicMs();
  const tell = (failure: string | null): void => {
    const seconds = (worker.clock.monotonicMs() - begunMs) / 1_000;
    worker.watch.performed({ resource: grant.resource, action: action.do, seconds, failure });
  };
  try {
    const about = { "tidegate.resource": grant.resource, "tidegate.grant": grant.id, "tidegate.action": action.do };
    const done = await inSpan(`reconcile ${action.do}`, about, () => perform(worker, action, grant));
    tell(null);
    return done;
  } catch (error) {
    // Somebody else works on the same right: it was not tried, and comes again in a moment.
    if (error instanceof Busy) throw error;
    // What is told of a target says what the target did, and not that we broke off.
    if (error instanceof TargetError && !error.permanent) worker.signal.throwIfAborted();
    tell(error instanceof TargetError ? error.code : "internal");
    if (error instanceof TargetError) return error;
    throw error;
  }
}

function alarmOf(grant: Grant, action: Action, error: TargetError, nowMs: number): Alarm {
  const attempts = (grant.trouble?.attempts ?? 0) + 1;
  const seen = { code: error.code, error: error.message, attempts };
  if (grant.state !== "revoking")
    return { what: action.do === "provision" ? "cannot-provision" : "trouble", ...seen, overdueMs: 0 };
  if (grant.accessGone) return { what: "clean-up-pending", ...seen, overdueMs: 0 };
  // Ended early, by somebody or something: then since the first attempt.
  const endMs = grant.ending.cause === "expired" ? grant.expiresMs : (grant.trouble?.sinceMs ?? nowMs);
  return { what: "access-still-live", ...seen, overdueMs: Math.max(0, Math.round(nowMs - endMs)) };
}

async function perform(worker: Worker, action: Action, grant: Grant): Promise<Done> {
  if (action.do === "revoke") return revoke(worker, grant);
  if (action.do === "confirm") return confirm(worker, grant);
  await performOther(worker, action.do, grant);
  return "go on";
}

function performOther(
  worker: Worker,
  verb: Exclude<Action["do"], "revoke" | "confirm">,
  grant: Grant,
): Promise<unknown> {
  const { context, claim } = worker;
  switch (verb) {
    case "start":
      return startGrant(context, claim);
    case "lapse":
      return lapseGrant(context, claim);
    case "provision":
      return provision(worker, grant);
    case "give-up":
      return giveUp(
        context,
        claim,
        `it could not be made in time: ${grant.trouble?.lastError.message ?? "no answer from the target"}`,
      );
    case "expire":
      return expireGrant(context, claim);
    case "extend":
      return extend(worker, grant);
    case "rotate":
      return rotate(worker, grant);
    default:
      return unreachable(verb);
  }
}

/** What cannot mend itself ends the making; everything else is tried again for ever. */
async function trouble(worker: Worker, action: Action, grant: Grant, error: TargetError): Promise<void> {
  const { context, claim, chance } = worker;
  if (action.do === "provision" && error.permanent) return giveUp(context, claim, error.message);
  await noteTrouble(
    context,
    claim,
    { code: error.code, message: error.message },
    backoffMs(grant.trouble?.attempts ?? 0, chance),
  );
}

/** Doubles up to its cap; jittered, so that many grants do not come back together. */
export function backoffMs(attempts: number, chance: Chance): number {
  const full = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempts, 20));
  return Math.round(full * (0.5 + chance.fraction() / 2));
}
