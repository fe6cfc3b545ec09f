import type { PrincipalId } from "../base/ids.ts";
import type { EntryActor } from "../domain/audit.ts";
import { endPending } from "../domain/decide-request.ts";
import { type Principal, sourcesOf } from "../domain/principal.ts";
import type { LedgerContext } from "./context.ts";
import { endAllOf } from "./revoke-grant.ts";
import { revokedEntry } from "./revoke-token.ts";
import { transact, type Work } from "./transact.ts";

/** Somebody leaves: no new access, and all they have ends now. */
export function deactivatePrincipal(
  context: LedgerContext,
  id: PrincipalId,
  actor: EntryActor,
  reason: string,
): Promise<unknown> {
  return transact(context, { operation: "deactivate-principal", actor, refs: { principal: id } }, async (work) => {
    // What was asked for until now and waits for them is seen here, and looked at again; what is asked for later sees that they left.
    await work.tx.haltDecisions();
    const principal = await work.tx.lockPrincipal(id);
    if (principal?.active === true) await deactivate(work, principal, actor, reason);
    return null;
  });
}

/** The same within a larger change. The caller has halted decisions and holds the principal, so nothing new is granted meanwhile. */
export async function deactivate(work: Work, principal: Principal, actor: EntryActor, reason: string): Promise<void> {
  const { tx } = work;
  const nowMs = await tx.nowMs();
  await tx.putPrincipal({ ...principal, active: false }, nowMs);
  const refs = { principal: principal.id };
  const signedOut = (await tx.endSessionsOf(principal.id, nowMs)).map((session) => ({
    ...{ kind: "session.ended" as const, actor, refs, data: { ...session, because: reason } },
  }));
  const tokens = (await tx.revokeTokensOf(principal.id, nowMs)).map((token) =>
    revokedEntry(token, principal.id, actor, reason),
  );
  const left = { kind: "principal.deactivated" as const, actor, refs, data: { because: reason } };
  await work.apply({ entries: [left, ...signedOut, ...tokens] }, nowMs);
  for (const id of await tx.pendingRequestIds(principal.id)) {
    const request = await tx.lockRequest(id);
    if (request?.state === "pending")
      await work.apply(endPending(request, "cancelled", "the person was deactivated", actor, nowMs).changes, nowMs);
  }
  const missed = [principal, ...(await tx.whoNamed(principal.id))];
  await tx.lookAgainAt(["owners", ...missed.flatMap(sourcesOf)]);
  const by = "principal" in actor ? actor.principal : null;
  const ending = { cause: "deactivated" as const, by, reason };
  await endAllOf(work, principal.id, ending, by === null ? { system: "config" } : { principal: by });
}
