import { type PanicId, panicId } from "../base/ids.ts";
import { isRefusal, type Refusal, refuse } from "../base/problem.ts";
import type { EntryDraft } from "../domain/audit.ts";
import { OPERATORS } from "../domain/candidates.ts";
import { telling } from "../domain/message.ts";
import type { Panic, PanicScope } from "../domain/panic.ts";
import { hasRole, type Principal } from "../domain/principal.ts";
import { tellPanic } from "../domain/tell.ts";
import { hadGrants, putPanic } from "../store/panics.ts";
import type { SqlTx } from "../store/sql-tx.ts";
import type { Context } from "./context.ts";
import { enforcePanic } from "./enforce-panics.ts";
import { findPerson, nobodyCalled } from "./find-person.ts";
import { type IdempotencyKey, transact } from "./transact.ts";

/** Over what, as somebody says it: exactly one of these. */
export type PanicOver = {
  readonly all?: true | undefined;
  readonly resource?: string | undefined;
  /** Handle or id. */
  readonly person?: string | undefined;
};

/**
 * Presses the panic button. From its commit on nothing new is given within its scope; then everything that is live there
 * is ended, a batch at a time. Should this process die in between, the job that enforces panics goes on.
 */
export async function startPanic(
  context: Context,
  by: Principal,
  over: PanicOver,
  reason: string,
  idempotency: IdempotencyKey | null = null,
): Promise<{ panicId: PanicId } | Refusal> {
  const acting = { operation: "start-panic", actor: { principal: by.id }, idempotency };
  const started = await transact<{ panicId: PanicId }, SqlTx>(context, acting, async ({ tx, apply }) => {
    if (!hasRole(by, "operator", "admin"))
      return refuse(
        "forbidden",
        "The panic button is for operators and admins. Your own grants you can end: tidegate revoke.",
      );
    const scope = await scopeOf(context, tx, over);
    if (isRefusal(scope)) return scope;
    await tx.haltDecisions();
    const nowMs = await tx.nowMs();
    const panic: Panic = { id: panicId.make(), scope, startedBy: by.id, startedMs: nowMs, reason, lifted: null };
    await putPanic(tx.sql, panic);
    const tells = tellPanic("panic.started", panic, by.id, reason, await tx.candidatesFor(OPERATORS));
    await apply({ entries: [telling(startedEntry(panic), tells)] }, nowMs);
    return { panicId: panic.id };
  });
  if ("panicId" in started) await enforcePanic(context, started.panicId);
  return started;
}

async function scopeOf(context: Context, tx: SqlTx, { resource, person }: PanicOver): Promise<PanicScope | Refusal> {
  if (resource !== undefined) return resourceScope(context, tx, resource);
  if (person === undefined) return { on: "all" };
  const found = await findPerson(tx, person);
  return found === null ? nobodyCalled(person) : { on: "principal", principalId: found.id };
}

/** Configured now, or once: grants outlive the resource that was removed from the file. */
async function resourceScope(context: Context, tx: SqlTx, resource: string): Promise<PanicScope | Refusal> {
  const configured = Object.keys((await context.catalog.active(tx))?.configuration.resources ?? {});
  if (configured.includes(resource) || (await hadGrants(tx.sql, resource))) return { on: "resource", resource };
  return refuse("not-found", `There is no resource ${JSON.stringify(resource)}. There are: ${configured.join(", ")}.`);
}

function startedEntry({ id, scope, startedBy, reason }: Panic): EntryDraft {
  return {
    kind: "panic.started",
    actor: { principal: startedBy },
    refs: scope.on === "principal" ? { principal: scope.principalId } : {},
    data: { panic: id, on: scope.on, ...(scope.on === "resource" ? { resource: scope.resource } : {}) },
    personal: { reason },
  };
}
