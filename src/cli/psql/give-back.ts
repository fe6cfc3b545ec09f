import { systemClock } from "../../base/clock.ts";
import type { GrantView } from "../../contract/access.ts";
import type { Context } from "../connect.ts";
import { patiently } from "../patience.ts";
import { provenWords } from "../words/grant-words.ts";
import { clockTime, moment } from "../words/time.ts";

const ASK_WITHIN_MS = 20_000;
/** The proof usually comes within a second. Whoever leaves is not held up for longer than this. */
const PROOF_SECONDS = 15;

/** Thrown when access could not be given back: then it lives until its end, and that must be said. */
export class NotGivenBack extends Error {
  override readonly name = "NotGivenBack";
}

/** Ends the grant and waits a little for the proof. Answers what is known, for people. */
export async function giveBack(context: Context, grantId: string, reason: string): Promise<string> {
  const { client } = context;
  const idempotencyKey = crypto.randomUUID();
  try {
    const begun = await patiently(() => client.revokeGrant(grantId, { reason }, { idempotencyKey }), {
      withinMs: ASK_WITHIN_MS,
    });
    return givenBackWords(await untilProven(context, begun));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new NotGivenBack(`The access could NOT be given back (${why}). Do it with: tidegate revoke ${grantId}`, {
      cause: error,
    });
  }
}

/** The grant once it is closed, or as it is after a while. */
export async function untilProven({ client }: Context, grant: GrantView): Promise<GrantView> {
  const deadlineMs = systemClock.monotonicMs() + PROOF_SECONDS * 1_000;
  let seen = grant;
  for (;;) {
    const leftMs = deadlineMs - systemClock.monotonicMs();
    if (isClosed(seen) || leftMs <= 0) return seen;
    const hold = { waitSeconds: Math.ceil(leftMs / 1_000), while: seen.state };
    const next = await patiently(() => client.getGrant(seen.id, hold), { withinMs: leftMs }).catch(() => null);
    if (next === null) return seen;
    seen = next;
  }
}

export const isClosed = (grant: GrantView): boolean => ["revoked", "failed", "cancelled"].includes(grant.state);

function givenBackWords(grant: GrantView): string {
  if (grant.state === "cancelled")
    return `The access is given back: grant ${grant.id} was cancelled before anything was made.`;
  if (isClosed(grant)) return `The access is given back: ${provenWords(grant)}${receiptOf(grant)}.`;
  const how = grant.accessGone ? "the access is gone, clean-up is pending" : "that it is gone is NOT PROVEN YET";
  return `The access is given back, ${how}; Tidegate keeps at it: tidegate grants show ${grant.id}`;
}

/** `Access ended at 14:05`, and, once it is closed, what is proven. */
export function endedWords(grant: GrantView): string {
  const nowMs = systemClock.nowMs();
  const endedMs = Math.min(Date.parse(grant.expiresAt), grant.revokedAt === null ? nowMs : Date.parse(grant.revokedAt));
  const ended = `Access ended at ${clockTime(endedMs, nowMs)}`;
  if (!isClosed(grant)) return ended;
  const joined = grant.receipt?.evidence.kind === "gone" ? ", and is " : ": ";
  return `${ended}${joined}${provenWords(grant)}${receiptOf(grant)}`;
}

const receiptOf = (grant: GrantView): string =>
  grant.receipt === null
    ? ""
    : ` ${moment(grant.receipt.verifiedAt, systemClock.nowMs())} (receipt: audit entry ${grant.receipt.auditSeq})`;
