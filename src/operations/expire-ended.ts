import { toTimestamp } from "../base/clock.ts";
import { type GrantChange, revokeGrant as revoke } from "../domain/grant.ts";
import type { GrantSeen } from "../store/due.ts";
import type { LedgerContext } from "./context.ts";
import { transact } from "./transact.ts";

/**
 * The end has come for many at once: they are being revoked from now on, in one transaction, with an entry for each. Whoever
 * works on one later finds that decided, and who looks sees that its time is over although its target is not dealt with yet.
 * Answers how many there were.
 */
export async function expireEnded(context: LedgerContext, limit: number): Promise<number> {
  const acting = { operation: "expire-ended", actor: { system: "reconciler" as const } };
  const count = await transact<number>(context, acting, async ({ tx, apply }) => {
    const ended = await tx.lockEnded(limit);
    const grants = ended.flatMap((seen) => endOf(seen) ?? []);
    const [first] = ended;
    if (first !== undefined && grants.length > 0) await apply({ grants }, first.nowMs);
    return grants.length;
  });
  return count as number;
}

/** An active grant has a lease: it became active by what was made under it. */
function endOf({ grant, nowMs }: GrantSeen): GrantChange | null {
  if (nowMs < grant.expiresMs) return null;
  const reason = `ended at ${toTimestamp(grant.expiresMs)}`;
  return revoke(grant, { cause: "expired", by: null, reason }, { system: "reconciler" }, { leaseWritten: true });
}
