/** Passkeys: somebody adds one, shows one for an act that demands it, and it is removed. */
import { type PasskeyId, type PrincipalId, passkeyId, type SessionId, type StepUpId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import { lacking } from "../domain/authentication.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import {
  findPasskey,
  type NewPasskey,
  type Passkey,
  passkeysOf,
  putPasskey,
  removePasskeyRow,
  usePasskey,
} from "../store/passkeys.ts";
import { lockSession } from "../store/sign-in-sessions.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import { findStepUp, setPasskeyShown } from "../store/step-ups.ts";
import type { Context } from "./context.ts";
import { STEP_UP_OVER } from "./step-up.ts";
import { type IdempotencyKey, transact } from "./transact.ts";

/** Who adds a passkey must have signed in at their provider so lately, also for the first. */
export const TO_ADD = { maxAgeMs: 10 * 60_000 };
const PASSKEYS_MAX = 20;

/** Whoever signed in long ago signs in once more, also where they have come so far meanwhile. */
export function addPasskey(
  context: Context,
  by: Principal,
  id: SessionId,
  made: NewPasskey,
): Promise<{ passkeyId: PasskeyId } | Refusal> {
  const acting = { operation: "add-passkey", actor: { principal: by.id } };
  return transact<{ passkeyId: PasskeyId }, SqlTx>(context, acting, async ({ tx, apply }) => {
    const person = await tx.lockPrincipal(by.id);
    const session = await lockSession(tx.sql, id);
    if (person?.active !== true || session?.principalId !== by.id) return STEP_UP_OVER;
    const nowMs = await tx.nowMs();
    if (lacking(TO_ADD, session.authentication, nowMs) !== null)
      return refuse("sign-in-expired", "To add a passkey, sign in at your provider once more: /auth/passkeys.");
    if ((await passkeysOf(tx.sql, by.id)).length >= PASSKEYS_MAX)
      return refuse("invalid-input", `You have ${PASSKEYS_MAX} passkeys, which is the most. Remove one first.`);
    const added = passkeyId.make();
    if (!(await putPasskey(tx.sql, added, by.id, made)))
      return refuse("already-exists", "This passkey is, or was, somebody's already. Make another.");
    const data = { passkey: added, session: id };
    const entry = { kind: "passkey.added" as const, actor: acting.actor, refs: { principal: by.id }, data };
    await apply({ entries: [{ ...entry, personal: { name: made.name } }] }, nowMs);
    return { passkeyId: added };
  });
}

export const NO_SUCH_PASSKEY = refuse("not-found", "There is no such passkey, or it was removed.");

/** One's own; of others for admins. */
export function removePasskey(
  context: Context,
  by: Principal,
  id: PasskeyId,
  idempotency: IdempotencyKey | null = null,
): Promise<{ passkey: PasskeyId; principalId: PrincipalId } | Refusal> {
  const acting = { operation: "remove-passkey", actor: { principal: by.id }, idempotency };
  return transact<{ passkey: PasskeyId; principalId: PrincipalId }, SqlTx>(context, acting, async ({ tx, apply }) => {
    const found = await findPasskey(tx.sql, id);
    if (found === null || (found.principalId !== by.id && !hasRole(by, "admin"))) return NO_SUCH_PASSKEY;
    if (!(await removePasskeyRow(tx.sql, id))) return NO_SUCH_PASSKEY;
    const { principalId } = found;
    const entry = { kind: "passkey.removed" as const, actor: acting.actor, refs: { principal: principalId } };
    await apply({ entries: [{ ...entry, data: { passkey: id } }] }, await tx.nowMs());
    return { passkey: id, principalId };
  });
}

/** It has answered what it was asked for this act. */
export function showPasskey(
  context: Context,
  id: StepUpId,
  { passkey, counter }: { readonly passkey: Passkey; readonly counter: number },
): Promise<{ principalId: PrincipalId } | Refusal> {
  const acting = { operation: "step-up", actor: { principal: passkey.principalId } };
  return transact<{ principalId: PrincipalId }, SqlTx>(context, acting, async ({ tx, apply }) => {
    const found = await findStepUp(tx.sql, id);
    if (found === null || found.principalId !== passkey.principalId) return STEP_UP_OVER;
    if (!(await usePasskey(tx.sql, passkey.id, counter)))
      return refuse("sign-in-refused", "This passkey was removed, or was used by somebody else at this very moment.");
    await setPasskeyShown(tx.sql, found);
    const { principalId } = found;
    const data = { session: found.session, passkey: passkey.id };
    const entry = { kind: "session.authenticated" as const, ...acting, refs: { principal: principalId }, data };
    await apply({ entries: [entry] }, await tx.nowMs());
    return { principalId };
  });
}
