import type { PrincipalId } from "../base/ids.ts";
import type { EntryActor } from "../domain/audit.ts";
import { endPending } from "../domain/decide-request.ts";
import type { Principal } from "../domain/principal.ts";
import { databaseNowMs } from "../store/db.ts";
import { liveGrantIds } from "../store/grants.ts";
import { lockPrincipal, putPrincipal } from "../store/principals.ts";
import { listRequests, lockRequest } from "../store/requests.ts";
import type { Context } from "./context.ts";
import { endAllOf } from "./revoke-grant.ts";
import { transact, type Work } from "./transact.ts";

const PENDING_MAX = 10_000;

/** Somebody leaves: no new access, and all they have ends now. */
export function deactivatePrincipal(
  context: Context,
  id: PrincipalId,
  actor: EntryActor,
  reason: string,
): Promise<unknown> {
  return transact(context, { operation: "deactivate-principal", actor, refs: { principal: id } }, async (work) => {
    const principal = await lockPrincipal(work.tx, id);
    if (principal?.active === true) await deactivate(work, principal, actor, reason);
    return null;
  });
}

/** The same within a larger change. The principal is locked by the caller, so nothing new is granted meanwhile. */
export async function deactivate(work: Work, principal: Principal, actor: EntryActor, reason: string): Promise<void> {
  const { tx } = work;
  const nowMs = await databaseNowMs(tx);
  await putPrincipal(tx, { ...principal, active: false }, nowMs);
  const refs = { principal: principal.id };
  await work.apply({ entries: [{ kind: "principal.deactivated", actor, refs, data: { because: reason } }] }, nowMs);
  const pending = await listRequests(tx, { requesterId: principal.id, states: ["pending"], limit: PENDING_MAX });
  for (const { request: seen } of pending) {
    const request = await lockRequest(tx, seen.id);
    if (request?.state === "pending")
      await work.apply(endPending(request, "cancelled", "the person was deactivated", actor, nowMs).changes, nowMs);
  }
  const by = "principal" in actor ? actor.principal : null;
  await endAllOf(work, await liveGrantIds(tx, principal.id), { cause: "deactivated", by, reason }, by);
}
