/** A job elsewhere has proven which service it is, and is given a token for a while. */
import { toTimestamp } from "../base/clock.ts";
import { type PrincipalId, tokenId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import type { Scope } from "../base/scope.ts";
import type { Workload } from "../domain/workload.ts";
import { principalByIdentity } from "../store/principals.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import { putToken } from "../store/tokens.ts";
import { FILE_ISSUER } from "./activate-config.ts";
import type { Context } from "./context.ts";
import { transact } from "./transact.ts";

export type Exchanged = { readonly principalId: PrincipalId; readonly expiresMs: number };

export function exchangeToken(
  context: Context,
  proven: { readonly handle: string; readonly workload: Workload; readonly subject: string },
  scopes: readonly Scope[] | null,
  hash: string,
): Promise<Exchanged | Refusal> {
  const actor = { system: "identity" } as const;
  return transact<Exchanged, SqlTx>(context, { operation: "exchange-token", actor }, async ({ tx, apply }) => {
    const { handle, workload, subject } = proven;
    const declared = await principalByIdentity(tx.sql, FILE_ISSUER, handle);
    const service = declared === null ? null : await tx.lockPrincipal(declared.id);
    if (service?.active !== true) return refuse("principal-deactivated", `${handle} is deactivated.`);
    const nowMs = await tx.nowMs();
    const expiresMs = nowMs + workload.lifetimeMs;
    const id = tokenId.make();
    const token = { id, principalId: service.id, name: "workload", hash, expiresMs, scopes, madeBy: null };
    await putToken(tx.sql, token, "exchange", nowMs);
    const narrowed = scopes === null ? {} : { scopes: [...scopes] };
    const data = {
      ...narrowed,
      token: id,
      issuer: workload.issuer,
      subject,
      expires: toTimestamp(expiresMs),
    };
    const entry = { kind: "token.exchanged" as const, actor, refs: { principal: service.id }, data };
    await apply({ entries: [entry] }, nowMs);
    return { principalId: service.id, expiresMs };
  });
}
