import { systemClock } from "../base/clock.ts";
import type { CredentialView } from "../contract/access.ts";
import type { Delivered } from "../contract/client.ts";
import type { Context } from "./connect.ts";
import { CommandFailure } from "./failure.ts";
import { patiently, pause } from "./patience.ts";
import { SILENCE_MS_MAX, untilGrant, type Waiting } from "./waiting.ts";

export type Obtaining = Waiting & {
  /** Ask for a new secret first; the old one stops working. */
  readonly rotate: boolean;
  /** Ask for a new one, too, when it turns out that the secret was delivered before. `onRotate` is told. */
  readonly rotateIfDelivered: boolean;
  readonly onRotate?: () => void;
};

/** The state of a grant in which a credential may yet come. */
const COMING: readonly string[] = ["scheduled", "provisioning"];
/** A start further away than this is not waited for. */
const STARTS_SOON_MS = 60_000;
const ASK_AGAIN_MS = { least: 100, most: 2_000 };

/**
 * The credential, however long its making takes: waits until the grant is active, asks again where one is being made, and
 * for a new one where the secret was delivered before and that is wanted.
 */
export async function obtainCredential(context: Context, grantId: string, how: Obtaining): Promise<CredentialView> {
  let rotate = how.rotate;
  for (;;) {
    const answer = await ask(context, grantId, rotate, how);
    if (answer === "delivered-before") {
      rotate = true;
      how.onRotate?.();
    } else if (answer === "not-yet") await untilItMayCome(context, grantId, how);
    else if (answer.delivered) return answer.credential;
    else {
      rotate = false;
      how.live.say(answer.state === "rotating" ? "A new credential is being made" : "Making the access");
      await pause(Math.min(Math.max(answer.retryAfterMs, ASK_AGAIN_MS.least), ASK_AGAIN_MS.most), how.signal);
    }
  }
}

async function ask(
  { client }: Context,
  grantId: string,
  rotate: boolean,
  how: Obtaining,
): Promise<Delivered | "delivered-before" | "not-yet"> {
  try {
    // The call itself is not broken off by the signal: a secret whose delivery is cut off half-way is lost.
    return await patiently(() => client.credential(grantId, { rotate }), {
      signal: how.signal,
      withinMs: SILENCE_MS_MAX,
    });
  } catch (error) {
    how.signal.throwIfAborted();
    const code = error instanceof Error && error.name === "ProblemError" && "code" in error ? error.code : null;
    if (code === "grant-not-active") return "not-yet";
    // After a rotation of our own this can only mean that somebody else was quicker: then it is theirs.
    if (code === "credential-delivered" && how.rotateIfDelivered && !rotate) return "delivered-before";
    throw error;
  }
}

async function untilItMayCome(context: Context, grantId: string, how: Obtaining): Promise<void> {
  const grant = await context.client.getGrant(grantId, { signal: how.signal });
  // Active and still "not yet": a rotation is under way, which changes no state that could be waited for.
  if (grant.state === "active") return pause(ASK_AGAIN_MS.least * 2, how.signal);
  if (
    grant.state === "scheduled" &&
    grant.activateBy === null &&
    Date.parse(grant.startsAt) > systemClock.nowMs() + STARTS_SOON_MS
  )
    throw new CommandFailure("grant-not-active", `The grant starts at ${grant.startsAt}.`);
  await untilGrant(context, grant, (seen) => !COMING.includes(seen.state), how);
}
