import { defined } from "../base/assert.ts";
import { toTimestamp } from "../base/clock.ts";
import { failpoint } from "../base/failpoint.ts";
import type { GrantId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { Secret } from "../base/secret.ts";
import type { Delivery } from "../domain/credential.ts";
import { activateGrant, askRotation, deliverCredential as deliver } from "../domain/grant.ts";
import type { Lease } from "../domain/lease.ts";
import type { Principal } from "../domain/principal.ts";
import type { LedgerTx } from "../store/ledger.ts";
import { CannotUnseal } from "../store/sealed.ts";
import type { LedgerContext } from "./context.ts";
import { NO_SUCH_GRANT } from "./revoke-grant.ts";
import { transact } from "./transact.ts";

export type Delivered = { readonly delivery: Delivery; readonly secret: Secret | null; readonly expiresAt: string };

/** `accepted`: something was set in motion (the grant was activated, a new secret was asked for); ask again in a moment. */
export type CredentialAnswer = Delivered | { readonly accepted: "activated" | "rotating" };

/** Hands the secret to the person of the grant: once. The sealed copy is destroyed in the same transaction. Never kept for idempotency. */
export async function deliverCredential(
  context: LedgerContext,
  by: Principal,
  id: GrantId,
  options: { rotate: boolean },
): Promise<CredentialAnswer | Refusal> {
  const actor = { principal: by.id };
  const answer = await transact<CredentialAnswer>(
    context,
    { operation: "deliver-credential", actor, refs: { grant: id } },
    async ({ tx, apply }) => {
      const locked = await tx.lockGrant(id, null);
      if (locked === null || locked.grant.principalId !== by.id) return NO_SUCH_GRANT;
      const { grant, nowMs } = locked;
      if (grant.state === "scheduled" && grant.activateByMs !== null) {
        const activated = activateGrant(grant, actor, nowMs);
        if (isRefusal(activated)) return activated;
        await apply({ grants: [activated] }, nowMs);
        return { accepted: "activated" };
      }
      if (options.rotate) {
        const asked = askRotation(grant, actor, nowMs);
        if (isRefusal(asked)) return asked;
        await apply({ grants: [asked] }, nowMs);
        return { accepted: "rotating" };
      }
      const change = deliver(grant, actor, nowMs);
      if (isRefusal(change)) return change;
      const lease = defined(await tx.leaseOf(id), `lease of active grant ${id}`);
      const secret = await secretOf(context, tx, lease);
      if (isRefusal(secret)) return secret;
      // A login without its secret is of no use to anybody: better said than handed out empty.
      if (secret === null && change.grant.credential !== "none")
        return refuse("credential-delivered", "The secret is not kept any more. Ask with rotate for a new one.");
      if (lease.secretId !== null) await tx.discard(lease.secretId);
      await apply({ grants: [change] }, nowMs);
      return { delivery: defined(lease.delivery, "delivery"), secret, expiresAt: toTimestamp(grant.expiresMs) };
    },
  );
  await failpoint("deliver.after-record");
  return answer;
}

/** A secret whose key this process lacks is not lost: another process may have the key, or get it. */
async function secretOf(context: LedgerContext, tx: LedgerTx, { secretId }: Lease): Promise<Secret | null | Refusal> {
  if (secretId === null) return null;
  try {
    return await tx.unseal(context.sealing, "credential", secretId);
  } catch (error) {
    if (!(error instanceof CannotUnseal)) throw error;
    return refuse(
      "unavailable",
      `The credential is sealed with key ${error.keyId}, which does not open it on this server. Ask again later, or with rotate for a new one.`,
    );
  }
}
