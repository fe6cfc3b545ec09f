/** A token opens nothing any more, from the next call on. */
import type { PrincipalId, TokenId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import type { EntryActor, EntryDraft } from "../domain/audit.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import { type ApiToken, goodToken, revokeTokenRow } from "../store/tokens.ts";
import type { Context } from "./context.ts";
import { type IdempotencyKey, transact, type Work } from "./transact.ts";

export const NO_SUCH_TOKEN = refuse("not-found", "There is no such token, or it is over.");

type Revoked = { readonly id: TokenId; readonly name: string; readonly principalId: PrincipalId };

/** One's own; of others for admins. */
export function revokeToken(
  context: Context,
  by: Principal,
  id: TokenId,
  idempotency: IdempotencyKey | null = null,
): Promise<Revoked | Refusal> {
  const acting = { operation: "revoke-token", actor: { principal: by.id }, idempotency };
  return transact<Revoked, SqlTx>(context, acting, async (work) => {
    const found = await goodToken(work.tx.sql, id);
    if (found === null || (found.principalId !== by.id && !hasRole(by, "admin"))) return NO_SUCH_TOKEN;
    await work.tx.lockPrincipal(found.principalId);
    const token = await goodToken(work.tx.sql, id);
    if (token === null) return NO_SUCH_TOKEN;
    await revoke(work, by, token, "revoked");
    return { id, name: token.name, principalId: token.principalId };
  });
}

/** Within a larger change. The caller holds its owner. */
export async function revoke(
  { tx, apply }: Work<SqlTx>,
  by: Principal,
  { id, principalId }: ApiToken,
  because: string,
): Promise<void> {
  const nowMs = await tx.nowMs();
  await revokeTokenRow(tx.sql, id, by.id, nowMs);
  await apply({ entries: [revokedEntry(id, principalId, { principal: by.id }, because)] }, nowMs);
}

export const revokedEntry = (
  token: TokenId,
  principal: PrincipalId,
  actor: EntryActor,
  because: string,
): EntryDraft => ({
  ...{ kind: "token.revoked", actor, refs: { principal }, data: { token, because } },
});
