import type { PanicId } from "../base/ids.ts";
import { type Refusal, refuse } from "../base/problem.ts";
import { OPERATORS } from "../domain/candidates.ts";
import { telling } from "../domain/message.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { tellPanic } from "../domain/tell.ts";
import { lockPanic, putPanic } from "../store/panics.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Context } from "./context.ts";
import { type IdempotencyKey, transact } from "./transact.ts";

export const NO_SUCH_PANIC = refuse("not-found", "There is no such panic. List them: tidegate panic list.");

/** Gives way again: access may be asked for and given. What was ended stays ended. Repeated, it changes nothing. */
export function liftPanic(
  context: Context,
  by: Principal,
  id: PanicId,
  reason: string,
  idempotency: IdempotencyKey | null = null,
): Promise<{ panicId: PanicId } | Refusal> {
  const acting = { operation: "lift-panic", actor: { principal: by.id }, idempotency };
  return transact<{ panicId: PanicId }, SqlTx>(context, acting, async ({ tx, apply }) => {
    if (!hasRole(by, "admin")) return refuse("forbidden", "A panic is lifted by an admin. Ask one of them.");
    const panic = await lockPanic(tx.sql, id);
    if (panic === null) return NO_SUCH_PANIC;
    if (panic.lifted !== null) return { panicId: id };
    const nowMs = await tx.nowMs();
    await putPanic(tx.sql, { ...panic, lifted: { by: by.id, atMs: nowMs, reason } });
    const actor = { principal: by.id };
    const tells = tellPanic("panic.lifted", panic, by.id, reason, await tx.candidatesFor(OPERATORS));
    const entry = { kind: "panic.lifted" as const, actor, refs: {}, data: { panic: id }, personal: { reason } };
    await apply({ entries: [telling(entry, tells)] }, nowMs);
    return { panicId: id };
  });
}
